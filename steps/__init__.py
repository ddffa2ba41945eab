"""What is done: the six steps and everything they need.

docs/architecture.md, Map, says what is in each file and folder. Order and schedules live in `flows`.
"""

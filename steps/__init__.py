"""What is done: the six steps and everything they need.

Verb files are the steps (`invoices.py`), noun files are what they work with (`catalog.py`, `settings.py`).
`domain/` holds the ledger's tables and rules, `connectors/` the vendors' clients, `accruals/` the accrual engine,
`sandbox/` an invented academy served as the three vendors. Order and schedules live in `flows`.
"""

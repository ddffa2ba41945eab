"""Damaged records: a proxy between the program and the sandbox, and what must hold whatever it makes of a record."""

"""The accrual engine: a pure function of the ledger as of a month's last day (docs/accrual-rules.md).

`settled.py` tells which contracts are left out, `load.py` reads the others in chunks, `contract_month.py` is what is
known of one, with its `sessions.py`, `decision_table.py` decides, `post.py` writes and checks. `gate.py` looks at the
month's import before.
"""

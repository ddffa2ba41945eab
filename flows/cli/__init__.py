"""`sync-actions`: the command line (docs/interfaces.md, Command line).

`app.py` is the console script, `commands.py` says what may be typed. `run.py` runs something, `history.py` reads what
happened, `reports.py` shows the accruals, `admin.py` looks after the installation, `output.py` is what people see.
"""

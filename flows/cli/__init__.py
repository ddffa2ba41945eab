"""`sync-actions`: the command line (interfaces.md, Command line).

`app.py` is the console script, `commands.py` reads what was asked, `run.py` runs it through Prefect, `prefect_api.py`
sees to it that there is a Prefect API, `sandbox.py` swaps the vendors for the invented academy. A person sees
`progress_view.py` while it works and `outcome.py` (with `tables.py`) when it is done. The other files are the other
commands.
"""

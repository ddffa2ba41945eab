"""`sync-actions`: the command line (interfaces.md, Command line).

`app.py` reads what was asked, `run.py` runs it through Prefect, `prefect_api.py` sees to it that there is a Prefect
API, `sandbox.py` swaps the vendors for the invented academy, `screen.py` is everything a person sees, `look_back.py`
the commands that read what happened.
"""

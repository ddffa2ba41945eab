"""The HTTP API (docs/interfaces.md, HTTP API): thin routes over the flows and the queries that others use too.

`app.py` puts it together, one file a noun holds its routes, `prefect_runs.py` starts what was asked for, which a worker
does (`deployed_runs.py`) or this server (`in_process.py`); `security.py` and `problems.py` say no.
"""

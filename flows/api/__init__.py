"""The HTTP API (interfaces.md, HTTP API): thin routes over the flows and the queries that others use too.

`app.py` puts it together, one file a noun holds its routes, `step_runs.py` starts what was asked for, `security.py` and
`problems.py` say no.
"""

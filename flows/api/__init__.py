"""The HTTP API (docs/interfaces.md, HTTP API): thin routes over the flows and the queries that others use too.

`app.py` puts it together, one file a noun in `routes/` holds its routes, `runs.py` starts what was asked for and waits
for it, which a worker does; `schemas.py` and `lists.py` are what an answer looks like, `security.py` and `problems.py`
refuse.
"""

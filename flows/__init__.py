"""When, and in which order: whatever a clock or a person can start.

`order.py` the import order, `parameters.py` what may be asked for, one file per flow, `artifacts.py` what a run leaves
in Prefect, `cli/` the `sync-actions` command. What a step does is in `steps`, what happened is in `tracking`.
"""

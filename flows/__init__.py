"""When, and in which order: whatever a clock or a person can start.

`plan.py` the import order and what a run is to do, `parameters.py` what may be asked for, one file per flow,
`artifacts.py` what a run leaves in Prefect, `cli/` the `sync-actions` command. What a step does is in `steps`, what
happened is in `tracking`.
"""

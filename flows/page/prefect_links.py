"""Where a run is in Prefect's own UI."""

import os

_API = "/api"


def run_address(flow_run_id: str | None) -> str | None:
    """The address of a flow run: `PREFECT_UI_URL`, else that of `PREFECT_API_URL`'s server; None if neither is set.

    A temporary server has no UI, and its runs are gone with it.
    """
    base = os.environ.get("PREFECT_UI_URL") or os.environ.get("PREFECT_API_URL", "").rstrip("/").removesuffix(_API)
    return f"{base.rstrip('/')}/runs/flow-run/{flow_run_id}" if base and flow_run_id else None

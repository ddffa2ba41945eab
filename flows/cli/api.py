"""`sync-actions api`: serve the HTTP API."""

from contextlib import ExitStack
from typing import Annotated

import typer

from flows.cli.prefect_api import quiet_prefect


def serve_api(
    host: Annotated[
        str, typer.Option(help="Address to serve on; another machine's clients need SYNC_API_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use the built-in sandbox as the three vendors.")] = False,
) -> None:
    """Serve the HTTP API: run steps, see what happened, work the errors, take reports along."""
    quiet_prefect()
    with ExitStack() as stack:
        if sandbox:
            from flows.cli.sandbox import sandboxed

            stack.enter_context(sandboxed())
        from flows.api.server import serve  # it imports Prefect, which takes seconds

        serve(host, port, typer.echo)

"""`sync-actions errors`: a list by itself, with options and ids as ever, and the home of `retry` and `show`."""

from typing import Any

import typer
from typer.core import TyperGroup

from flows.cli.look_back import show_errors
from flows.cli.retry import retry, show_error

_LIST = "list"


class _ListUnlessNamed(TyperGroup):
    """A group whose arguments are the list's, unless they begin with the name of another command or ask for help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What follows `errors`."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else [_LIST, *args])


errors = typer.Typer(cls=_ListUnlessNamed, help="List records that could not be applied; export, mark or retry them.")
errors.command(_LIST)(show_errors)
errors.command("retry")(retry)
errors.command("show")(show_error)

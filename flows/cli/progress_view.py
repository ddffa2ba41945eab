"""What a person sees while a command works, on standard error: progress, and the one line of an error."""

from types import TracebackType

from rich.console import Console
from rich.status import Status
from rich.text import Text

from steps.progress import News


def error_line(message: str) -> None:
    """One line on standard error, whatever the message held."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(" ".join(message.split())))


class RunView:
    """Progress of a run on standard error: a line for each thing that ended, a moving one for what is going on."""

    def __init__(self, title: str) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._title = title

    def __enter__(self) -> "RunView":
        self._console.print(Text(self._title, style="bold"))
        if self._console.is_terminal:
            self._status = self._console.status("starting")
            self._status.start()
        return self

    def hear(self, news: News, message: str) -> None:
        """A progress listener."""
        if news is News.LASTING:
            self._console.print(Text(message, style="red" if "FAILED" in message else ""))
        elif self._status is not None:
            self._status.update(Text(message, style="cyan"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

"""What steps, rules and vendors say, in Spanish: a table of their messages, with the blanks that they fill in.

The messages themselves are English everywhere else: on the command line, in logs, in the database.
"""

import re
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files

_LONGEST = 1000
"""Of a message; what a vendor sent may be in it."""
_LISTED = {"; ": "; ", ", ": ", ", " and ": " y "}
Fill = Callable[[str], str]
"""How what stands in a blank is written, if it is no message itself."""


def in_spanish(message: str, fill: Fill, *, in_a_blank: bool = False) -> str | None:
    """A message in Spanish, and what stands in its blanks, which may be messages or lists of them; None: not known."""
    for literal, pattern, spanish in _table(in_a_blank=in_a_blank) if len(message) <= _LONGEST else ():
        if literal in message and (found := pattern.fullmatch(message)):  # of thousands of messages few are matched
            return spanish.format(*(_filled(each, fill) for each in found.groups()))
    return None


def _filled(text: str, fill: Fill) -> str:
    if (told := in_spanish(text, fill, in_a_blank=True)) is not None:
        return told
    for mark, spanish in _LISTED.items():
        parts = text.split(mark)
        if any(in_spanish(each, fill, in_a_blank=True) for each in parts[1:]):
            return spanish.join(_filled(each, fill) for each in parts)
    return fill(text)


@cache
def _table(*, in_a_blank: bool) -> list[tuple[str, re.Pattern[str], str]]:
    """What fits most of a message first: `spanish.toml`, where `{}` is a blank."""
    tables = tomllib.loads(files("flows.page").joinpath("spanish.toml").read_text(encoding="utf-8"))
    told: dict[str, str] = tables["messages"] | (tables["blanks"] if in_a_blank else {})
    order = sorted(told, key=lambda english: len(english.replace("{}", "")), reverse=True)
    return [
        (
            max(english.split("{}"), key=len),
            re.compile("(.*?)".join(map(re.escape, english.split("{}"))), re.DOTALL),
            told[english],
        )
        for english in order
    ]

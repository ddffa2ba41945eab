"""JSON as vendors send it: read without floats and without what no database stores, and made plain for our columns."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn

Json = Any
"""Any JSON value, as it came: nobody has vouched for its shape yet."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNSTORABLE_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_LONGEST_INTEGER = 16
"""Digits up to which a whole number such as `5850.00` is shown as an integer."""


class NoJsonNumberError(ValueError):
    """NaN or Infinity: numbers to Python, not to JSON."""


def parse_json(body: bytes, parse_float: Callable[[str], Json] = Decimal) -> Json:
    """The value of a body.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it nests deeper than any vendor's record.
    """
    value = json.loads(body, parse_float=parse_float, parse_constant=_refuse_constant)
    return _storable(value) if _UNSTORABLE_ESCAPE.search(body) else value


def plain(value: Json) -> Json:
    """A vendor's record as JSON columns hold it: an exact number becomes an integer, or a float of the same digits."""
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value() and value.adjusted() < _LONGEST_INTEGER
        return int(value) if whole else float(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _refuse_constant(name: str) -> NoReturn:
    raise NoJsonNumberError(f"{name} is no JSON number")


def _storable(value: Json) -> Json:
    """Without NUL and lone surrogates, which no database text takes: one odd name must not fail a whole list."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_UNSTORABLE.sub("\ufffd", key): _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value

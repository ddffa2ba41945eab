"""JSON as vendors send it: read without floats and without what no database stores, and made plain for our columns."""

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import partial
from math import isfinite
from typing import Any, NoReturn

Json = Any
"""Any JSON value, as it came: nobody has vouched for its shape yet."""

DEEPEST = 100
"""Levels of nesting; the vendors' records have less than ten."""
_REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNSTORABLE_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_LONGEST_INTEGER = 16
"""Digits up to which a whole number such as `5850.00` is shown as an integer."""


class UnusableJsonError(ValueError):
    """It is JSON to some, and holds what nobody can use; the message says what."""


class RepairedRecord(dict[str, Any]):
    """An object in which characters that no database stores were replaced by U+FFFD, at whatever depth."""


def parse_json(body: bytes, parse_float: Callable[[str], Json] = Decimal) -> Json:
    """The value of a body. Whatever is wrong with one text or number in it stays with the record that holds it.

    Bytes that are no UTF-8, NUL and lone surrogates are replaced, and the objects that hold them are `RepairedRecord`.
    A number that is too large to be one stays the text it was written as: a field that needs a number refuses that.

    Raises:
        UnusableJsonError: it holds NaN or Infinity, or nests too deep.
        ValueError: it is no JSON.
    """
    text, damaged = _decode(body)
    try:
        value = _loads(text, parse_float)
    except RecursionError:
        raise UnusableJsonError(f"it nests deeper than {DEEPEST} levels") from None
    if _is_too_deep(value):
        raise UnusableJsonError(f"it nests deeper than {DEEPEST} levels")
    suspect = damaged or b"\x00" in body or _UNSTORABLE_ESCAPE.search(body)
    return _repair(value)[0] if suspect else value


def storable(text: str) -> str:
    """The text with U+FFFD for NUL and lone surrogates, which no database takes."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def is_repaired(text: str) -> bool:
    """Whether characters of a text are lost, here or before it came here."""
    return _REPLACEMENT in text


def plain(value: Json) -> Json:
    """A vendor's record as JSON columns hold it: an exact number becomes an integer, or a float of the same digits.

    A number that no float holds, such as 1e400, becomes its text.
    """
    if isinstance(value, Decimal):
        if value == value.to_integral_value() and value.adjusted() < _LONGEST_INTEGER:
            return int(value)
        return float(value) if isfinite(float(value)) else str(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _decode(body: bytes) -> tuple[str, bool]:
    """The text of a body, and whether bytes of it are none; such bytes are lone surrogates in it."""
    encoding = json.detect_encoding(body)
    try:
        return body.decode(encoding), False
    except UnicodeDecodeError:
        return body.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace"), True


def finite_float(text: str) -> Json:
    """The number as a float; as it was written when no float holds it."""
    value = float(text)
    return value if isfinite(value) else text


def _loads(text: str, parse_float: Callable[[str], Json]) -> Json:
    """A line break inside a text harms nobody. Numbers are looked at one by one only where one is too large."""
    read = partial(json.loads, text, strict=False, parse_constant=_refuse_constant)
    try:
        return read(parse_float=parse_float)
    except json.JSONDecodeError:
        raise
    except (ValueError, InvalidOperation):
        return read(parse_float=partial(_or_text, parse_float), parse_int=partial(_or_text, int))


def _or_text(parse: Callable[[str], Json], text: str) -> Json:
    try:
        return parse(text)
    except (ValueError, InvalidOperation):
        return text


def _refuse_constant(name: str) -> NoReturn:
    raise UnusableJsonError(f"{name} is no JSON number")


def _is_too_deep(value: Json) -> bool:
    """Level by level: a recursion would be what it is to prevent."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            item
            for each in level
            for item in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True


def _repair(value: Json) -> tuple[Json, bool]:
    """The value as it can be stored, and whether something was replaced in it."""
    if isinstance(value, str):
        text = storable(value)
        return text, text != value
    if isinstance(value, dict):
        items = {storable(key): _repair(item) for key, item in value.items()}
        changed = any(each for _, each in items.values()) or items.keys() != value.keys()
        return (RepairedRecord if changed else dict)({key: item for key, (item, _) in items.items()}), changed
    if isinstance(value, list):
        parts = [_repair(item) for item in value]
        return [item for item, _ in parts], any(changed for _, changed in parts)
    return value, False

"""What becomes of records: the values that fields are given, and Hypothesis' choice of them."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import strategies as st

from tests.fuzz.proxy import FIELDS, Change, Damage, Key, Kind

NOTHING = [b"null", b'""', b"0", b"[]", b"{}", b"false", b'"   "']
NUMBERS = [
    b"true", b"-1", b"1", b"0.005", b"-0.005", b"0.1", b"1234.567", b"99999999999999.99", b"1e300", b"1e400", b"-1e400",
    b"1e-400", b"1E+2", b"123456789012345678901234567890", b"-0.0", b"9" * 5000, b"NaN", b"-Infinity",
    b"1e999999999999999999", b"4.999999999999999999999999999", b"999999999999.994", b"999999999999.995",
]  # fmt: skip
DIGITS = [
    b'"12"', b'" 12.50 "', b'"1.234,56"', b'"1,234.56"', b'"1_000"', b'"0x10"', b'"1e5"', b'"+5"', b'"-7.25"', b'"nan"',
    b'"sNaN"', b'"Infinity"', '"１２"'.encode(), '"٣٤"'.encode(), b'"12e"', b'"5 EUR"', '"€5"'.encode(), b'"--5"',
    b'"1e400"', b'"1709593200"', b'"12\\u0000"', b'"\\u00a012"', b'".5"', b'"5."',
]  # fmt: skip
TEXTS = [
    b'"\\u0000"', b'"a\\u0000b"', b'"\\ud800"', b'"x\\udfffy"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"e\\u0301"',
    '"\u202eoho"'.encode(), '"\u200b"'.encode(), b'"' + b"x" * 100_000 + b'"', b'"a\\nb\\tc"', b'"<script>"',
    b"\"'); DROP TABLE invoice; --\"", b'"a@b.co"', b'"A@B.CO, c@d.eu"', b'"@"', '"İSTANBUL@İ.com"'.encode(),
    b'"USD"', b'"usd "', b'"XX"', b'"$"', '"ＥＵＲ"'.encode(), b'"eur\\u0000"', b'"DELETED"', b'"select"', b'"date"',
    b'"=1+1"', b'"%s"', b'"{0}"', b'"@@x@@"',
]  # fmt: skip
TIMES = [
    b"-62135596800", b"253402300799", b"253402300800", b"1709593200000", b"1709593200.5", b"1711925999.999",
    b"1e18", b"-1e18", b'"0001-01-01"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59.999999-14:00"',
    b'"9999-12-31"', b'"2024-02-30"', b'"2024-02-29T24:00:00Z"', b'"31/12/2024"', b'"2024-W10-1"', b'"20240305"',
    b'"2024-03-05T10:00"', b'"2024-03-05T10:00:00+99:99"', b'"2024-03-05T10:00:60Z"', b'"yesterday"', b'"0000-00-00"',
    '"٢٠٢٤-٠٣-٠٥"'.encode(), b'"2024-03-05 "', b'"1999-12-31T23:30:00Z"', b'"2100-12-31T23:30:00Z"',
]  # fmt: skip
NESTED = [
    b'{"a": 1}', b"[1]", b"[null]", b"[[]]", b'[[["a"]]]', b"[{}]", b'[{"account": null}, null]', b'{"id": {"id": 1}}',
    b'[{"plain_text": 5}]', b'[{"plain_text": ["a"]}]', b'[{"account": 5}]', b"[" * 50 + b"]" * 50,
]  # fmt: skip
VALUES: tuple[bytes, ...] = (*NOTHING, *NUMBERS, *DIGITS, *TEXTS, *TIMES, *NESTED)

_COPIED: frozenset[Kind] = frozenset({"invoice", "credit_note"})
"""Of others a copy may be alike in all that is read, and one row more than `count` makes a list of the CRM unusable."""
_MOST_UNKNOWN = 5
_COUNTED: frozenset[Kind] = frozenset({"student", "enrollment"})


@st.composite
def damage(draw: st.DrawFn, kind: Kind) -> Damage:
    """Of a record of this kind."""
    changes: list[Change] = ["set", "set", "set", "set", "set", "drop", "wrap", "neighbour", "replace"]
    change = draw(st.sampled_from([*changes, "copy"] if kind in _COPIED else changes))
    path = draw(st.sampled_from(FIELDS[kind]))
    if change == "copy" and path == ("id",):
        path = FIELDS[kind][-1]
    return Damage(change, path, draw(st.sampled_from(VALUES)))


@st.composite
def damages(draw: st.DrawFn, keys: Sequence[Key], least: int, most: int) -> dict[Key, Damage]:
    """Of so many of these records.

    Left out is what makes a list unusable: two rows of the CRM with one id, or alike in everything; and more than a few
    rows that cannot be known again, for a list that lost most of what it had is refused.
    """
    chosen = draw(st.lists(st.sampled_from(keys), min_size=least, max_size=most, unique=True))
    made = {key: draw(damage(key[0])) for key in chosen}
    seen: set[tuple[Kind, bytes]] = set()
    unknown: Counter[Kind] = Counter()
    for (kind, external_id), each in list(made.items()):
        is_other = each.change == "replace" or each.path == ("id",)
        unknown[kind] += is_other
        if unknown[kind] > _MOST_UNKNOWN and is_other:
            del made[kind, external_id]
            continue
        if kind not in _COUNTED or not is_other:
            continue
        if each.change == "neighbour" or (kind, each.value) in seen:
            del made[kind, external_id]
        seen.add((kind, each.value))
    return made

"""What makes two meetings of an error the same trouble: the record, and what is wrong with it, whatever the figures."""

import re
from hashlib import sha256

_WORD = re.compile(r"\S+")
_DIGIT = re.compile(r"\d")
_LENGTH = 32


def error_fingerprint(operation: str, entity_type: str, external_id: str, message: str) -> str:
    """The same for the same trouble of the same record, in every run and on every machine.

    Args:
        operation: The step id.
        entity_type: Of the record, such as `invoice`.
        external_id: The record's id at the vendor.
        message: What is wrong; its varying figures (words with a digit: an amount, a date, an id) do not count.
    """
    known = message.replace(external_id, "#") if external_id else message
    kind = _WORD.sub(lambda word: "#" if _DIGIT.search(word[0]) else word[0], known)
    return sha256("\0".join((operation, entity_type, external_id, kind)).encode()).hexdigest()[:_LENGTH]

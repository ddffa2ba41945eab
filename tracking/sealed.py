"""Column types whose values are sealed at rest when there is a key (`tracking/encryption.py`), and plain otherwise."""

import json
from typing import Any

from sqlalchemy import JSON, Dialect, String
from sqlalchemy.types import TypeDecorator

from tracking.encryption import keyring


class SealedText(TypeDecorator[str]):
    """Text that is only ever read back, such as a name."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Sealed with the first key."""
        return None if value is None else keyring().seal(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Opened with whichever key sealed it."""
        return None if value is None else keyring().open(value)


class FindableText(SealedText):
    """Text that is looked up by its value and unique, such as an email. It does not sort."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The same for the same text."""
        return None if value is None else keyring().seal(value, findable=True)


class SealedJson(TypeDecorator[Any]):
    """JSON that holds personal data, such as a vendor's record: sealed as one JSON string."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Sealed with the first key, if there is one."""
        keys = keyring()
        if value is None:
            return None
        if keys.keys:
            return keys.seal(json.dumps(value))
        return keys.seal(value) if isinstance(value, str) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Opened with whichever key sealed it."""
        if not isinstance(value, str):
            return value
        keys = keyring()
        text = keys.open(value)
        return json.loads(text) if keys.is_sealed(value) else text

"""Errors of the database as such; what a step may run into is in `steps/errors.py`."""

from tracking.redaction import redact_message


class DatabaseUnusableError(Exception):
    """The database cannot be used as it is; one line says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(redact_message(message))


class SettingsFileError(DatabaseUnusableError):
    """The file that names the database, among other settings, is not there; one line says which was looked for."""

"""Where the settings are and where the database is (.env.example)."""

import os
from pathlib import Path

from dotenv import dotenv_values
from platformdirs import user_data_dir
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from tracking.redaction import redact_message


class DatabaseUnusableError(Exception):
    """The database cannot be used as it is; one line says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(redact_message(message))


ENV_FILE = "SYNC_ENV_FILE"
PREFECTS = "PREFECT_"
"""What the names of Prefect's variables begin with."""
_WORKERS_RUN = "PREFECT__FLOW_RUN_ID"
"""A variable that Prefect sets in the process that a worker starts for a run."""


def settings_file() -> Path | None:
    """The file that holds variables: that of `SYNC_ENV_FILE`, else `.env` of the current folder; None: there is none.

    Raises:
        DatabaseUnusableError: `SYNC_ENV_FILE` is no absolute path of a file, or the file cannot be read; in one line.
    """
    named = os.environ.get(ENV_FILE)
    file = Path(named) if named else Path.cwd() / ".env"
    if not file.is_absolute():
        raise DatabaseUnusableError(f"{ENV_FILE} is {named!r}: an absolute path is expected, such as {file.absolute()}")
    if not file.is_file():
        if named:
            raise DatabaseUnusableError(f"{ENV_FILE} is {named!r}, and there is no such file")
        return None
    if not os.access(file, os.R_OK):
        raise DatabaseUnusableError(f"the settings file {file} cannot be read: permission denied")
    return file


def describe_settings_file() -> str:
    """For people: `the settings file /srv/sync/.env`, or that there is none and where it was looked for."""
    file = settings_file()
    return f"the settings file {file}" if file else f"no settings file ({ENV_FILE} is not set, no .env in {Path.cwd()})"


def export_settings_file() -> None:
    """Set `SYNC_ENV_FILE` to the file in use, and Prefect's variables that it holds; those of the environment stay.

    What is started from here finds the file from whatever folder, and Prefect is that of the same file: by itself it
    reads the `.env` of the current folder only.

    Raises:
        DatabaseUnusableError: as `settings_file`.
    """
    if file := settings_file():
        os.environ[ENV_FILE] = str(file)
        for name, value in variables_of(file).items():
            if name.startswith(PREFECTS):
                os.environ.setdefault(name, value)


def variables_of(file: Path | None) -> dict[str, str]:
    """What a settings file sets, by name; blank variables count as not set."""
    return {name: value for name, value in dotenv_values(file).items() if value} if file else {}


def default_database_url(name: str = "sync") -> str:
    """A SQLite file in the platform's user data folder."""
    return f"sqlite:///{Path(user_data_dir('sync-management', appauthor=False)) / f'{name}.db'}"


def absolute_sqlite_file(file: str | None) -> str | None:
    """The absolute path of the SQLite file of `SYNC_DATABASE_URL`; a database in memory, or a URI, stays as it is.

    A relative path means the folder of the settings file that says it, or the folder that a command is started in. A
    worker runs each flow in a temporary folder: what was written there would be lost without a word.

    Raises:
        DatabaseUnusableError: a relative path in the environment of a worker's run.
    """
    if not file or file == ":memory:" or file.startswith("file:") or Path(file).is_absolute():
        return file
    source = None if os.environ.get("SYNC_DATABASE_URL") else settings_file()
    if source is None and _WORKERS_RUN in os.environ:
        raise DatabaseUnusableError(
            f"SYNC_DATABASE_URL names the file {file!r} by a relative path, and a worker runs each flow in a temporary "
            f"folder: sqlite:////ABSOLUTE/PATH is expected, or the line in the file of {ENV_FILE}"
        )
    return str((source.parent if source else Path.cwd()) / file)


class FileSettings(BaseSettings):
    """Settings of the environment and of `settings_file()`; the environment wins, blank variables count as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - it knows a fixed file only
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there are none
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The file is looked for each time settings are read, not when this module is imported."""
        return init_settings, env_settings, DotEnvSettingsSource(settings_cls, env_file=settings_file())


class DatabaseSettings(FileSettings):
    """`SYNC_DATABASE_URL`: SQLite or PostgreSQL (psycopg 3)."""

    model_config = SettingsConfigDict(env_prefix="SYNC_")

    database_url: str = Field(default_factory=default_database_url)
    encryption_key: SecretStr | None = None
    """32 bytes in base64; after a change the new key, a comma, and the old one."""

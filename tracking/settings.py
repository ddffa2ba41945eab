"""Where the database is (interfaces.md, Environment)."""

from pathlib import Path

from platformdirs import user_data_dir
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_database_url(name: str = "sync") -> str:
    """A SQLite file in the platform's user data folder."""
    return f"sqlite:///{Path(user_data_dir('sync-management', appauthor=False)) / f'{name}.db'}"


class DatabaseSettings(BaseSettings):
    """`SYNC_DATABASE_URL`: SQLite or PostgreSQL (psycopg 3)."""

    model_config = SettingsConfigDict(env_prefix="SYNC_", env_file=".env", env_ignore_empty=True, extra="ignore")

    database_url: str = Field(default_factory=default_database_url)
    encryption_key: SecretStr | None = None
    """32 bytes in base64; after a change the new key, a comma, and the old one."""

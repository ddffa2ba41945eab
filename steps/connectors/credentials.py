"""Credentials and addresses as the settings hold them, checked before the first request."""

from pydantic import SecretStr

from steps.errors import ConfigError
from steps.settings import required
from tracking.redaction import register_secret


def credential(variable: str, value: SecretStr | str | None, vendor: str) -> str:
    """The value of a credential that travels in a header.

    Raises:
        ConfigError: it is not set, or holds what no header carries (a line break, a typographic quote): the
            HTTP library's own message would show it.
    """
    text = required(variable, value, vendor).strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ConfigError(f"{variable} holds characters that no credential of {vendor} has: was it copied whole?")
    register_secret(text)
    return text


def address(variable: str, value: str) -> str:
    """A base URL without its last slash.

    Raises:
        ConfigError: it is no http(s) address.
    """
    text = value.strip().rstrip("/")
    scheme, separator, rest = text.partition("://")
    if scheme not in ("http", "https") or not separator or not rest or any(character.isspace() for character in rest):
        raise ConfigError(f"{variable} is no address such as https://api.example.org/v1")
    return text

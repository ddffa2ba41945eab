"""Tokens by name and role; wrong ones make slow, and only those who try them."""

import pytest
from pydantic import SecretStr

from flows.access import MOST_WRONG, MOST_WRONG_OF_ALL, WINDOW_SECONDS, Access, GuessingError, Role, WrongTokenError
from steps.errors import ConfigError
from steps.settings import SyncSettings
from tests.flows.page.test_sessions import Clock
from tracking.audit import Door
from tracking.redaction import redact

TOKEN = "the-one-that-may-do-everything--"
ANAS = "a-token-of-ana-who-only-reads-it"


@pytest.fixture
def clock() -> Clock:
    """At zero."""
    return Clock()


@pytest.fixture
def access(clock: Clock) -> Access:
    """Two tokens."""
    return Access(SyncSettings(api_token=SecretStr(TOKEN), api_tokens=SecretStr(f" ana:read:{ANAS}, ")), clock)


def _guess(access: Access, address: str) -> None:
    with pytest.raises(WrongTokenError):
        access.admit("wrong", Door.API, address)


def test_each_token_has_its_name_and_role(access: Access) -> None:
    main, ana = (access.admit(token, Door.API, "192.0.2.7") for token in (TOKEN, ANAS))

    assert (main.name, main.role, main.address) == ("SYNC_API_TOKEN", Role.CLOSE, "192.0.2.7")
    assert (ana.name, ana.role) == ("ana", Role.READ)
    assert redact(f"token {ANAS}") == "token ***"


@pytest.mark.parametrize(
    "wrong",
    [
        "ana",
        ANAS,
        f"ana:reads:{ANAS}",
        f"ana:read:{ANAS[1:]}",
        f"an a:read:{ANAS}",
        f"ana:read:{ANAS},ana:read:{TOKEN}x",
    ],
)
def test_tokens_that_are_not_as_expected_are_one_line_without_them(wrong: str) -> None:
    with pytest.raises(ConfigError, match="SYNC_API_TOKENS: number") as refused:
        Access(SyncSettings(api_tokens=SecretStr(wrong)))

    assert ANAS[1:] not in str(refused.value)


def test_an_address_that_guesses_has_to_wait_and_others_have_not(access: Access, clock: Clock) -> None:
    for _ in range(MOST_WRONG):
        _guess(access, "10.0.0.1")

    with pytest.raises(GuessingError):
        access.admit(TOKEN, Door.API, "10.0.0.1")
    assert access.admit(TOKEN, Door.API, "10.0.0.2")
    clock.moment = WINDOW_SECONDS
    assert access.admit(TOKEN, Door.API, "10.0.0.1")


def test_when_many_guess_each_has_one_try_and_who_does_not_guess_is_let_in(access: Access) -> None:
    for number in range(MOST_WRONG_OF_ALL):
        _guess(access, f"10.0.0.{number}")

    with pytest.raises(GuessingError):
        access.admit(TOKEN, Door.API, "10.0.0.1")
    _guess(access, "10.0.1.1")
    with pytest.raises(GuessingError):
        access.admit("wrong", Door.API, "10.0.1.1")
    assert access.admit(TOKEN, Door.API, "10.0.1.2")


def test_the_addresses_of_one_ipv6_network_guess_together(access: Access) -> None:
    for number in range(MOST_WRONG):
        _guess(access, f"2001:db8::{number}")

    with pytest.raises(GuessingError):
        access.admit(TOKEN, Door.API, "2001:db8::ffff")
    assert access.admit(TOKEN, Door.API, "2001:db8:0:1::1")

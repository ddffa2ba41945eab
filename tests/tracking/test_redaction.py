"""What people are shown: no secret, no email, no more than they can read, and no text that takes for ever."""

import subprocess
import sys
from collections.abc import Callable
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking.integration_errors import error_fingerprint
from tracking.redaction import (
    LONGEST_MESSAGE,
    MASK,
    MASKED_EMAIL,
    redact,
    redact_emails,
    redact_message,
    register_secret,
)

LONGEST_SECONDS = 60
"""A pattern that goes back and forth takes ten minutes."""
_LONG_TEXTS = """
import sys
sys.path[:] = [path for path in sys.path if path]
from flows.parameters import parse_step
from steps.ledger.client import normalize_email
from steps.errors import RecordRejectedError, UsageError
from tracking.integration_errors import error_fingerprint
from tracking.redaction import redact, redact_emails, redact_json, redact_message

many = 300_000
texts = [
    "a" * many,
    "a." * many,
    "-+." * many,
    "a@" * many,
    "a@a." * many,
    "a@" + "." * many + "@",
    "a@" + "-." * many + "@",
    "://" * many,
    "://a:" * many,
    "x://a:b" * many + "@",
    "a://b:c@" * many,
    "?password=" * many,
    "a " * many,
    " " * many,
]
for text in texts:
    for check in (redact, redact_emails, redact_json, redact_message, normalize_email):
        check(text)
    error_fingerprint("invoices", "invoice", "d1", text)
    RecordRejectedError("invoice", text, text)
    try:
        parse_step(text)
    except UsageError as refusal:
        assert len(str(refusal)) < 10_000, len(str(refusal))
print("done")
"""


@pytest.mark.slow
def test_a_text_of_300000_letters_is_shown_and_compared_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LONG_TEXTS], capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )

    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.parametrize("length", [20_000, 200_000])
def test_a_message_that_is_too_long_keeps_its_beginning_and_its_end(length: int) -> None:
    message = redact_message(f"step '{'a' * length}' is not known: one of services, invoices is expected")

    assert message.startswith("step 'aaa")
    assert message.endswith("is not known: one of services, invoices is expected")
    assert " characters left out) ... " in message
    assert len(message) < LONGEST_MESSAGE + 100


@given(
    filler=st.sampled_from(["x", " ", "://", "@", "a@b.c "]), before=st.integers(49_970, 50_030), ahead=st.booleans()
)
@settings(deadline=None)
def test_no_half_of_a_secret_is_shown_where_a_message_is_cut(filler: str, before: int, ahead: bool) -> None:
    secret = "5ecret-in-a-very-long-text"
    register_secret(secret)
    padding = (filler * before)[:before]
    text = f"{padding}{secret}{'y' * 60_000}" if ahead else f"{'y' * 60_000}{secret}{padding}"

    shown = redact_message(text, longest=10**6)

    assert "5ecr" not in shown
    assert "text" not in shown


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_a_secret_is_hidden_in_other_letters_too(change: Callable[[str], str]) -> None:
    register_secret("sEcret-Of-Mixed-Letters")

    assert redact(f"currency {change('sEcret-Of-Mixed-Letters')!r} is no code") == "currency '***' is no code"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@host/db", f"postgresql://me:{MASK}@host/db"),
        ("at postgresql://me:p@ss/w:rd?x@host:5432/db now", f"at postgresql://me:{MASK}@host:5432/db now"),
        ("postgresql://host/db?user=me&password=hunter2&x=1", f"postgresql://host/db?user=me&password={MASK}&x=1"),
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("https://me@host/path", "https://me@host/path"),
    ],
)
def test_a_password_in_a_url_is_masked_and_the_rest_is_shown(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no user ana.gil+1@mail.example.org here", f"no user {MASKED_EMAIL} here"),
        ("<ana@example.org>,bob@example.org", f"<{MASKED_EMAIL}>,{MASKED_EMAIL}"),
        ("muñoz@example.org.", f"{MASKED_EMAIL}."),
        ("a@b and @x.org", "a@b and @x.org"),
    ],
)
def test_emails_are_masked_wherever_they_stand(text: str, shown: str) -> None:
    assert redact_emails(text) == shown


_WORDS = st.lists(st.text("ab1.-+_@ :/\n", max_size=12), max_size=12).map("".join)


@given(before=_WORDS, after=_WORDS)
@settings(deadline=None)
def test_an_email_is_masked_whatever_is_around_it(before: str, after: str) -> None:
    name = uuid4().hex

    assert name not in redact_emails(f"{before}{name}@example.org{after}")


def test_the_fingerprint_of_an_error_has_not_changed() -> None:
    message = "invoice d1: total '1.234,56' is not an amount; 3 of 12 lines are"

    assert error_fingerprint("invoices", "invoice", "d1", message) == error_fingerprint(
        "invoices", "invoice", "d1", message.replace("3 of 12", "4 of 7")
    )
    assert error_fingerprint("invoices", "invoice", "d1", message) == "10847e52ca17362080d51ce356302ef4"

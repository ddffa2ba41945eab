"""The one way to ask a vendor: what is tried again, what is not, and what a person is told."""

import gzip
import io
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from steps.errors import (
    VendorAuthError,
    VendorError,
    VendorNotFoundError,
    VendorPayloadError,
    VendorRejectedError,
    VendorUnavailableError,
)
from steps.vendors.http import Ask, HttpRules, Limits, Site, VendorHttp
from tests.steps.calls import progress_of
from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor
from tracking.redaction import register_secret

pytestmark = pytest.mark.slow

PING = Ask("GET", "/ping", {"token_in_query": "not-for-messages"})


def ask(vendor: ScriptedVendor, rules: HttpRules, request: Ask = PING) -> object:
    with VendorHttp(Site("acme", vendor.url, 1000, {401: "check ACME_KEY"}, rules=rules)) as http:
        return http.ask(request)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_transient_status_is_tried_again(vendor: ScriptedVendor, impatient: HttpRules, status: int) -> None:
    vendor.answers(Reply(text="<html>busy</html>", status=status), Reply(text="", status=status), {"fine": True})

    assert ask(vendor, impatient) == {"fine": True}
    assert len(vendor.sent) == 3


@pytest.mark.parametrize(
    "fault",
    [Reply(drop=True), Reply([1, 2], missing=7), Reply(text='[{"id": 1'), Reply(text="")],
    ids=["dropped connection", "body shorter than announced", "JSON cut short", "empty body"],
)
def test_a_broken_exchange_is_tried_again(vendor: ScriptedVendor, impatient: HttpRules, fault: Reply) -> None:
    vendor.answers(fault, [1, 2])

    assert ask(vendor, impatient) == [1, 2]


def test_a_transient_status_that_stays_ends_after_four_attempts(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    vendor.answers(Reply({"message": "maintenance"}, status=503))

    with pytest.raises(VendorUnavailableError, match=r"acme: GET /ping: 503 \(maintenance\)") as caught:
        ask(vendor, impatient)

    assert caught.value.status == 503
    assert len(vendor.sent) == 4


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, VendorRejectedError),
        (401, VendorAuthError),
        (402, VendorRejectedError),
        (403, VendorAuthError),
        (404, VendorNotFoundError),
        (409, VendorRejectedError),
        (422, VendorRejectedError),
        (301, VendorRejectedError),
    ],
)
def test_any_other_status_is_asked_once(
    vendor: ScriptedVendor, impatient: HttpRules, status: int, kind: type[VendorError]
) -> None:
    vendor.answers(Reply({"status": 0, "info": "no"}, status=status))

    with pytest.raises(kind) as caught:
        ask(vendor, impatient)

    assert type(caught.value) is kind
    assert len(vendor.sent) == 1


def test_html_with_a_200_is_no_success(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    vendor.answers(Reply(text="<!doctype html><title>App</title>", headers={"Content-Type": "text/html"}))

    with pytest.raises(VendorPayloadError, match="wrong, or the credential lacks permission"):
        ask(vendor, impatient)

    assert len(vendor.sent) == 1


def test_json_labelled_as_html_is_read(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    vendor.answers(Reply({"id": "1"}, headers={"Content-Type": "text/html; charset=UTF-8"}))

    assert ask(vendor, impatient) == {"id": "1"}


def test_a_compressed_answer_is_read(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    packed = gzip.compress(json.dumps([1]).encode()).decode("latin-1")
    vendor.answers(Reply(text=packed, headers={"Content-Encoding": "gzip"}), [1])

    assert ask(vendor, impatient) == [1]
    assert vendor.sent[0].headers["accept-encoding"] == "gzip, deflate"


def test_numbers_are_exact_and_what_is_no_number_stays_the_text_it_was(
    vendor: ScriptedVendor, impatient: HttpRules
) -> None:
    """A field that needs a number refuses the text, and with it one record and not the whole list."""
    vendor.answers(Reply(text="[0.1, 12345678901.23]"), Reply(text="[NaN, Infinity, -Infinity, 1]"))

    assert ask(vendor, impatient) == [Decimal("0.1"), Decimal("12345678901.23")]
    assert ask(vendor, impatient) == ["NaN", "Infinity", "-Infinity", 1]


def test_text_that_no_database_stores_is_replaced(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    vendor.answers(Reply(text=r'{"name": "a\u0000b\ud800c", "good": "\ud83d\ude00"}'))

    assert ask(vendor, impatient) == {"name": "a\ufffdb\ufffdc", "good": "\U0001f600"}


def test_an_answer_too_large_is_refused(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    vendor.answers(["x" * 2000])

    with pytest.raises(VendorPayloadError, match="larger than 1000 bytes"):
        ask(vendor, HttpRules(impatient.retry, Limits(body_bytes=1000)))


def test_a_vendor_that_never_answers_is_given_up(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    vendor.answers(Reply(hang=True))

    with pytest.raises(VendorUnavailableError, match="no answer in time"):
        ask(vendor, HttpRules(impatient.retry, Limits(read=0.05)))

    assert len(vendor.sent) == 4


def test_an_answer_that_drips_is_given_up_as_a_whole(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    vendor.answers(Reply(["x" * 10_000], drip=True))

    with pytest.raises(VendorUnavailableError, match="did not end within"):
        ask(vendor, HttpRules(impatient.retry, Limits(read=5.0, whole=0.1)))


def test_headers_that_drip_are_given_up_too(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    """No read takes long, and the answer never begins: only a limit for the whole exchange ends it."""
    vendor.answers(Reply(drip_headers=True))

    with pytest.raises(VendorUnavailableError, match="did not end within"):
        ask(vendor, HttpRules(impatient.retry, Limits(read=5.0, whole=0.2)))

    assert len(vendor.sent) == 4


def test_a_compressed_answer_that_drips_is_given_up_too(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    """Its first bytes, a long file name here, hold nothing that could be handed on."""
    packed = io.BytesIO()
    with gzip.GzipFile("x" * 10_000, "wb", fileobj=packed) as file:
        file.write(b"[1]")
    vendor.answers(Reply(raw=packed.getvalue(), headers={"Content-Encoding": "gzip"}, drip=True))

    with pytest.raises(VendorUnavailableError, match="did not end within"):
        ask(vendor, HttpRules(impatient.retry, Limits(read=5.0, whole=0.1)))


def test_after_an_answer_that_was_given_up_the_next_one_is_read(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    vendor.answers(Reply(drip_headers=True), Reply(["x" * 10_000], drip=True), [1])

    assert ask(vendor, HttpRules(impatient.retry, Limits(read=5.0, whole=0.5))) == [1]


def test_a_vendor_that_is_not_there_is_named(impatient: HttpRules) -> None:
    with (
        VendorHttp(Site("acme", "http://127.0.0.1:1", 1000, {}, rules=impatient)) as http,
        pytest.raises(VendorUnavailableError, match="acme: GET /ping: no connection"),
    ):
        http.ask(PING)


def test_a_message_shows_neither_query_nor_secret(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    register_secret("sesame-open-yourself")
    vendor.answers(Reply({"message": "x" * 190 + " sesame-open-yourself is wrong"}, status=401))

    with pytest.raises(VendorAuthError) as caught:
        ask(vendor, impatient)

    assert "sesame" not in str(caught.value)
    assert "not-for-messages" not in str(caught.value)
    assert str(caught.value).endswith("check ACME_KEY")


def test_a_person_whom_the_vendor_names_by_email_is_not_passed_on(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    vendor.answers(Reply({"detail": "No user Ana.Munoz+x@mail.example.org here"}, status=404))

    with pytest.raises(VendorRejectedError, match=r"No user \(an email\) here"):
        ask(vendor, impatient)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"status": 0, "info": "Contact not found"}, "Contact not found"),
        ({"error": "Invalid or Inactive Token", "is_authenticated": "False"}, "Invalid or Inactive Token"),
        ({"non_field_errors": ["Unable to log in"], "status_code": 400}, "Unable to log in"),
        ({"type": "about:blank", "title": "Bad", "detail": "start_date is missing"}, "start_date is missing"),
        ({"email": ["Enter a valid email address."], "status_code": 400}, "Enter a valid email address."),
        (["odd"], "odd"),
    ],
)
def test_the_vendors_own_reason_is_passed_on(
    vendor: ScriptedVendor, impatient: HttpRules, body: object, reason: str
) -> None:
    vendor.answers(Reply(body, status=400))

    with pytest.raises(VendorRejectedError) as caught:
        ask(vendor, impatient)

    assert reason in str(caught.value)


def test_the_wait_that_the_vendor_asks_for_reaches_the_retry_loop(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    """A wait beyond the total is not begun: the failure is told at once, within 30 s of the 60 asked for."""
    vendor.answers(Reply(status=429, headers={"Retry-After": "60"}))

    with pytest.raises(VendorUnavailableError, match="429"):
        ask(vendor, HttpRules(replace(impatient.retry, longest_retry_after=120.0, total=30.0)))

    assert len(vendor.sent) == 1


def test_a_throttle_from_outside_is_asked_before_each_attempt(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    asked: list[str] = []
    vendor.answers(Reply(status=503), [])

    ask(vendor, replace(impatient, throttle=asked.append))

    assert asked == ["acme", "acme"]


def test_a_second_attempt_is_told(
    vendor: ScriptedVendor, impatient: HttpRules, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.answers(Reply(status=503), [])

    ask(vendor, impatient)

    assert progress_of(caplog) == ["acme: GET /ping: attempt 2"]

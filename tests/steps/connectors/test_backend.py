"""The remote backend: what it is sent, what is tried again, what its errors say."""

from datetime import date

import pytest
from pydantic import SecretStr

from steps.catalog import ACCRUALS, CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES, Step
from steps.errors import (
    ConfigError,
    VendorAuthError,
    VendorError,
    VendorPayloadError,
    VendorRejectedError,
    VendorUnavailableError,
    VendorUnfinishedError,
    is_transient,
)
from steps.ledger.months import MonthWindow
from steps.settings import BackendDialect, SyncSettings
from steps.vendors.backend import backend_call, call_backend
from steps.vendors.http import HttpRules, Limits
from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor

ENDPOINT = "/api/integrations/holded/sync-services"
MARCH = {"start_date": "2024-03-01", "end_date": "2024-04-01"}


@pytest.fixture
def settings(vendor: ScriptedVendor) -> SyncSettings:
    return SyncSettings(backend_url=f"{vendor.url}/", api_token=SecretStr("backend-test-token"))


def test_the_parameters_travel_as_query_and_as_body(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules
) -> None:
    vendor.answers({"services_processed": 3, "share": 0.5})

    result = call_backend(settings, ENDPOINT, MARCH, impatient)

    assert result == {"services_processed": 3, "share": 0.5}
    assert type(result["share"]) is float  # results are stored as JSON
    sent = vendor.sent[0]
    assert (sent.method, sent.path, sent.query, sent.body) == ("POST", f"/v1{ENDPOINT}", MARCH, MARCH)
    assert sent.headers["authorization"] == "Bearer backend-test-token"


def test_without_a_token_none_is_sent(vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules) -> None:
    vendor.answers({})

    call_backend(settings.model_copy(update={"api_token": None}), ENDPOINT, {}, impatient)

    assert "authorization" not in vendor.sent[0].headers


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_call_that_did_not_begin_is_tried_again(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules, status: int
) -> None:
    vendor.answers(Reply(status=status), {"errors": 0})

    assert call_backend(settings, ENDPOINT, MARCH, impatient) == {"errors": 0}


@pytest.mark.parametrize(
    "reply",
    [Reply({"detail": "boom"}, status=500), Reply(hang=True), Reply(drop=True), Reply({}, missing=3), Reply(text="{")],
    ids=["500", "too slow", "dropped", "cut short", "JSON cut short"],
)
def test_work_that_may_have_been_done_is_not_repeated(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules, reply: Reply
) -> None:
    vendor.answers(reply)

    with pytest.raises(VendorError):
        call_backend(settings, ENDPOINT, MARCH, HttpRules(impatient.retry, Limits(read=0.2)))

    assert len(vendor.sent) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"type": "about:blank", "title": "Unprocessable", "detail": "start_date must be the first"},
        {"message": "start_date must be the first"},
        {"error": "start_date must be the first"},
        {"status": 0, "info": "start_date must be the first"},
        {"title": "start_date must be the first"},
        {"detail": [{"loc": ["query", "start_date"], "msg": "start_date must be the first"}]},
    ],
)
def test_an_error_carries_status_and_reason(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules, body: object
) -> None:
    vendor.answers(Reply(body, status=422))

    with pytest.raises(VendorError, match="start_date must be the first") as caught:
        call_backend(settings, ENDPOINT, MARCH, impatient)

    assert caught.value.status == 422


def test_a_refused_token_names_the_variable(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules
) -> None:
    vendor.answers(Reply({"detail": "no: backend-test-token"}, status=401))

    with pytest.raises(VendorAuthError, match="SYNC_API_TOKEN") as caught:
        call_backend(settings, ENDPOINT, MARCH, impatient)

    assert "backend-test-token" not in str(caught.value)


@pytest.mark.parametrize("reply", [Reply([1]), Reply(None), Reply(text="<html>"), Reply(text="done")])
def test_a_200_that_is_no_json_object_is_no_success(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules, reply: Reply
) -> None:
    vendor.answers(reply)

    with pytest.raises(VendorPayloadError):
        call_backend(settings, ENDPOINT, MARCH, impatient)


def test_a_number_that_no_float_holds_is_kept_as_its_text(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules
) -> None:
    vendor.answers(Reply(text='{"amount": 1e400, "share": 0.5}'))

    assert call_backend(settings, ENDPOINT, MARCH, impatient) == {"amount": "1e400", "share": 0.5}


def test_a_backend_that_is_not_there_is_unavailable(impatient: HttpRules) -> None:
    with pytest.raises(VendorUnavailableError, match="no connection"):
        call_backend(SyncSettings(backend_url="http://127.0.0.1:1"), ENDPOINT, MARCH, impatient)


def test_a_missing_address_names_the_variable(impatient: HttpRules) -> None:
    with pytest.raises(ConfigError, match="SYNC_BACKEND_URL"):
        call_backend(SyncSettings(), ENDPOINT, MARCH, impatient)


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply({"x": "y" * 400}, drip=True)], ids=["says nothing", "drips"])
def test_a_call_that_is_accepted_and_never_answered_ends_and_names_the_limit(
    vendor: ScriptedVendor, settings: SyncSettings, reply: Reply
) -> None:
    vendor.answers(reply)

    with pytest.raises(VendorUnfinishedError, match=r"not answered within 0\.4 s \(SYNC_BACKEND_TIMEOUT\)") as caught:
        call_backend(settings.model_copy(update={"backend_timeout": 0.4}), ENDPOINT, MARCH)

    assert not is_transient(caught.value)
    assert len(vendor.sent) == 1


def test_a_202_is_no_success(vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules) -> None:
    vendor.answers(Reply({"status": "pending"}, status=202))

    with pytest.raises(VendorUnfinishedError, match="202: accepted, and not done"):
        call_backend(settings, ENDPOINT, MARCH, impatient)

    assert len(vendor.sent) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"success": False, "message": "the token of Holded has expired"}, "the token of Holded has expired"),
        ({"success": False, "error": "boom", "processed": 0}, "boom"),
        ({"success": False, "errors": 2, "error_details": ["no id", "no total"]}, "no id; no total"),
        ({"success": False}, "{}"),
        ({"error": "Client error 401"}, "Client error 401"),
        ({"status": "failed", "error": "no connection"}, "no connection"),
        ({"type": "about:blank", "title": "Conflict", "status": 409, "detail": "busy"}, "busy"),
    ],
)
def test_an_answer_that_says_it_failed_is_a_failure_in_the_backends_words(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules, answer: object, words: str
) -> None:
    vendor.answers(answer)

    with pytest.raises(VendorRejectedError) as caught:
        call_backend(settings, ENDPOINT, MARCH, impatient)

    assert str(caught.value) == f"backend: POST {ENDPOINT}: answered that it failed ({words})"


def test_the_words_of_a_failure_are_short_and_name_nobody(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules
) -> None:
    vendor.answers({"success": False, "detail": "ana@example.org: backend-test-token " + "y" * 100_000})

    with pytest.raises(VendorRejectedError, match=r"\(an email\): \*\*\* yyy") as caught:
        call_backend(settings, ENDPOINT, MARCH, impatient)

    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "answer",
    [
        {"success": True, "errors": 3, "error_details": ["one", "two", "three"]},
        {"errors": 0, "status": "completed"},
        {"summary": {"failed_accruals": 1}, "processing_results": [{"status": "FAILED"}]},
        {},
    ],
)
def test_troubles_of_single_records_are_no_failure(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules, answer: object
) -> None:
    vendor.answers(answer)

    assert call_backend(settings, ENDPOINT, MARCH, impatient) == answer


def test_emails_of_an_answer_are_not_kept(vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules) -> None:
    vendor.answers({"not_found": 1, "not_found_details": ["ana@example.org"], "by": {"eva@example.org": 1}})

    assert call_backend(settings, ENDPOINT, MARCH, impatient) == {
        "not_found": 1,
        "not_found_details": ["(an email)"],
        "by": {"(an email)": 1},
    }


@pytest.mark.parametrize(
    "text",
    ['{"a": ' * 60 + "1" + "}" * 60, '{"a": NaN}', '{"a": [{"b": -Infinity}]}', '{"a": ' * 90_000],
    ids=["deep", "NaN", "infinity inside", "deeper"],
)
def test_an_answer_that_no_history_can_hold_is_refused(
    vendor: ScriptedVendor, settings: SyncSettings, impatient: HttpRules, text: str
) -> None:
    vendor.answers(Reply(text=text))

    with pytest.raises(VendorPayloadError):
        call_backend(settings, ENDPOINT, MARCH, impatient)


WINDOW = MonthWindow.of(date(2024, 3, 1))


@pytest.mark.parametrize(
    ("step", "window", "method", "path", "parameters"),
    [
        (SERVICES, None, "GET", SERVICES.endpoint, {}),
        (INVOICES, WINDOW, "GET", INVOICES.endpoint, {"start_timestamp": "1709247600", "end_timestamp": "1711922400"}),
        (CRM_CLIENTS, None, "GET", CRM_CLIENTS.endpoint, {}),
        (SERVICE_PERIODS, None, "GET", SERVICE_PERIODS.endpoint, {}),
        (NOTION_EXTERNAL_ID, None, "GET", "/api/integrations/notion/sync-page-ids-from-clients", {}),
        (ACCRUALS, WINDOW, "POST", ACCRUALS.endpoint, {"period_start_date": "2024-03-01"}),
    ],
)
def test_the_calls_of_the_dialect_devengo(
    settings: SyncSettings, step: Step, window: MonthWindow | None, method: str, path: str, parameters: dict[str, str]
) -> None:
    """Midnights in Madrid, on both sides of the change of clocks."""
    devengo = settings.model_copy(update={"backend_dialect": BackendDialect.DEVENGO})

    call = backend_call(devengo, step, window)

    assert (call.method, call.path, call.parameters) == (method, path, parameters)
    assert devengo.calls_by_month(step) == (window is not None)


@pytest.mark.parametrize("step", [SERVICES, INVOICES, CRM_CLIENTS, SERVICE_PERIODS, NOTION_EXTERNAL_ID, ACCRUALS])
def test_the_standard_calls_are_those_of_the_interface(settings: SyncSettings, step: Step) -> None:
    call = backend_call(settings, step, WINDOW if step.by_month else None)

    months = {"period_start_date": "2024-03-01"} if step is ACCRUALS else MARCH if step.by_month else {}
    assert (call.method, call.path, call.parameters) == ("POST", step.endpoint, months)
    assert settings.calls_by_month(step) == step.by_month


def test_a_dialect_that_is_not_known_names_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_BACKEND_DIALECT", "esperanto")

    with pytest.raises(ConfigError, match=r"SYNC_BACKEND_DIALECT: .* 'standard' or 'devengo'"):
        SyncSettings.load()

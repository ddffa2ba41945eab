"""The remote backend: what it is sent, what is tried again, what its errors say."""

import pytest
from pydantic import SecretStr

from steps.connectors.backend import call_backend
from steps.connectors.http import HttpRules, Limits
from steps.errors import ConfigError, VendorAuthError, VendorError, VendorPayloadError, VendorUnavailableError
from steps.settings import SyncSettings
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

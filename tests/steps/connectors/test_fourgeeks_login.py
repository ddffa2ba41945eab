"""The 4Geeks CRM's login: one token for the process, a new one when it is refused (vendors/fourgeeks.md)."""

from datetime import UTC, datetime, timedelta

import pytest

from steps.connectors.fourgeeks import FourgeeksConnector
from steps.connectors.http import HttpRules
from steps.errors import ConfigError, VendorAuthError, VendorPayloadError
from steps.settings import FourgeeksSettings
from tests.steps.connectors.scripted_crm import EXPIRED, LOGIN, STUDENTS, Crm, paths
from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor, example
from tracking.redaction import redact


def test_one_login_serves_every_list_and_connector_of_the_process(
    vendor: ScriptedVendor, crm_settings: FourgeeksSettings, impatient: HttpRules, crm: Crm
) -> None:
    for _ in range(2):
        with FourgeeksConnector(crm_settings, impatient) as connector:
            connector.students()
            connector.enrollments()

    assert paths(vendor).count(LOGIN) == 1
    assert vendor.sent[0].body == {"email": crm_settings.username, "password": "pässword “1”"}
    assert "authorization" not in vendor.sent[0].headers
    assert redact(crm.token) == "***"


def test_a_refused_token_costs_one_new_login(vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm) -> None:
    fourgeeks.students()
    crm.token = "another0token0of0the0vendor"

    assert len(fourgeeks.students().records) == 45
    assert paths(vendor).count(LOGIN) == 2


def test_a_token_refused_twice_is_an_error_that_names_the_variables(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    vendor.script = lambda sent: crm(sent) if sent.path == LOGIN else EXPIRED

    with pytest.raises(VendorAuthError, match="FOURGEEKS_USERNAME and FOURGEEKS_PASSWORD"):
        fourgeeks.students()

    assert paths(vendor) == [LOGIN, STUDENTS, LOGIN, STUDENTS]


def test_a_token_about_to_die_is_not_used_again(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    crm.expires_at = datetime.now(UTC) + timedelta(seconds=60)
    crm.rows = []

    fourgeeks.students()
    fourgeeks.students()

    assert paths(vendor).count(LOGIN) == 2


@pytest.mark.parametrize(
    ("name", "status"), [("login_refused_400", 400), ("login_incomplete_400", 400), ("login_not_validated_403", 403)]
)
def test_a_refused_login_names_the_variables_and_is_not_repeated(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, name: str, status: int
) -> None:
    vendor.answers(Reply(example(f"fourgeeks_{name}"), status=status))

    with pytest.raises(VendorAuthError, match="FOURGEEKS_USERNAME and FOURGEEKS_PASSWORD") as caught:
        fourgeeks.students()

    assert len(vendor.sent) == 1
    assert "pässword" not in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": "two words"}, [], {"token": "abcdef", "expires_at": 5}])
def test_a_login_without_a_token_is_an_error(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, body: object
) -> None:
    vendor.answers(body)

    with pytest.raises(VendorPayloadError, match="login"):
        fourgeeks.students()


def test_a_missing_capability_is_not_taken_for_a_bad_token(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    refused = {"detail": "You (user: 7) don't have this capability: read_student for academy 6", "status_code": 403}
    vendor.script = lambda sent: crm(sent) if sent.path == LOGIN else Reply(refused, status=403)

    with pytest.raises(VendorAuthError, match=r"read_student for academy 6.*capability"):
        fourgeeks.students()

    assert paths(vendor) == [LOGIN, STUDENTS]


def test_a_missing_credential_names_its_variable() -> None:
    with pytest.raises(ConfigError, match="FOURGEEKS_USERNAME is not set"):
        FourgeeksConnector(FourgeeksSettings())
    with pytest.raises(ConfigError, match="FOURGEEKS_PASSWORD is not set"):
        FourgeeksConnector(FourgeeksSettings(username="importer@example.org"))

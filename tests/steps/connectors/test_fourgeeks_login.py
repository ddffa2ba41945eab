"""The 4Geeks CRM's login: one token for the process, a new one when it is refused (docs/vendors.md, 4Geeks login)."""

from datetime import UTC, datetime, timedelta

import pytest

from steps.errors import ConfigError, VendorAuthError, VendorNotFoundError, VendorPayloadError
from steps.settings import FourgeeksSettings
from steps.vendors.fourgeeks import FourgeeksConnector
from steps.vendors.http import HttpRules
from tests.steps.connectors.scripted_crm import EXPIRED, LOGIN, STUDENTS, Crm, paths
from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor, example
from tracking.redaction import redact

pytestmark = pytest.mark.slow


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


def test_a_list_of_many_pages_at_the_end_of_the_tokens_life_takes_two_logins(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    """A login brings the same token while it is valid: one before each page was seen, 16 for 16 pages."""
    crm.expires_at = datetime.now(UTC) + timedelta(seconds=60)
    crm.rows = [{"id": number, "user": {"id": 9000 + number}} for number in range(1, 311)]

    assert len(fourgeeks.students().records) == 310
    assert (paths(vendor).count(STUDENTS), paths(vendor).count(LOGIN)) == (16, 2)

    crm.token, crm.expires_at = "the0token0that0came0after0it", datetime.now(UTC) + timedelta(days=7)
    assert len(fourgeeks.students().records) == 310
    assert paths(vendor).count(LOGIN) == 3


@pytest.mark.parametrize("name", ["login_refused_400", "login_incomplete_400"])
def test_a_refused_login_names_the_variables_and_is_not_repeated(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, name: str
) -> None:
    vendor.answers(Reply(example(f"fourgeeks_{name}"), status=400))

    with pytest.raises(VendorAuthError, match="FOURGEEKS_USERNAME and FOURGEEKS_PASSWORD") as caught:
        fourgeeks.students()

    assert len(vendor.sent) == 1
    assert "pässword" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (example("fourgeeks_login_not_validated_403"), 403, "You need to validate your email first"),
        ({"detail": "Inactive user", "status_code": 401}, 401, "Inactive user"),
        ({"detail": "User inactive or deleted.", "status_code": 401}, 401, "User inactive or deleted"),
    ],
)
def test_an_account_that_may_not_log_in_is_told_in_the_vendors_words_and_its_password_is_not_doubted(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, body: object, status: int, sentence: str
) -> None:
    vendor.answers(Reply(body, status=status))

    with pytest.raises(VendorAuthError, match=sentence) as caught:
        fourgeeks.students()

    assert "FOURGEEKS_PASSWORD" not in str(caught.value)
    assert len(vendor.sent) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"detail": "This academy is not active", "status_code": 403}, 403),
        ({"detail": "This academy is deleted", "status_code": 403}, 403),
        ({"detail": "Inactive user", "status_code": 401}, 401),
    ],
)
def test_a_closed_academy_or_user_is_told_in_the_vendors_words_and_no_setting_is_doubted(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm, body: dict[str, object], status: int
) -> None:
    vendor.script = lambda sent: crm(sent) if sent.path == LOGIN else Reply(body, status=status)

    with pytest.raises(VendorAuthError, match=str(body["detail"])) as caught:
        fourgeeks.students()

    assert "FOURGEEKS_" not in str(caught.value)
    assert "capability" not in str(caught.value)


def test_a_base_url_without_its_version_is_told_at_the_login(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector
) -> None:
    vendor.answers(Reply(text="<!doctype html><html><h1>Not Found</h1></html>", status=404))

    with pytest.raises(VendorNotFoundError, match=r"FOURGEEKS_BASE_URL.*/v1"):
        fourgeeks.students()


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

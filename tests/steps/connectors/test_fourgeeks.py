"""The 4Geeks CRM's lists: login, paging by offset, slow pages (vendors/fourgeeks.md)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from steps.connectors.fourgeeks import FourgeeksConnector
from steps.connectors.http import HttpRules
from steps.errors import ConfigError, VendorAuthError, VendorPayloadError, VendorRejectedError, VendorUnavailableError
from steps.settings import FourgeeksSettings
from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor, Sent, example
from tracking.redaction import redact

LOGIN = "/v1/auth/login/"
STUDENTS = "/v1/auth/academy/student"
EXPIRED = Reply({"error": "Token expired at 2025", "is_authenticated": "False", "status_code": 401}, status=401)


@dataclass
class Crm:
    """A list by offset behind a login, whose token the test may revoke and whose pages it may spoil."""

    rows: list[Any] = field(default_factory=list)
    token: str = "3f1c9a7be2d04c5f8a6b1e0d9c8b7a6f5e4d3c2b"
    expires_at: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=7))
    too_slow_above: int = 10**6

    def __call__(self, sent: Sent) -> Reply:
        """The script."""
        if sent.path == LOGIN:
            return Reply({"token": self.token, "expires_at": self.expires_at.isoformat().replace("+00:00", "Z")})
        if sent.headers.get("authorization") != f"Token {self.token}":
            return EXPIRED
        limit, offset = int(sent.query["limit"]), int(sent.query["offset"])
        if limit > self.too_slow_above:
            return Reply(text="<html>Application error</html>", status=503)
        return Reply({"count": len(self.rows), "results": self.rows[offset : offset + limit]})


@pytest.fixture
def crm(vendor: ScriptedVendor) -> Crm:
    crm = Crm([{"id": number, "user": {"id": 9000 + number}} for number in range(1, 46)])
    vendor.script = crm
    return crm


@pytest.fixture
def settings(vendor: ScriptedVendor) -> FourgeeksSettings:
    """A user of the test's own: tokens are kept for the life of the process."""
    user = f"{uuid4().hex}@example.org"
    return FourgeeksSettings(
        username=user, password=SecretStr("pässword “1”"), base_url=vendor.url, rate=1000, page_size=20
    )


@pytest.fixture
def fourgeeks(settings: FourgeeksSettings, impatient: HttpRules, crm: Crm) -> Iterator[FourgeeksConnector]:
    with FourgeeksConnector(settings, impatient) as connector:
        yield connector


def paths(vendor: ScriptedVendor) -> list[str]:
    return [sent.path for sent in vendor.sent]


def test_a_list_is_read_by_offset_to_its_count(vendor: ScriptedVendor, fourgeeks: FourgeeksConnector) -> None:
    read = fourgeeks.students()

    assert [student.profile_id for student in read.records] == [str(number) for number in range(1, 46)]
    assert [sent.query for sent in vendor.sent if sent.path == STUDENTS] == [
        {"sort": "id", "limit": "20", "offset": offset} for offset in ("0", "20", "40")
    ]
    assert vendor.sent[1].headers["academy"] == "6"


def test_enrollments_are_those_of_students_and_never_from_the_vendors_cache(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector
) -> None:
    fourgeeks.enrollments()

    assert vendor.sent[1].path == "/v1/admissions/academy/cohort/user"
    assert vendor.sent[1].query["roles"] == "STUDENT"
    assert vendor.sent[1].query["cache"] == "false"
    assert vendor.sent[1].query["sort"] == "id"


def test_one_login_serves_every_list_and_connector_of_the_process(
    vendor: ScriptedVendor, settings: FourgeeksSettings, impatient: HttpRules, crm: Crm
) -> None:
    for _ in range(2):
        with FourgeeksConnector(settings, impatient) as connector:
            connector.students()
            connector.enrollments()

    assert paths(vendor).count(LOGIN) == 1
    assert vendor.sent[0].body == {"email": settings.username, "password": "pässword “1”"}
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


def test_a_page_that_takes_too_long_is_halved_and_goes_on_from_its_offset(
    vendor: ScriptedVendor, settings: FourgeeksSettings, impatient: HttpRules, crm: Crm
) -> None:
    crm.too_slow_above = 10
    patient = settings.model_copy(update={"page_size": 30})

    with FourgeeksConnector(patient, impatient) as connector:
        read = connector.students()

    asked = [(int(sent.query["limit"]), int(sent.query["offset"])) for sent in vendor.sent if sent.path == STUDENTS]
    assert asked == [(30, 0), (30, 0), (15, 0), (15, 0), (10, 0), (10, 10), (10, 20), (10, 30), (10, 40)]
    assert len(read.records) == 45


def test_a_vendor_that_stays_away_is_given_up_at_the_smallest_page(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    crm.too_slow_above = 0

    with pytest.raises(VendorUnavailableError, match="503"):
        fourgeeks.students()

    assert paths(vendor).count(STUDENTS) == 2 + 4


@pytest.mark.parametrize("answer", [[{"id": 1}], {"results": []}, {"count": "1", "results": []}, {"count": 1}, 5])
def test_anything_but_the_wrapper_is_an_error(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm, answer: object
) -> None:
    """A bare list is a list cut to 20 rows."""
    vendor.script = lambda sent: crm(sent) if sent.path == LOGIN else Reply(answer)

    with pytest.raises(VendorPayloadError, match="count"):
        fourgeeks.students()


def test_a_list_that_moved_while_it_was_read_is_read_once_more(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    """A row deleted between two pages shifts the others: one would be skipped."""
    row = crm.rows.pop(7)
    before = [*crm.rows[:7], row, *crm.rows[7:20]]

    def script(sent: Sent) -> Reply:
        first = sent.path == STUDENTS and paths(vendor).count(STUDENTS) == 1
        return Reply({"count": 45, "results": before[:20]}) if first else crm(sent)

    vendor.script = script

    assert {student.profile_id for student in fourgeeks.students().records} == {str(row["id"]) for row in crm.rows}
    assert paths(vendor).count(STUDENTS) == 6


@pytest.mark.parametrize("rows", [[], [{"id": 1}]], ids=["nothing", "the same page again"])
def test_a_list_shorter_than_its_count_is_an_error(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm, rows: list[object]
) -> None:
    vendor.script = lambda sent: crm(sent) if sent.path == LOGIN else Reply({"count": 45, "results": rows})

    with pytest.raises(VendorPayloadError, match="rows in academy 6"):
        fourgeeks.students()


def test_every_academy_is_read_and_a_shared_email_stays_two_students(
    vendor: ScriptedVendor, settings: FourgeeksSettings, impatient: HttpRules, crm: Crm
) -> None:
    def script(sent: Sent) -> Reply:
        if sent.path == LOGIN:
            return crm(sent)
        row = {"id": int(sent.headers["academy"]), "user": None, "email": "Ana@Example.org"}
        return Reply({"count": 1, "results": [row]})

    vendor.script = script

    with FourgeeksConnector(settings.model_copy(update={"academy_id": ("6", "7", "6")}), impatient) as connector:
        read = connector.students()

    assert [(student.profile_id, student.email) for student in read.records] == [
        ("6", "ana@example.org"),
        ("7", "ana@example.org"),
    ]


def test_a_path_that_is_not_there_names_the_base_url(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    vendor.script = lambda sent: crm(sent) if sent.path == LOGIN else Reply(text="<h1>Not Found</h1>", status=404)

    with pytest.raises(VendorRejectedError, match="FOURGEEKS_BASE_URL"):
        fourgeeks.students()


def test_a_missing_credential_names_its_variable() -> None:
    with pytest.raises(ConfigError, match="FOURGEEKS_USERNAME is not set"):
        FourgeeksConnector(FourgeeksSettings())
    with pytest.raises(ConfigError, match="FOURGEEKS_PASSWORD is not set"):
        FourgeeksConnector(FourgeeksSettings(username="importer@example.org"))

"""Files to take along: complete, harmless in a spreadsheet, with no person in their addresses."""

import csv
from collections.abc import Iterator
from io import BytesIO, StringIO

import pytest
from fastapi import FastAPI
from openpyxl import load_workbook
from starlette.testclient import TestClient

from flows.page.app import download_routes
from tracking.database import tracking_session
from tracking.models import ErrorStatus, IntegrationError


@pytest.fixture
def client(database: str) -> Iterator[TestClient]:
    """The files of a fresh database of either kind."""
    app = FastAPI()
    app.include_router(download_routes())
    with TestClient(app) as client:
        yield client


def _add_error(external_id: str, status: ErrorStatus, entity_type: str = "invoice") -> None:
    with tracking_session() as session:
        session.add(
            IntegrationError(
                integration_name="holded",
                operation="invoices",
                entity_type=entity_type,
                entity_external_id=external_id,
                error_message="=cmd()",
                status=status,
            )
        )


def test_errors_are_those_of_the_filter_and_no_cell_is_a_formula(client: TestClient) -> None:
    _add_error("inv-1", ErrorStatus.PENDING)
    _add_error("inv-2", ErrorStatus.IGNORED)
    _add_error("con-1", ErrorStatus.PENDING, "contact")
    wanted = {"integration_name": "holded", "operation": "invoices", "entity_type": "invoice", "status": "pending"}

    answer = client.get("/download/errors.csv", params=wanted)

    (row,) = csv.DictReader(StringIO(answer.text))
    assert (row["entity_external_id"], row["error_message"]) == ("inv-1", "'=cmd()")
    assert answer.headers["content-disposition"] == 'attachment; filename="errors.csv"'


@pytest.mark.parametrize("name", ["integration_name", "operation", "entity_type", "status"])
def test_every_filter_of_errors_counts(client: TestClient, name: str) -> None:
    _add_error("inv-1", ErrorStatus.PENDING)

    assert client.get("/download/errors.csv", params={name: "x"}).text.count("inv-1") == 0
    assert client.get("/download/errors.csv").text.count("inv-1") == 1


@pytest.mark.parametrize("report", ["accruals", "roll-forward"])
def test_each_report_of_a_year_is_a_csv_and_a_workbook(client: TestClient, report: str) -> None:
    rows = list(csv.reader(StringIO(client.get(f"/download/{report}.csv", params={"year": 2024}).text)))
    book = load_workbook(BytesIO(client.get(f"/download/{report}.xlsx", params={"year": 2024}).content))

    assert [cell.value for cell in next(iter(book.worksheets[0].rows))] == rows[0]


def test_a_month_has_reports_of_its_own_and_a_journal(client: TestClient) -> None:
    answer = client.get("/download/journal.csv", params={"month": "2024-03"})

    assert answer.text.startswith("date,")
    assert answer.headers["content-disposition"] == 'attachment; filename="journal-2024-03.csv"'


def test_a_roll_forward_is_by_what_is_asked_and_a_csv_in_spanish_for_a_spanish_excel(client: TestClient) -> None:
    asked = {"month": "2024-03", "by": "cohort", "language": "es"}
    answer = client.get("/download/roll-forward.csv", params=asked)

    assert answer.text.startswith("\ufeffcohort;currency;")
    assert answer.headers["content-disposition"] == 'attachment; filename="roll-forward-cohort-2024-03.csv"'
    assert client.get("/download/waterfall.csv", params={"month": "2024-03"}).text.startswith("client,email,contract,")
    for name in ("errors.csv", "audit.csv"):
        assert client.get(f"/download/{name}", params={"language": "es"}).text.startswith("\ufeffid;")


@pytest.mark.parametrize(
    "address", ["secrets.csv?year=2024", "accruals.exe?year=2024", "accruals.csv?year=1", "accruals.csv?month=2024-13"]
)
def test_what_there_is_not_is_refused(client: TestClient, address: str) -> None:
    assert client.get(f"/download/{address}").status_code == 422

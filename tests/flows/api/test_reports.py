"""Reports over the API: the same numbers as everywhere, as JSON and as spreadsheets."""

import csv
from datetime import date
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

import pytest
from openpyxl import load_workbook
from starlette.testclient import TestClient

from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.ledger.client import Client
from steps.ledger.contract import DocumentKind, Invoice, ServiceContract
from steps.ledger.months import MonthWindow
from steps.ledger.service import Service, ServicePeriod
from steps.reports.reconciliation import Listed, compare, keep
from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.faults import Fault
from steps.sandbox.records import World
from steps.sandbox.server import serve_sandbox
from steps.settings import SyncSettings
from tests.fast_vendors import FAST
from tracking.database import write_session

MARCH, APRIL = date(2024, 3, 1), date(2024, 4, 1)


@pytest.fixture
def accrued(database: str) -> None:
    """One contract of 1000.00 EUR of March, of which 400.00 and 100.05 were accrued; its client is a trickster."""
    with write_session() as session:
        service = Service(external_id="s", name="Full Stack")
        client = Client(identifier="ana@example.org", name="=cmd|' /C calc'!A0")
        session.add_all([service, client])
        session.flush()
        contract = ServiceContract(
            service_id=service.id or 0,
            client_id=client.id or 0,
            contract_date=MARCH,
            contract_amount=Decimal("1000.00"),
            contract_currency="EUR",
        )
        session.add(contract)
        session.flush()
        amount, posted = Decimal("1000.00"), Decimal("500.05")
        accrual = ContractAccrual(
            contract_id=contract.id or 0,
            total_to_accrue=amount,
            accrued_amount=posted,
            remaining_amount_to_accrue=amount - posted,
        )
        session.add_all(
            [
                accrual,
                Invoice(
                    external_id="i",
                    kind=DocumentKind.INVOICE,
                    service_contract_id=contract.id,
                    invoice_date=MARCH,
                    total_amount=amount,
                    net_amount=amount,
                    currency="EUR",
                    status="1",
                    original_data={},
                ),
            ]
        )
        session.flush()
        session.add_all(
            AccruedPeriod(
                contract_accrual_id=accrual.id or 0,
                currency="EUR",
                accrual_date=month,
                accrued_amount=Decimal(posted),
                accrual_portion=Decimal("0.4"),
                sessions_accrued=1,
                rule="r",
            )
            for month, posted in ((MARCH, "400.00"), (APRIL, "100.05"))
        )


def _answer(api: TestClient, path: str) -> Any:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_worklist_names_what_waits(api: TestClient, accrued: None) -> None:
    with write_session() as session:
        session.get_one(ServiceContract, 1).status = "CANCELED"
        session.add(ServicePeriod(contract_id=1, external_id="c", start_date=MARCH, end_date=date(2024, 9, 30)))

    found = _answer(api, "/api/accruals/worklist")

    (item,) = found["items"]
    assert found["month"] == "2024-04-01"
    assert (item["kind"], item["amount"], item["since"]) == ("not_congruent_status", "499.95", "2024-03-01")
    assert (item["contract"]["email"], item["contract"]["service"]) == ("ana@example.org", "Full Stack")
    assert found["totals"] == [{"kind": "not_congruent_status", "currency": "EUR", "contracts": 1, "amount": "499.95"}]


def test_the_roll_forward_of_a_month(api: TestClient, accrued: None) -> None:
    report = _answer(api, "/api/accruals/roll-forward?month=2024-04")

    (line,) = report["lines"]
    assert (report["month"], report["closed"], report["ties_out"]) == ("2024-04-01", False, True)
    assert (line["currency"], line["opening"], line["accrued"], line["closing"]) == (
        "EUR",
        "600.00",
        "100.05",
        "499.95",
    )
    assert _answer(api, "/api/accruals/roll-forward?month=2024-04-01") == report


def test_a_year_by_contract_and_month(api: TestClient, accrued: None) -> None:
    report = _answer(api, "/api/accruals/monthly/2024")

    (row,) = report["rows"]
    assert row["amounts"] == {"2024-03-01": "400.00", "2024-04-01": "100.05"}
    assert row["contract"]["email"] == "ana@example.org"
    assert report["totals"] == {"EUR": {"2024-03-01": "400.00", "2024-04-01": "100.05"}}


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [("client=ANA", 1), ("client=bob", 0), ("service=full", 1), ("contract=1", 1), ("contract=2", 0)],
)
def test_a_year_of_some_contracts(api: TestClient, accrued: None, wanted: str, rows: int) -> None:
    assert len(_answer(api, f"/api/accruals/monthly/2024?{wanted}")["rows"]) == rows
    assert len(api.get(f"/api/accruals/export/csv?{wanted}").text.splitlines()) == 1 + 2 * rows


def test_the_spreadsheet_of_a_range(api: TestClient, accrued: None) -> None:
    answer = api.get("/api/accruals/export/csv", params={"start_date": "2024-03-01", "end_date": "2024-05-01"})

    row, total = csv.DictReader(StringIO(answer.text))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="accruals-2024-03..2024-04.csv"'
    assert row["client"] == "'=cmd|' /C calc'!A0"
    assert (row["2024-03"], row["2024-04"], row["total"]) == ("400.00", "100.05", "500.05")
    assert total["total"] == "500.05"


def test_a_spreadsheet_without_dates_is_that_of_the_default_year(api: TestClient, accrued: None) -> None:
    (row, _) = csv.DictReader(StringIO(api.get("/api/accruals/export/csv").text))

    assert [name for name in row if name.startswith("2024-")] == [f"2024-{month:02}" for month in range(1, 13)]


def test_a_roll_forward_by_service_ties_out_and_says_its_basis(api: TestClient, accrued: None) -> None:
    report = _answer(api, "/api/accruals/roll-forward?month=2024-04&by=service")

    (line,) = report["lines"]
    assert (line["group"], line["line"]["closing"], report["ties_out"]) == ("s Full Stack", "499.95", True)
    assert report["basis"]["closed_to"] is None
    assert report["basis"]["policy"]["SYNC_ACCRUAL_BASIS"] == "net"


def test_a_spreadsheet_for_a_spanish_excel(api: TestClient, accrued: None) -> None:
    asked = {"start_date": "2024-03-01", "end_date": "2024-05-01", "format": "csv-es"}

    text = api.get("/api/accruals/export/csv", params=asked).content

    assert text.startswith(b"\xef\xbb\xbfclient;email;")
    row = text.decode("utf-8-sig").splitlines()[1]
    assert row.endswith(";EUR;400,00;100,05;500,05")
    assert api.get("/api/integrations/errors/export/csv?format=csv-es").content.startswith(b"\xef\xbb\xbfid;")
    assert api.get("/api/accruals/export/csv?format=pdf").status_code == 422


def test_journal_and_waterfall_of_a_month(api: TestClient, accrued: None) -> None:
    journal = _answer(api, "/api/accruals/journal?month=2024-04")
    waterfall = _answer(api, "/api/accruals/waterfall?month=2024-04")

    assert [(line["kind"], line["account"]["number"], line["debit"]) for line in journal["lines"]] == [
        ("release", "48500000", "100.05"),
        ("release", "s", "0.00"),
    ]
    (row,) = waterfall["rows"]
    assert (row["deferred"], row["not_scheduled"]) == ("499.95", "0.00")
    assert list(waterfall["totals"][0]["expected"].values()) == ["499.95"]


def test_a_reconciliation_is_the_last_that_was_made(api: TestClient, accrued: None) -> None:
    answer = api.get("/api/accruals/reconciliation?month=2024-03")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "2024-03 was never compared with the invoicing system",
    )
    with write_session() as session:
        listed = Listed([], [], frozenset({"i"}))
        keep(session, compare(session, MonthWindow.of(MARCH), listed, SyncSettings()))

    report = _answer(api, "/api/accruals/reconciliation?month=2024-03")

    assert (report["agrees"], [each["kind"] for each in report["differences"]]) == (False, ["gone there"])


def test_a_reconciliation_is_made_now_and_kept(api: TestClient, accrued: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_sandbox(World(year=2024, academies=[MADRID_SCHOOL])) as sandbox:
        for name, value in {**sandbox.environment, **FAST}.items():
            monkeypatch.setenv(name, value)
        made = api.post("/api/accruals/reconciliation", json={"month": "2024-03"})
        sandbox.faults.add(Fault("holded", "html-200", times=None))
        broken = api.post("/api/accruals/reconciliation", json={"month": "2024-03"})

    assert made.status_code == 200, made.text
    assert [each["kind"] for each in made.json()["differences"]] == ["gone there"]
    assert _answer(api, "/api/accruals/reconciliation?month=2024-03") == made.json()
    assert broken.status_code == 502
    assert api.post("/api/accruals/reconciliation", json={"month": "soon"}).status_code == 422


def test_the_month_end_pack_is_a_workbook(api: TestClient, accrued: None) -> None:
    answer = api.get("/api/accruals/pack?month=2024-04")

    assert answer.headers["content-disposition"] == 'attachment; filename="month-end-2024-04.xlsx"'
    assert load_workbook(BytesIO(answer.content)).sheetnames[:2] == ["Cover", "Roll-forward 2024-04"]


@pytest.mark.sqlite_first
@pytest.mark.parametrize(
    "path",
    [
        "/api/accruals/pack",
        "/api/accruals/pack?month=2024-13",
        "/api/accruals/journal",
        "/api/accruals/waterfall?month=1999-01",
        "/api/accruals/reconciliation?month=soon",
        "/api/accruals/roll-forward?month=2024-04&by=moon",
        "/api/accruals/roll-forward",
        "/api/accruals/roll-forward?month=2024-13",
        "/api/accruals/roll-forward?month=2024-03-02",
        "/api/accruals/roll-forward?month=1999-03",
        "/api/accruals/monthly/1999",
        "/api/accruals/monthly/next",
        "/api/accruals/export/csv?start_date=2024-03-01",
        "/api/accruals/export/csv?start_date=2024-03-02&end_date=2024-04-01",
    ],
)
def test_months_that_make_no_sense_are_refused(api: TestClient, path: str) -> None:
    answer = api.get(path)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"

"""`report`, `close`, `reopen` and `explain` as a person types them: what they show, write and answer to the shell."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from flows.cli.app import run_command
from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.records import World
from steps.sandbox.server import serve_sandbox
from tests.fast_vendors import FAST
from tests.steps.accruals.builders import document, period
from tests.steps.accruals.database_ledger import Stored, accrue, execute, store
from tests.steps.accruals.reports.books import Books

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def books() -> Books:
    """1,234.56 for a course from January to June, accrued for January and February; 10.00 without a contract."""
    books = Books()
    ana = books.contract("Ana")
    period = books.period(ana, "2024-01-01", "2024-06-30")
    books.document(ana, "2024-01-01", "1234.56")
    books.document(None, "2024-02-03", "10.00")
    books.post(ana, "2024-01", "234.56", period=period)
    books.post(ana, "2024-02", "200.00", period=period)
    books.accrued("2024-01", "2024-02")
    return books


@pytest.fixture(autouse=True)
def terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The narrowest terminal that tables must fit."""
    monkeypatch.setenv("COLUMNS", "80")


def shown(capsys: Captured, *arguments: str) -> str:
    """What a command that succeeds writes, blanks pressed together."""
    assert run_command(list(arguments)) == 0
    written = capsys.readouterr()
    assert written.err == ""
    assert max(map(len, written.out.splitlines()), default=0) <= 80
    return "\n".join(" ".join(line.split()) for line in written.out.splitlines())


def answered(capsys: Captured, *arguments: str) -> Any:
    """What a command answers with --json."""
    assert run_command([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_default_report_is_the_roll_forward_of_the_default_year(books: Books, capsys: Captured) -> None:
    out = shown(capsys, "report")

    assert "Deferred revenue, EUR, 2024-01..2024-12" in out
    assert "2024-02 1,000.00 - - 200.00 800.00" in out
    assert "Documents without a contract, in no total, EUR: 2024-02 10.00" in out
    assert "Ties out to the cent, and the contracts' states of 2024-02 say the same." in out
    assert "Never accrued: 2024-03, 2024-04, 2024-05" in out


def test_the_year_of_the_report_is_that_of_the_settings_or_of_the_option(
    books: Books, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing was invoiced" not in shown(capsys, "report", "--year", "2025")
    assert "2025-01..2025-12" in shown(capsys, "report", "--year", "2025")
    monkeypatch.setenv("SYNC_DEFAULT_YEAR", "2025")
    assert "2025-01..2025-12" in shown(capsys, "report")
    assert "2024-01..2024-03" in shown(capsys, "report", "--start-date", "2024-01-01", "--end-date", "2024-04-01")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("accruals", "2024-02 200.00"),
        ("waterfall", "not scheduled"),
        ("journal", "Deferred revenue (ingresos anticipados)"),
        ("roll-forward", "opening"),
    ],
)
def test_each_report_is_a_table_and_a_json(books: Books, capsys: Captured, kind: str, told: str) -> None:
    assert told in shown(capsys, "report", kind, "--month", "2024-02")
    assert "200.00" in json.dumps(answered(capsys, "report", kind, "--month", "2024-02"))


@pytest.mark.parametrize("kind", ["accruals", "waterfall", "journal", "roll-forward"])
def test_a_ledger_with_nothing_in_it_has_every_report(capsys: Captured, kind: str) -> None:
    assert "Nothing" in shown(capsys, "report", kind)


@pytest.mark.parametrize("kind", ["accruals", "waterfall", "journal", "roll-forward"])
def test_the_ending_of_the_file_decides_what_is_written(
    books: Books, capsys: Captured, tmp_path: Path, kind: str
) -> None:
    sheet, workbook = tmp_path / "r.csv", tmp_path / "r.XLSX"
    for file in (sheet, workbook):
        assert run_command(["report", kind, "--month", "2024-02", "--output", str(file)]) == 0

    assert "200.00" in sheet.read_text(encoding="utf-8")
    rows = list(load_workbook(workbook).active.iter_rows(values_only=True))  # type: ignore[union-attr]
    assert any(200 in row or 800 in row for row in rows)
    assert capsys.readouterr().out.count("written: ") == 2


def test_a_chart_is_a_picture_for_each_currency(books: Books, capsys: Captured, tmp_path: Path) -> None:
    assert run_command(["report", "chart", "--output", str(tmp_path / "one.png")]) == 0
    bob = books.contract("Bob", currency="USD")
    books.document(bob, "2024-01-01", "5.00", "USD")
    assert run_command(["report", "chart", "--output", str(tmp_path / "two.svg")]) == 0

    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "two-EUR.svg").read_text(encoding="utf-8")
    assert "<svg" in (tmp_path / "two-USD.svg").read_text(encoding="utf-8")
    assert not (tmp_path / "two.svg").exists()


@pytest.mark.parametrize("kind", ["accruals", "waterfall", "journal", "roll-forward"])
def test_each_report_says_as_of_when_what_is_closed_and_the_policy(
    books: Books, capsys: Captured, tmp_path: Path, kind: str
) -> None:
    shown(capsys, "close", "2024-01", "--by", "Eva")
    told = "Closed: 2024-01 and all before it"

    out = shown(capsys, "report", kind, "2024-02")
    assert re.search(r"^As of: \d{4}-\d\d-\d\d \d\d:\d\d CES?T$", out, re.MULTILINE)
    assert told in out
    assert "Policy: ACCRUAL_BASIS=net" in out
    answer = answered(capsys, "report", kind, "2024-02")
    assert (answer[0] if isinstance(answer, list) else answer)["basis"]["closed_to"] == "2024-01-01"
    for file in ("r.csv", "r.xlsx"):
        assert run_command(["report", kind, "2024-02", "--output", str(tmp_path / file)]) == 0
    assert told in (tmp_path / "r.csv").read_text(encoding="utf-8").splitlines()[0]
    rows = load_workbook(tmp_path / "r.xlsx").active.iter_rows(values_only=True)  # type: ignore[union-attr]
    assert told in {row[0] for row in rows}


@pytest.mark.parametrize("kind", ["accruals", "waterfall", "journal", "roll-forward"])
def test_each_report_opens_in_a_spanish_excel(books: Books, capfdbinary: Any, tmp_path: Path, kind: str) -> None:
    assert run_command(["report", kind, "2024-02", "--format", "csv-es", "--output", str(tmp_path / "r.csv")]) == 0
    assert run_command(["report", kind, "2024-02", "--format", "csv-es"]) == 0

    content = (tmp_path / "r.csv").read_bytes()
    assert capfdbinary.readouterr().out.endswith(content)
    assert content.startswith(b"\xef\xbb\xbf")
    text = content.decode("utf-8-sig")
    assert "200,00" in text
    assert ";" in text.splitlines()[0]
    assert "As of: " in text.splitlines()[-3]


@pytest.mark.parametrize("by", ["service", "cohort", "client", "currency"])
def test_the_roll_forward_is_broken_down(books: Books, capsys: Captured, by: str) -> None:
    out = shown(capsys, "report", "--month", "2024-02", "--by", by)

    assert f"Deferred revenue by {by}, EUR, 2024-02" in out
    assert "all 1,000.00 - - 200.00 800.00" in out
    assert answered(capsys, "report", "--month", "2024-02", "--by", by)["lines"][0]["line"]["closing"] == "800.00"


def test_accruals_are_those_of_some_contracts(books: Books, capsys: Captured) -> None:
    books.post(books.contract("Bob"), "2024-02", "50.00")

    assert "all 250.00" in shown(capsys, "report", "accruals", "2024-02")
    assert "all 50.00" in shown(capsys, "report", "accruals", "2024-02", "--client", "bob")
    assert "all 200.00" in shown(capsys, "report", "accruals", "2024-02", "--service", "course of ana")
    assert "Nothing" in shown(capsys, "report", "accruals", "2024-02", "--contract", "7")


def test_a_contract_that_does_not_tie_out_is_named(books: Books, capsys: Captured) -> None:
    execute("UPDATE contract_accrual SET remaining_amount_to_accrue = 800.01")

    out = shown(capsys, "report", "--month", "2024-02")

    told = "Contract 1 does not tie out: 1,234.56 in documents - 434.56 posted = 800.00"
    assert told in out
    assert "state says 800.01" in " ".join(out.split())
    assert "Ties out" not in out


def test_the_month_end_pack_is_a_file(books: Books, capsys: Captured, tmp_path: Path) -> None:
    assert run_command(["report", "pack", "2024-02", "--output", str(tmp_path / "p.xlsx")]) == 0

    assert load_workbook(tmp_path / "p.xlsx").sheetnames[0] == "Cover"


def test_a_reconciliation_of_what_differs_is_status_1(
    books: Books, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger has documents of January and February, which a Holded without any has not."""
    with serve_sandbox(World(year=2024, academies=[MADRID_SCHOOL])) as server:
        for name, value in {**server.environment, **FAST}.items():
            monkeypatch.setenv(name, value)
        assert run_command(["report", "reconciliation", "2024-02"]) == 1
        written = capsys.readouterr()
        assert "Gone there: 1" in written.out
        assert max(map(len, written.out.splitlines())) <= 80
        assert run_command(["report", "reconciliation", "2024-02", "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["agrees"] is False
        assert "The ledger has what Holded has." in shown(capsys, "report", "reconciliation", "2024-03")


def test_a_month_is_closed_with_a_name_and_shown_as_closed(books: Books, capsys: Captured) -> None:
    out = shown(capsys, "close", "2024-01", "--by", "Eva", "--reason", "all there")

    assert out.endswith("2024-01 is closed.")
    assert re.search(r"^Hash: [0-9a-f]{64}$", out, re.MULTILINE)
    assert "2024-01*" in shown(capsys, "report")
    assert answered(capsys, "report", "--month", "2024-01")["months"][0]["closed"] is True


def test_a_refused_closing_is_status_1_and_a_line_for_each_reason(books: Books, capsys: Captured) -> None:
    books.error(books.executed("invoices", "2024-02", "failed"))

    assert run_command(["close", "2024-02-01", "--by", "Eva"]) == 1

    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        "2024-02 cannot be closed:",
        "- 2024-01 comes before it and is still open",
        "- execution 3 of invoices is failed",
        "- integration error 1 is pending: invoices, contact c-1: it has no email",
    ]


def test_a_month_is_reopened_with_the_later_ones(books: Books, capsys: Captured) -> None:
    for month in ("2024-01", "2024-02"):
        shown(capsys, "close", month, "--by", "Eva")

    assert shown(capsys, "reopen", "2024-01", "--reason", "new", "--by", "Eva") == "open again: 2024-01, 2024-02"


def test_every_closing_and_reopening_is_told_with_who_why_and_the_hash(books: Books, capsys: Captured) -> None:
    assert shown(capsys, "closings") == "No month was ever closed."
    kept = shown(capsys, "close", "2024-01", "--by", "Eva").split("Hash: ")[1].split()[0]
    shown(capsys, "reopen", "2024-01", "--reason", "a late invoice", "--by", "Ana")

    lines = shown(capsys, "closings").splitlines()
    assert [line.strip() for line in lines[1::2]] == [kept, kept]
    assert re.fullmatch(r"2024-01 closed \d{4}-\d\d-\d\d \d\d:\d\d UTC by Eva", lines[0])
    assert lines[2].endswith("UTC by Ana: a late invoice")
    assert [each["who"] for each in answered(capsys, "closings")["closings"]] == ["Eva", "Ana"]


def test_closes_are_verified_and_the_first_that_was_changed_is_named(books: Books, capsys: Captured) -> None:
    assert shown(capsys, "verify") == "No month is closed."
    kept = shown(capsys, "close", "2024-01", "--by", "Eva").split("Hash: ")[1].split()[0]
    shown(capsys, "close", "2024-02", "--by", "Eva")

    told = shown(capsys, "verify", "--expect", kept)
    assert told.endswith("Every close is as it was made.\nThe hash expected is that of 2024-01, which Eva closed.")
    assert f"2024-01 {kept}\n2024-02 " in told
    answer = answered(capsys, "verify")
    assert (answer["verified"], answer["difference"], answer["closes"][0]["hash"]) == (True, None, kept)

    execute("UPDATE accrued_period SET accrued_amount = 235 WHERE accrual_date = '2024-01-01'")
    assert run_command(["verify"]) == 1
    assert capsys.readouterr().err == (
        "Error: 2024-01 does not verify: its postings are not what it was closed with"
        " (posted are 235.00 EUR, its roll-forward says 234.56 EUR)\n"
    )
    assert run_command(["verify", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["difference"]["month"] == "2024-01"


def test_services_are_listed_and_set_from_a_file(books: Books, capsys: Captured) -> None:
    Path("services.csv").write_text("service,sessions_per_week,class_weekdays\n70500001,2,Mon Wed\n")
    asked = ["services", "services.csv", "--by", "Eva", "--reason", "the timetable"]

    assert "1 services would be changed" in shown(capsys, *asked, "--preview")
    assert "not known" in " ".join(shown(capsys, "services").split())
    told = shown(capsys, *asked)

    assert "Course of Ana: class_weekdays None -> [0, 2]" in told
    (service,) = answered(capsys, "services")
    assert (service["sessions_per_week"], service["class_weekdays"]) == (2, [0, 2])
    assert service["changes"][0]["who"] == "Eva"
    assert run_command(["services", "services.csv"]) == 2
    assert "needs a reason" in capsys.readouterr().err


def test_an_explanation_shows_the_formula_and_what_changed_since(capsys: Captured) -> None:
    store(Stored(documents=(document("2024-01-10", "600.00"),), periods=(period("2024-01-08", "2024-06-30"),)))
    accrue("2024-01")
    execute("UPDATE service_period SET status = 'DROPPED', status_change_date = '2024-03-10'")

    out = shown(capsys, "explain", "1", "2024-01")

    assert "documents: 600.00 of 2024-01-10; together 600.00" in out
    assert "8 sessions in the month, 60 from its first day on" in out
    assert "600.00 x 8 / 60 = 80.00" in out
    assert "Changed since: period cohort-1, status: ACTIVE then, DROPPED now" in out
    execute("UPDATE accrued_period SET worked_out = NULL")
    assert "What it was worked out from was not kept" in shown(capsys, "explain", "1", "2024-01")


def test_an_amount_is_adjusted_by_hand_and_shown_where_it_was_posted(books: Books, capsys: Captured) -> None:
    shown(capsys, "close", "2024-01", "--by", "Eva")
    asked = ["adjust", "1", "-34.56", "--reason", "taught twice", "--corrects", "2024-01", "--by", "Eva"]

    told = "-34.56 EUR for contract 1 in 2024-02\n800.00 remained, 834.56 remain"
    assert shown(capsys, *asked, "--preview") == f"would be posted: {told}"
    assert shown(capsys, *asked) == f"posted: {told}"

    assert "-34.56 adjusted by Eva: taught twice, corrects 2024-01" in shown(capsys, "explain", "1", "2024-02")
    assert "adjusted" in shown(capsys, "report", "--month", "2024-02")
    assert "adjusted" not in shown(capsys, "report", "--month", "2024-01")


def test_a_hash_that_no_close_has_is_status_1(books: Books, capsys: Captured) -> None:
    assert run_command(["verify", "--expect", "0" * 64]) == 1
    assert "no close has the hash 000" in capsys.readouterr().err


def test_an_explanation_leads_from_the_amount_to_the_documents(books: Books, capsys: Captured) -> None:
    out = shown(capsys, "explain", "1", "2024-02")

    for told in ("Posted 200.00 EUR", "Rule: row 11, days in force", "Remaining: 1,234.56", "cohort-1: on day", "D001"):
        assert told in out
    assert answered(capsys, "explain", "1", "2024-02")["posted"] == "200.00"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["report", "balance"], "report 'balance' is not known: one of accruals, roll-forward"),
        (["report", "--month", "2024-13"], "month '2024-13' is no month: YYYY-MM is expected"),
        (["report", "--month", "2024-03-15"], "month '2024-03-15' is no month"),
        (["report", "--month", "1999-01"], "is not allowed"),
        (["report", "--month", "2024-03", "--year", "2024"], "--month is a range of its own"),
        (["report", "--year", "1999"], "a year from 2000 to 2100 is expected"),
        (["report", "--start-date", "2024-03-01"], "start date without end date"),
        (["report", "--output", "r.pdf"], "no ending that fits roll-forward: .csv or .xlsx"),
        (["report", "--output", "r.png"], "no ending that fits roll-forward"),
        (["report", "chart"], "a chart needs a file"),
        (["report", "chart", "--output", "r.csv"], ".png or .svg is expected"),
        (["report", "chart", "--output", "r.png"], "there is nothing to draw"),
        (["report", "--output", "r.csv", "--json"], "exclude each other"),
        (["report", "journal", "2024-03", "--month", "2024-03"], "the month was given twice"),
        (["report", "--by", "moon"], "--by 'moon' is not known: one of service, cohort, client, currency"),
        (["report", "journal", "--by", "service"], "--by is for roll-forward"),
        (["report", "journal", "--client", "ana"], "are for accruals, not for journal"),
        (["report", "accruals", "--contract", "x"], "is not a whole number"),
        (["report", "--format", "pdf"], "--format 'pdf' is not known: one of csv, csv-es"),
        (["report", "--format", "csv-es", "--output", "r.xlsx"], "--format is for CSV: r.xlsx is none"),
        (["report", "--format", "csv", "--json"], "exclude each other"),
        (["report", "--sandbox"], "--sandbox is for reconciliation"),
        (["report", "reconciliation"], "2024-01..2024-12 are several: give its MONTH"),
        (["report", "pack", "2024-03"], "a pack needs a file: --output FILE.xlsx"),
        (["report", "pack", "2024-03", "--output", "r.csv"], ".xlsx is expected"),
        (["report", "pack", "--output", "r.xlsx"], "2024-01..2024-12 are several"),
        (["report", "--output", "no/such/folder.csv"], "cannot write no/such/folder.csv"),
        (["close", "March"], "month 'March' is no month"),
        (["close"], "MONTH"),
        (["close", "2024-01", "--by", " "], "give a name with --by"),
        (["reopen", "2024-01", "--by", "Eva"], "needs a reason"),
        (["reopen", "2024-01", "--reason", "x"], "2024-01 is not closed"),
        (["verify", "--expect", "abc"], "--expect 'abc' is no hash of a close: 64 hexadecimal digits"),
        (["adjust", "7", "-1.00", "--reason", "x", "--by", "Eva"], "there is no contract 7"),
        (["adjust", "7", "ten", "--reason", "x"], "'ten' is not an amount to adjust by"),
        (["adjust", "7", "1.00"], "an adjustment needs a reason"),
        (["services", "no-such.csv"], "cannot read no-such.csv: No such file"),
        (["explain", "7", "2024-01"], "there is no contract 7"),
        (["explain", "x", "2024-01"], "CONTRACT"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], line: str, capsys: Captured) -> None:
    status = run_command(arguments)

    written = capsys.readouterr()
    assert (status, written.out) == (2, "")
    assert line in written.err
    assert written.err.count("\n") == 1


def test_the_worklist_shows_what_waits_with_amount_reason_and_age(books: Books, capsys: Captured) -> None:
    assert shown(capsys, "worklist") == "Nothing waits for a person after 2024-02."
    execute("UPDATE service_contract SET status = 'CANCELED'")

    out, found = shown(capsys, "worklist"), answered(capsys, "worklist")

    assert "Waiting for a person after 2024-02" in out
    assert "not_congruent_status EUR 1 800.00" in out
    assert [(item["kind"], item["amount"], item["since"]) for item in found["items"]] == [
        ("not_congruent_status", "800.00", "2024-01-01")
    ]

"""What finance people come for: the morning look, a number explained down to its documents, a month closed."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import FilePayload, Page, expect
from sqlalchemy import create_engine, text

from tests.flows.page.server import PageServer
from tests.flows.page.test_views import go

pytestmark = [pytest.mark.browser, pytest.mark.prefect]


def test_the_morning_look(visitor: Page, busy_server: PageServer) -> None:
    """What is wrong, the month's figures, the next close, and the button that mends; on the year that is worked on."""
    expect(visitor.get_by_role("heading", name="2024 at a glance")).to_be_visible()
    missing = visitor.get_by_role("listitem").filter(has_text="never run").filter(has_text="Process Accruals")
    expect(missing).to_contain_text("6 months never run")
    expect(visitor.get_by_role("heading", name="Revenue of June 2024")).to_be_visible()
    closing = visitor.locator("dl.tiles").get_by_role("link").nth(1)
    expect(closing).to_have_text(re.compile(r"^[\d,]+\.\d\d EUR$"))
    expect(visitor.get_by_role("heading", name="Next to close: January 2024")).to_be_visible()

    waiting = visitor.get_by_text("contracts wait for a person")
    expect(waiting).to_have_text(re.compile(r"^\d+ contracts"))

    missing.get_by_role("link", name="Run what is missing").click()
    expect(visitor.get_by_role("status").filter(has_text="Will run 6 steps and months")).to_be_visible()


def test_a_number_explained_down_to_its_documents(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "revenue/2024")
    row = visitor.get_by_role("row").filter(has=visitor.get_by_role("link", name="Mar", exact=True))
    accrued = row.get_by_role("link").nth(4)
    total = accrued.inner_text()
    accrued.click()

    expect(visitor.get_by_role("heading", name="Revenue of March 2024")).to_be_visible()
    expect(visitor.get_by_role("row").filter(has_text="Total").first).to_contain_text(total)
    visitor.get_by_role("link", name="Full Stack Part Time").click()
    expect(visitor.get_by_role("heading", name="Full Stack Part Time")).to_be_visible()
    of_one = visitor.locator(".listing tbody a").first
    client = of_one.inner_text().strip()
    of_one.click()

    expect(visitor.get_by_role("heading", name=client)).to_be_visible()
    expect(visitor.get_by_role("heading", name="Why: March 2024")).to_be_visible()
    expect(visitor.get_by_text(re.compile(r"in documents − .* accrued before ="))).to_be_visible()
    expect(visitor.get_by_role("region", name="Documents that count")).to_contain_text("Invoice")
    expect(visitor.get_by_role("region", name="Everything by day")).to_contain_text("Invoice")


def test_a_contract_is_searched_and_an_adjustment_looked_at_before_it_is_posted(
    visitor: Page, busy_server: PageServer
) -> None:
    go(visitor, busy_server, "contracts")
    search = visitor.get_by_role("searchbox")
    search.fill("full")
    search.fill("zzz")
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_text("No contract fits.")).to_be_visible()
    visitor.go_back()
    visitor.locator(".listing tbody a").nth(2).click()
    visitor.get_by_role("button", name="Adjust").click()
    dialog = visitor.get_by_role("dialog")
    dialog.get_by_label("Amount to accrue").fill("1,5")
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_label("Reason").fill("a look")
    expect(dialog.get_by_role("button", name="Post it")).to_be_hidden()

    dialog.get_by_role("button", name="See what it would do").click()

    expect(dialog.get_by_text("Deferred after")).to_be_visible()
    expect(dialog.get_by_text("1.50 EUR", exact=True)).to_be_visible()
    expect(dialog.get_by_role("button", name="Post it")).to_be_visible()


def test_what_was_accrued_before_an_enrollment_is_let_stand_with_name_and_reason(
    visitor: Page, busy_server: PageServer
) -> None:
    engine = create_engine(busy_server.database_url)
    as_whole = text("UPDATE accrued_period SET service_period_id = NULL, rule = 'row-14' WHERE id = :id")
    back = text("UPDATE accrued_period SET service_period_id = :period, rule = :rule WHERE id = :id")
    with engine.begin() as connection:
        found = "SELECT a.id, s.contract_id, a.service_period_id, a.rule FROM accrued_period a"
        found += " JOIN contract_accrual s ON s.id = a.contract_accrual_id WHERE a.service_period_id IS NOT NULL"
        number, contract, period, rule = connection.execute(text(f"{found} ORDER BY a.id LIMIT 1")).one()
        connection.execute(as_whole, {"id": number})
    try:
        go(visitor, busy_server, f"contracts/{contract}")
        visitor.get_by_role("button", name="Let it stand").click()
        dialog = visitor.get_by_role("dialog", name="Let it stand")
        dialog.get_by_label("Your name").fill("Ana")
        dialog.get_by_label("Reason").fill("taught before")
        dialog.get_by_role("button", name="Let it stand").click()

        expect(dialog).to_be_hidden()
        expect(visitor.get_by_role("button", name="Adjust")).to_be_visible()
        expect(visitor.get_by_role("button", name="Let it stand")).to_be_hidden()
        with engine.begin() as connection:
            kept = connection.execute(text("SELECT contract_id, who, reason FROM dismissal")).all()
        assert list(map(tuple, kept)) == [(contract, "Ana", "taught before")]
    finally:
        with engine.begin() as connection:
            connection.execute(back, {"id": number, "period": period, "rule": rule})
            connection.execute(text("DELETE FROM dismissal"))
        engine.dispose()


def test_a_month_closed_and_opened_again_by_name_and_with_a_reason(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "months/2024-02")
    blocked = visitor.get_by_role("listitem").filter(has_text="Earlier months are closed")
    blocked.get_by_role("link", name="Mend it").click()

    expect(visitor.get_by_role("heading", name="January 2024", exact=True)).to_be_visible()
    visitor.get_by_role("button", name="Close January 2024").click()
    dialog = visitor.get_by_role("dialog", name="Close January 2024")
    expect(dialog.get_by_text("EUR").first).to_be_visible()
    dialog.get_by_role("button", name="Close January 2024").click()
    expect(visitor.get_by_role("alert").filter(has_text="A name is needed")).to_be_visible()
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_role("button", name="Close January 2024").click()
    expect(visitor.get_by_text("Proof (hash)")).to_be_visible()
    expect(visitor.locator("dd").filter(has_text=re.compile("^[0-9a-f]{64}$"))).to_be_visible()

    visitor.get_by_role("button", name="Reopen January 2024").click()
    dialog = visitor.get_by_role("dialog", name="Reopen January 2024")
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_role("button", name="Reopen January 2024").click()
    expect(visitor.get_by_role("alert").filter(has_text="needs a reason")).to_be_visible()
    dialog.get_by_label("Reason").fill("a credit note came late")
    dialog.get_by_role("button", name="Reopen January 2024").click()

    expect(visitor.get_by_role("button", name="Close January 2024")).to_be_visible()
    trail = visitor.get_by_role("listitem").filter(has_text="Reopened")
    expect(trail.filter(has_text="a credit note came late").first).to_be_visible()


def test_an_open_month_is_accrued_again_after_a_look_and_the_run_is_watched(
    visitor: Page, busy_server: PageServer
) -> None:
    go(visitor, busy_server, "months/2024-03")
    visitor.get_by_role("button", name="Accrue March 2024 again").click()
    dialog = visitor.get_by_role("dialog", name="Accrue March 2024 again")
    again = dialog.get_by_role("button", name="Accrue March 2024 again")
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_label("Reason", exact=True).fill("a look")
    dialog.get_by_label("Accrue although the import is broken: reason").fill("the CRM is gone")
    expect(again).to_be_hidden()

    dialog.get_by_role("button", name="See what it would do").click()
    expect(dialog.get_by_text("Every contract comes out the same.")).to_be_visible()
    again.click()

    visitor.wait_for_url(re.compile("/en/runs/[0-9a-f-]{36}"))
    expect(visitor.get_by_role("heading", level=2)).to_contain_text("redo 2024-03", timeout=60_000)
    expect(visitor.get_by_text("override the CRM is gone")).to_be_visible()


def test_a_decision_is_taken_back_with_name_and_reason_and_all_of_it_is_kept(
    visitor: Page, busy_server: PageServer
) -> None:
    go(visitor, busy_server, "todo?status=ignored")
    visitor.get_by_role("checkbox", name=re.compile("^Select error")).first.click()
    expect(visitor.get_by_role("status").filter(has_text="1 selected")).to_be_visible()
    for button, status, back in (("Take back", "ignored", "pending"), ("Ignore", "pending", "ignored")):
        visitor.get_by_role("checkbox", name=re.compile("^Select error")).first.wait_for()
        visitor.get_by_role("button", name=button, exact=True).first.click()
        dialog = visitor.get_by_role("dialog", name=button)
        dialog.get_by_label("Your name").fill("Ana")
        dialog.get_by_role("button", name=button).click()
        expect(visitor.get_by_role("alert").filter(has_text="a decision needs a reason")).to_be_visible()
        reason = f"{back} {uuid4().hex}"
        dialog.get_by_label("Reason").fill(reason)
        dialog.get_by_role("button", name=button).click()
        expect(visitor.get_by_role("listitem").filter(has_text=reason)).to_be_visible()
        if status == "ignored":
            go(visitor, busy_server, "todo")
            visitor.get_by_role("checkbox", name=re.compile("^Select error")).first.click()
            expect(visitor.get_by_role("status").filter(has_text="1 selected")).to_be_visible()


BALANCES = b"email;service;amount;currency\nold.client@example.org;%s;1234,50;EUR\n"


def test_weekdays_and_opening_balances_are_seen_before_they_are_taken(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "months")
    visitor.get_by_role("link", name="Services and opening balances").click()
    service = visitor.get_by_role("listitem").filter(has_text="class days not known").first
    name = service.locator(".what").inner_text()
    service.get_by_role("button").click()
    dialog = visitor.get_by_role("dialog")
    dialog.get_by_role("checkbox", name="Wednesday").click()
    dialog.get_by_role("checkbox", name="Monday").click()
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_label("Reason").fill("the timetable")
    dialog.get_by_role("button", name="See what it would do").click()
    expect(dialog.get_by_text("class days not known → Monday, Wednesday")).to_be_visible()
    dialog.get_by_role("button", name="Save").click()
    changed = visitor.get_by_role("listitem").filter(has_text="Monday, Wednesday")
    expect(changed).to_contain_text("the timetable")
    changed.get_by_role("button").click()
    dialog = visitor.get_by_role("dialog")
    dialog.get_by_role("checkbox", name="Wednesday").click()
    dialog.get_by_role("checkbox", name="Monday").click()
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_label("Reason").fill("as it was")
    dialog.get_by_role("button", name="See what it would do").click()
    expect(dialog.get_by_text("Monday, Wednesday → class days not known")).to_be_visible()
    dialog.get_by_role("button", name="Save").click()
    expect(visitor.get_by_role("listitem").filter(has_text="as it was")).to_be_visible()

    go(visitor, busy_server, "setup", "es")
    visitor.get_by_role("button", name="Cargar un archivo").click()
    dialog = visitor.get_by_role("dialog")
    file: FilePayload = {"name": "saldos.csv", "mimeType": "text/csv", "buffer": BALANCES % name.encode()}
    dialog.locator("input[type=file]").set_input_files(file)
    expect(dialog.get_by_text("saldos.csv")).to_be_visible()
    dialog.get_by_label("Primer mes del libro").fill("2024-01")
    dialog.get_by_label("Tu nombre").fill("Ana")
    dialog.get_by_label("Motivo").fill("los libros de antes")
    dialog.get_by_role("button", name="Ver qué haría").click()
    expect(dialog.get_by_text("1 contratos, 1.234,50 EUR")).to_be_visible()
    dialog.get_by_role("button", name="Cargar un archivo").click()
    loaded = visitor.get_by_role("listitem").filter(has_text="1 contratos de saldos.csv")
    loaded.get_by_role("button", name="Retirarlo de nuevo").click()
    dialog = visitor.get_by_role("dialog")
    dialog.get_by_label("Tu nombre").fill("Ana")
    dialog.get_by_label("Motivo").fill("era una prueba")
    dialog.get_by_role("button", name="Retirarlo de nuevo").click()
    expect(loaded).to_contain_text("era una prueba")

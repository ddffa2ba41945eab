"""Integration errors from run to run: one row per record, resolved by itself, ignored for good."""

from datetime import datetime

from sqlmodel import col, select, update

from tests.steps.statements import counting_statements
from tracking.database import read_session, write_session
from tracking.integration_errors import FoundError, RecordKey, mark_errors, recent_decisions, record_errors
from tracking.models import ErrorStatus, IntegrationError, SyncExecution

NO_EMAIL = FoundError("contact", "c1", "contact c1 has no email", {"id": "c1"})


def meet(
    *found: FoundError,
    passed: set[RecordKey] | None = None,
    operation: str = "invoices",
    execution_id: int | None = None,
) -> None:
    with write_session() as session:
        record_errors(
            session,
            integration="holded",
            operation=operation,
            execution_id=execution_id,
            found=found,
            passed=passed or set(),
        )


def the_rows() -> list[IntegrationError]:
    with read_session() as session:
        return list(session.exec(select(IntegrationError).order_by(col(IntegrationError.id))))


def set_status(status: ErrorStatus) -> None:
    with write_session() as session:
        session.execute(update(IntegrationError).values(status=status))


def stamps() -> list[datetime]:
    return [row.updated_at for row in the_rows()]


def an_execution() -> int:
    with write_session() as session:
        execution = SyncExecution(step_name="invoices")
        session.add(execution)
        session.flush()
        assert execution.id is not None
        return execution.id


def test_an_error_is_written_with_everything_it_says(database: str) -> None:
    execution_id = an_execution()

    meet(NO_EMAIL, execution_id=execution_id)

    (row,) = the_rows()
    assert (row.integration_name, row.operation, row.entity_type) == ("holded", "invoices", "contact")
    assert (row.entity_external_id, row.error_message) == ("c1", "contact c1 has no email")
    assert (row.error_details, row.status, row.sync_execution_id) == ({"id": "c1"}, ErrorStatus.PENDING, execution_id)


def test_the_same_error_keeps_its_row_and_is_not_written_again(database: str) -> None:
    meet(NO_EMAIL)
    before = stamps()

    meet(NO_EMAIL, execution_id=an_execution())

    assert stamps() == before
    assert the_rows()[0].sync_execution_id is None


def test_each_meeting_is_counted_and_moves_only_the_last_seen(database: str) -> None:
    meet(NO_EMAIL)
    (before,) = the_rows()

    meet(NO_EMAIL)
    set_status(ErrorStatus.IGNORED)
    meet(NO_EMAIL, execution_id=an_execution())

    (row,) = the_rows()
    assert (before.occurrences, row.occurrences) == (1, 3)
    assert before.first_seen_at == before.last_seen_at == row.first_seen_at < row.last_seen_at
    assert (row.updated_at, row.sync_execution_id) == (before.updated_at, None)


def test_a_record_that_passes_is_not_counted(database: str) -> None:
    meet(NO_EMAIL)

    meet(passed={NO_EMAIL.key})

    (row,) = the_rows()
    assert (row.occurrences, row.last_seen_at) == (1, row.first_seen_at)


def test_a_trouble_with_other_figures_has_the_same_fingerprint_and_another_trouble_has_not(database: str) -> None:
    prints = []
    for message in ("c1 is 3.50 over 2024-03-01", "c1 is 4 over 2024-04-01", "c1 is gone"):
        meet(FoundError("contact", "c1", message))
        prints.append(the_rows()[0].fingerprint)
    meet(FoundError("contact", "c2", "c2 is gone"))

    assert prints[0] == prints[1] != prints[2]
    assert len({row.fingerprint for row in the_rows()}) == 2


def test_another_trouble_of_the_same_record_takes_over_its_row(database: str) -> None:
    meet(NO_EMAIL)
    execution_id = an_execution()

    meet(FoundError("contact", "c1", "two addresses"), execution_id=execution_id)

    (row,) = the_rows()
    assert (row.error_message, row.error_details, row.sync_execution_id) == ("two addresses", {}, execution_id)
    assert row.updated_at > row.created_at


def test_a_pending_error_is_resolved_when_its_record_passes(database: str) -> None:
    meet(NO_EMAIL, FoundError("contact", "c2", "no email"))

    meet(passed={("contact", "c1"), ("invoice", "c2")})

    assert [row.status for row in the_rows()] == [ErrorStatus.RESOLVED, ErrorStatus.PENDING]


def test_a_record_that_was_looked_at_and_is_in_trouble_is_not_resolved(database: str) -> None:
    meet(NO_EMAIL)

    meet(NO_EMAIL, passed={("contact", "c1")})

    assert the_rows()[0].status == ErrorStatus.PENDING


def test_a_resolved_error_that_is_met_again_is_pending_again(database: str) -> None:
    meet(NO_EMAIL)
    set_status(ErrorStatus.RESOLVED)

    meet(NO_EMAIL)

    assert [row.status for row in the_rows()] == [ErrorStatus.PENDING]


def test_an_ignored_error_stays_ignored_met_or_passed(database: str) -> None:
    meet(NO_EMAIL)
    set_status(ErrorStatus.IGNORED)
    before = stamps()

    meet(NO_EMAIL)
    meet(passed={("contact", "c1")})

    assert [row.status for row in the_rows()] == [ErrorStatus.IGNORED]
    assert stamps() == before


def test_errors_of_another_step_are_left_alone(database: str) -> None:
    meet(NO_EMAIL)

    meet(NO_EMAIL, operation="crm-clients")
    meet(operation="crm-clients", passed={("contact", "c1")})

    assert [row.status for row in the_rows()] == [ErrorStatus.PENDING, ErrorStatus.RESOLVED]


def test_two_kinds_of_record_may_share_an_id(database: str) -> None:
    meet(FoundError("contact", "7", "a"))
    set_status(ErrorStatus.RESOLVED)

    meet(FoundError("invoice", "7", "b"), FoundError("contact", "7", "a"))

    assert [(row.entity_type, row.status) for row in the_rows()] == [("contact", "pending"), ("invoice", "pending")]


def test_many_errors_take_as_many_statements_as_few(database: str) -> None:
    many = [FoundError("contact", f"c{number}", "no email") for number in range(100)]
    meet(*many)

    with counting_statements() as statements:
        meet(*(FoundError("contact", error.external_id, "two addresses") for error in many))
        meet(passed={error.key for error in many})
        meet(*many)

    assert {row.status for row in the_rows()} == {ErrorStatus.PENDING}
    assert len(statements) <= 14
    assert sum("occurrences=" in statement for statement in statements) == 2


def test_what_a_person_decides_is_kept_with_name_and_reason_and_can_be_taken_back(database: str) -> None:
    meet(NO_EMAIL)
    (row,) = the_rows()
    number = row.id or 0

    assert mark_errors([number, 99], ErrorStatus.IGNORED, by="Ana", reason="a test of theirs") == [99]
    mark_errors([number], ErrorStatus.IGNORED, by="Bea", reason="it is ignored already")
    mark_errors([number], ErrorStatus.PENDING, by="Ana", reason="it was none")

    assert [each.status for each in the_rows()] == [ErrorStatus.PENDING]
    assert [(each.made_by, each.status_before, each.status, each.reason) for each in recent_decisions()] == [
        ("Ana", "ignored", "pending", "it was none"),
        ("Ana", "pending", "ignored", "a test of theirs"),
    ]

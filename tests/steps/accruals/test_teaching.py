"""A person says what services teach: from a CSV, checked as a whole, with a trail; what is posted stays."""

import pytest

from steps.closing import Signature
from steps.errors import UsageError
from steps.ledger.accrual import AccruedPeriod
from steps.ledger.service import Service, ServiceChange
from steps.teaching import AskedTeaching, TaughtOtherwise, list_services, read_teaching, set_teaching
from tests.steps.accruals.builders import document, period
from tests.steps.accruals.database_ledger import Stored, accrue, execute, store
from tests.steps.ledger_view import rows
from tracking.database import read_session

EVA = Signature("Eva", "the timetable of 2024")
TWO = "UPDATE service SET account_identifier = '70500001'"


def set_from(text: str, *, preview: bool = False) -> list[TaughtOtherwise]:
    return set_teaching(read_teaching(text), EVA, preview=preview)


def taught() -> tuple[int, int, list[int] | None]:
    (service,) = rows(Service)
    return service["total_sessions"], service["sessions_per_week"], service["class_weekdays"]


def test_later_months_go_by_a_change_and_posted_ones_stay(database: str) -> None:
    """60 sessions over 182 days make 10 in January; with classes on Mondays the rest is spread over 22 of them."""
    course = period("2024-01-01", "2024-06-30")
    store(Stored(periods=(course,), documents=(document("2024-01-01", "600.00"),)))
    accrue("2024-01")
    before = rows(AccruedPeriod)

    (change,) = set_from("service,class_weekdays\nacc-fs,Mon\n")

    assert (change.before, change.after) == ({"class_weekdays": None}, {"class_weekdays": [0]})
    assert rows(AccruedPeriod) == before
    accrue("2024-01")
    assert rows(AccruedPeriod) == before
    accrue("2024-02")
    assert [row["sessions_accrued"] for row in rows(AccruedPeriod)] == [10, 4]
    with read_session() as session:
        (service,) = list_services(session)
    assert [(each["who"], each["reason"], each["after"]) for each in service["changes"]] == [
        ("Eva", "the timetable of 2024", {"class_weekdays": [0]})
    ]


def test_blank_cells_stay_a_dash_means_not_known_and_the_account_number_names_a_service_too(ledger: None) -> None:
    execute(TWO)
    set_from("Service; Total_Sessions; Class_Weekdays\n70500001; 40; 4 0 2\n")
    assert taught() == (40, 3, [0, 2, 4])

    set_from("service,total_sessions,sessions_per_week,class_weekdays\nacc-fs,,5,-\n")

    assert taught() == (40, 5, None)
    assert len(rows(ServiceChange)) == 2


def test_a_preview_writes_nothing_and_what_is_so_already_is_no_change(ledger: None) -> None:
    (change,) = set_from("service,total_sessions\nacc-fs,40", preview=True)
    assert change.after == {"total_sessions": 40}
    assert taught() == (60, 3, None)

    assert set_from("service,total_sessions\nacc-fs,60") == []
    assert rows(ServiceChange) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the header is empty"),
        ("service,hours\nacc-fs,3", "the header is service,hours: service and any of total_sessions"),
        ("service\nacc-fs", "the header is service: "),
        ("service,total_sessions\nacc-fs", "line 2 has more or fewer cells than the header"),
        ("service,class_weekdays\nacc-fs,Mon Foo", "line 2: class_weekdays 'Mon Foo': days such as Mon Wed, or 0 2"),
        ("service,class_weekdays\nacc-fs,Mon Monday", "different days from 0"),
        ("service,total_sessions\nacc-fs,many", "line 2: total_sessions 'many': a number from 1 to 10000"),
        ("service,sessions_per_week\nacc-fs,0", "line 2: sessions_per_week 0: a number from 1 to 100"),
        ("service,total_sessions\nnobody,40", "line 2: 'nobody' is not one service"),
        ("service,total_sessions\nacc-fs,40\nacc-fs,41", "acc-fs is there twice"),
        ("service,total_sessions\nacc-fs,40\nnobody,x", "'nobody' is not one service.*; line 3: total_sessions 'x'"),
    ],
)
def test_a_file_with_a_fault_changes_nothing_and_is_told_where(ledger: None, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        set_from(text)

    assert taught() == (60, 3, None)


def test_a_change_needs_a_reason(ledger: None) -> None:
    with pytest.raises(UsageError, match="needs a reason"):
        set_teaching([AskedTeaching("the request", 1, {"total_sessions": 40})], Signature("Eva"))

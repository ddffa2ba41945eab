"""Random courses, documents and pages, in which everything lies close enough together to meet."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from steps.engine.contract_month import AccrualRules, ContractInputs, DocumentInputs, NotionInputs
from steps.engine.sessions import PeriodInputs, ServiceInputs
from steps.ledger.contract import ContractStatus
from steps.ledger.service import PeriodStatus

FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2024, 9, 30)
DAYS = st.dates(FIRST_DAY, LAST_DAY)
EARLY = st.dates(FIRST_DAY, date(2024, 2, 29))
MONTHS = st.integers(1, 12).map(lambda number: date(2024, number, 1))

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For a machine that does other things at the same time."""

services = st.builds(
    ServiceInputs,
    total_sessions=st.integers(1, 80),
    sessions_per_week=st.integers(0, 7),
    class_weekdays=st.none() | st.frozensets(st.integers(0, 6)),
)
rules = st.builds(
    AccrualRules,
    recent_days=st.just(15),
    postponed_months=st.integers(1, 4),
    holidays=st.just(frozenset[date]()) | st.frozensets(DAYS, max_size=40),
    catch_up=st.booleans(),
)
pages = st.none() | st.builds(
    NotionInputs, st.sampled_from([None, "ACTIVE", "SUSPENDED", "DROPPED", "GRADUATED", "ENDED"]), st.none() | DAYS
)


@st.composite
def periods(draw: st.DrawFn, most: int = 4) -> tuple[PeriodInputs, ...]:
    """Up to `most`: apart, overlapping or the same days; changed before, in or after their days, or without date."""
    drawn = []
    for number in range(1, draw(st.integers(1, most) | st.integers(0, most)) + 1):
        start = draw(DAYS)
        end = start + timedelta(days=draw(st.integers(40, 200) | st.integers(0, 200) | st.integers(0, 20)))
        near = st.dates(start - timedelta(days=20), end + timedelta(days=20))
        status = draw(st.just(PeriodStatus.ACTIVE) | st.sampled_from(PeriodStatus))
        drawn.append(PeriodInputs(number, f"cohort-{number}", start, end, status, draw(st.none() | near)))
    if len(drawn) > 1 and draw(st.booleans()):
        drawn[1] = replace(drawn[1], start=drawn[0].start, end=max(drawn[0].end, drawn[1].end))
    return tuple(draw(st.permutations(drawn)))


@st.composite
def documents(draw: st.DrawFn, most: int = 4) -> tuple[DocumentInputs, ...]:
    """One or more, credit notes among them."""
    cents = st.integers(1, 90_000) | st.integers(1, 90_000) | st.integers(-60_000, -1) | st.integers(-3, 3)
    amounts = cents.map(lambda value: Decimal(value).scaleb(-2))
    return tuple(
        draw(st.lists(st.builds(DocumentInputs, EARLY | DAYS, amounts, st.just("EUR")), min_size=1, max_size=most))
    )


@st.composite
def contracts(draw: st.DrawFn, statuses: tuple[ContractStatus, ...] = tuple(ContractStatus)) -> ContractInputs:
    """A contract as everything that ever happens to it leaves it; its status is the one before the first month."""
    known, status = draw(documents()), draw(st.just(ContractStatus.ACTIVE) | st.sampled_from(statuses))
    begun = min(one.day for one in known)
    return ContractInputs(1, begun, "EUR", status, known, draw(periods()), draw(services), draw(pages))

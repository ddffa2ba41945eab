"""The decision table of docs/accrual-rules.md as data: rows tried from the top, the first that fits decides."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from steps.engine import conditions as when
from steps.engine.conditions import GIVEN_UP
from steps.engine.contract_month import (
    AccrualRules,
    AccrualState,
    Action,
    ContractFailureError,
    ContractInputs,
    ContractMonth,
    DocumentInputs,
    Notification,
    NotificationType,
    Outcome,
    Posting,
    rule_name,
)
from steps.engine.sessions import Span, divide_half_up
from steps.ledger.accrual import AccrualStatus
from steps.ledger.contract import ContractStatus
from steps.ledger.money import LARGEST, ZERO, to_cents


def stays(contract_month: ContractMonth) -> ContractStatus:
    """The contract keeps its status."""
    return contract_month.status


def becomes_canceled(_: ContractMonth) -> ContractStatus:
    """The contract becomes `CANCELED`."""
    return ContractStatus.CANCELED


def becomes_closed(_: ContractMonth) -> ContractStatus:
    """The contract becomes `CLOSED`."""
    return ContractStatus.CLOSED


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that a row may give."""

    type: NotificationType
    message: Callable[[ContractMonth], str | None]
    """None: there is nothing to notify this time."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table in docs/accrual-rules.md, The decision; rows above it are taken to have been tried."""

    number: int
    contracts: frozenset[ContractStatus]
    condition: str
    """In words, for people who ask why."""
    applies: Callable[[ContractMonth], bool]
    action: Action
    becomes: Callable[[ContractMonth], ContractStatus] = stays
    notice: Notice | None = None

    @property
    def name(self) -> str:
        """Such as `row-11`."""
        return rule_name(self.number)

    def notifications(self, contract_month: ContractMonth) -> tuple[Notification, ...]:
        """None or one."""
        message = self.notice.message(contract_month) if self.notice else None
        if self.notice is None or message is None:
            return ()
        return (Notification(self.notice.type, contract_month.inputs.id, message),)


WHOLE, NONE = Decimal("1.000000"), Decimal("0.000000")
_PORTION_DIGITS = 6


def amount_for(whole: Decimal, sessions: int, of: int) -> Decimal:
    """The part of `whole`, in whole cents, that `sessions` of all `of` earn: rounded once."""
    cents = int(whole.scaleb(2))
    earned = divide_half_up(abs(cents) * sessions, of)
    return Decimal(earned if cents >= 0 else -earned).scaleb(-2)


def split_amount(
    whole: Decimal, sessions: Iterable[int], of: int, *, taught: int = 0, accrued: Decimal = ZERO
) -> list[Decimal]:
    """One amount per entry of `sessions`, rounded on the running sum and not each by itself.

    So the first n amounts add up to the amount for the sessions of those n together, for every n.

    Args:
        whole: what all `of` sessions earn.
        sessions: in their order.
        of: how many there are, `taught` included.
        taught: before them.
        accrued: what is earned already, whatever that should have been: the first amount makes up for it.
    """
    amounts = []
    for number in sessions:
        taught += number
        to_date = amount_for(whole, taught, of)
        amounts.append(to_date - accrued)
        accrued = to_date
    return amounts


def portion_of(sessions: int, sessions_remaining: int) -> Decimal:
    """Sessions / sessions remaining to six decimals, for people to read; never calculated with."""
    millionths = divide_half_up(sessions * 10**_PORTION_DIGITS, sessions_remaining)
    return Decimal(millionths).scaleb(-_PORTION_DIGITS)


_NO_CHANGE = frozenset({Action.IGNORE, Action.UNCHANGED, Action.LOCKED})
_COMPLETES = frozenset({Action.COMPLETE, Action.POST_ALL})


def carry_out(rule: Rule, contract_month: ContractMonth) -> Outcome:
    """What the contract's month comes to, once `rule` is known to decide it."""
    if rule.action in _NO_CHANGE:
        return _outcome(rule, contract_month)
    postings = _postings(rule, contract_month)
    state = _state(rule.action, contract_month, postings)
    status = rule.becomes(contract_month)
    if rule.action is Action.POST_MONTH and state.status is AccrualStatus.COMPLETED:
        status = ContractStatus.CLOSED
    return _outcome(rule, contract_month, status, state, postings)


def _outcome(
    rule: Rule,
    contract_month: ContractMonth,
    status: ContractStatus | None = None,
    state: AccrualState | None = None,
    postings: tuple[Posting, ...] = (),
) -> Outcome:
    return Outcome(
        contract_id=contract_month.inputs.id,
        month=contract_month.month.first,
        row=rule.number,
        action=rule.action,
        status_before=contract_month.inputs.status,
        contract_status=status or contract_month.inputs.status,
        state=state,
        postings=postings,
        notifications=rule.notifications(contract_month),
        reopened=contract_month.reopened,
        sessions=contract_month.sessions if postings else None,
    )


def _postings(rule: Rule, contract_month: ContractMonth) -> tuple[Posting, ...]:
    if rule.action is Action.POST_ALL:
        return _all_of_it(rule, contract_month)
    return _month_of_it(rule, contract_month) if rule.action is Action.POST_MONTH else ()


def _all_of_it(rule: Rule, contract_month: ContractMonth) -> tuple[Posting, ...]:
    """All that remains in one row, on the last period; nothing at all when nothing remains."""
    if contract_month.remaining == ZERO:
        return ()
    last = contract_month.last_period
    period_id = last.inputs.id if last else None
    return (Posting(period_id, contract_month.remaining, WHOLE, contract_month.sessions.in_month, rule.name),)


def _month_of_it(rule: Rule, contract_month: ContractMonth) -> tuple[Posting, ...]:
    """The month's amount, a row per period with sessions in it.

    When no session is left, now or later, the rest goes on the last period in force, so that nothing is ever lost.
    There goes too what is to be caught up in a month without a session.
    """
    sessions, before = contract_month.sessions, contract_month.sessions.before
    last = contract_month.last_in_force
    last_id = last.inputs.id if last else None
    if sessions.remaining == 0:
        return (Posting(last_id, contract_month.remaining, WHOLE, 0, rule.name),)
    taught = [(period, count) for period, count in sessions.by_period if count]
    if before is None:
        amounts = split_amount(contract_month.remaining, [count for _, count in taught], sessions.remaining)
    else:
        total, accrued, of = (
            contract_month.total,
            contract_month.inputs.accrual.accrued_before,
            sessions.remaining + before,
        )
        counts = [count for _, count in taught] or [0]
        amounts = split_amount(total, counts, of, taught=before, accrued=accrued)
        if not taught:
            return (Posting(last_id, amounts[0], NONE, 0, rule.name),) if amounts[0] else ()
    return tuple(
        [
            Posting(period.id, amount, portion_of(count, sessions.remaining), count, rule.name)
            for (period, count), amount in zip(taught, amounts, strict=True)
        ]
    )


def _state(action: Action, contract_month: ContractMonth, postings: tuple[Posting, ...]) -> AccrualState:
    before = contract_month.inputs.accrual
    accrued = before.accrued_before + sum([posting.amount for posting in postings], ZERO)
    remaining = contract_month.total - accrued
    status = _status(action, contract_month, remaining)
    return AccrualState(
        total=contract_month.total,
        accrued=accrued,
        remaining=remaining,
        sessions_accrued=before.sessions_before + sum([posting.sessions for posting in postings]),
        sessions_remaining=0 if status is AccrualStatus.COMPLETED else contract_month.sessions.after,
        status=status,
        last_month=_last_month(action, contract_month, postings),
        currency=contract_month.inputs.currency,
    )


def _status(action: Action, contract_month: ContractMonth, remaining: Decimal) -> AccrualStatus:
    if action in _COMPLETES or action is Action.SETTLED:
        return AccrualStatus.COMPLETED
    if action is Action.POST_MONTH and remaining == ZERO:
        return AccrualStatus.COMPLETED
    return contract_month.ordinary_state


def _last_month(action: Action, contract_month: ContractMonth, postings: tuple[Posting, ...]) -> date | None:
    """The month itself after a posting, a completion or a reopening; else as it was."""
    if postings or action in _COMPLETES or contract_month.reopened:
        return contract_month.month.first
    return contract_month.inputs.accrual.last_month


def locked(contract_month: ContractMonth, would_be: Outcome) -> str | None:
    """`past_month_locked`, when money is concerned; `would_be` is what the rows below would do."""
    if not any(posting.amount for posting in would_be.postings):
        return None
    why = "is closed" if contract_month.closed else "comes before a month that is already decided"
    amount = f"{would_be.amount} {contract_month.inputs.currency}"
    return f"{contract_month.month.first:%Y-%m} {why}: {amount} by {would_be.rule} are left to the first open month"


def period_over(contract_month: ContractMonth) -> str | None:
    """`period_over_but_active`, of the last period."""
    last = contract_month.last_period
    if last is None or not contract_month.over_but_active:
        return None
    return f"period {last.inputs.external_id} ended on {last.inputs.end} but is still ACTIVE; {_left(contract_month)}"


def crm_data_missing(contract_month: ContractMonth) -> str:
    """`missing_crm_data`: a new client whom neither 4Geeks nor Notion knows."""
    return f"no period and no Notion page; {_left(contract_month)}"


def unclear_page(contract_month: ContractMonth) -> str | None:
    """`not_congruent_status` of a contract without a period, once it is no longer recent."""
    return (
        None
        if contract_month.recent
        else f"no period, and Notion says {_page(contract_month)}; {_left(contract_month)}"
    )


def canceled_but_taught(contract_month: ContractMonth) -> str:
    """`not_congruent_status` of a canceled contract whose periods say otherwise."""
    going_on = next(period for period in contract_month.periods if period.status not in GIVEN_UP)
    said = f"period {going_on.inputs.external_id} is {going_on.status}"
    return f"the contract is CANCELED, but {said}; {_left(contract_month)}"


def canceled_and_unclear(contract_month: ContractMonth) -> str:
    """`not_congruent_status` of a canceled contract without a period."""
    return f"the contract is CANCELED, but Notion says {_page(contract_month)}; {_left(contract_month)}"


def enrolled_after_all(contract_month: ContractMonth) -> str | None:
    """`accrued_before_enrollment`: what was accrued whole without an enrollment, and the enrollment there is now."""
    whole, last = contract_month.inputs.accrual.whole, contract_month.last_period
    if whole is None or last is None:
        return None
    amount, period = f"{whole.amount} {contract_month.inputs.currency}", last.inputs
    accrued = f"{amount} were accrued whole in {whole.month:%Y-%m} without an enrollment"
    return f"{accrued}, but now there is {period.external_id} from {period.start} to {period.end}"


def _page(contract_month: ContractMonth) -> str:
    page = contract_month.inputs.notion
    return "nothing" if page is None else f"{page.status or 'nothing'} ({page.day or 'no date'})"


def _left(contract_month: ContractMonth) -> str:
    return f"{contract_month.remaining} {contract_month.inputs.currency} remain"


def refuse_bad_data(inputs: ContractInputs, last: date) -> None:
    """Let a contract pass that can be processed for the month whose last day is `last`.

    Documents after `last` are not looked at: they do not exist yet, so a replay fails where a live run failed.

    Raises:
        ContractFailureError: with every reason in one line.
    """
    if reasons := "; ".join(_reasons(inputs, last)):
        raise ContractFailureError(inputs.id, reasons)


def _reasons(inputs: ContractInputs, last: date) -> Iterator[str]:
    for document in inputs.documents:
        if document.day <= last:
            yield from _document_reasons(document, inputs.currency)
    if inputs.accrual.foreign:
        posted = " and ".join(inputs.accrual.foreign)
        yield f"its documents are in {inputs.currency}, but {posted} are posted: nothing moves between currencies"
    for period in inputs.periods:
        if period.end < period.start:
            yield f"period {period.external_id} ends on {period.end}, before it starts on {period.start}"
    if not inputs.service.is_usable:
        yield "the service's class weekdays are not all between 0 (Monday) and 6"


def _document_reasons(document: DocumentInputs, currency: str) -> Iterator[str]:
    if document.currency != currency:
        yield f"the document of {document.day} is in {document.currency}, the contract in {currency}"
    if not document.amount.is_finite() or abs(document.amount) > LARGEST:
        yield f"the document of {document.day} has no usable amount: {document.amount}"
    elif document.amount != to_cents(document.amount):
        yield f"the document of {document.day} is not in whole cents: {document.amount}"


ANY = frozenset(ContractStatus)
LIVE = frozenset({ContractStatus.ACTIVE, ContractStatus.CLOSED})
CANCELED = frozenset({ContractStatus.CANCELED})


def decide(inputs: ContractInputs, month: date, rules: AccrualRules, *, closed: bool) -> Outcome:
    """The outcome for one contract in the month that `month` lies in.

    Args:
        inputs: As of today; what lies after the month is left out here.
        month: Any day of it. That the month is over is the caller's to check: there is no clock here.
        rules: The settings.
        closed: Whether a person closed the month.

    Raises:
        ContractFailureError: The contract has bad data; it is to be reported and left as it is.
    """
    last = Span.of_month(month).last
    if inputs.contract_date <= last:
        refuse_bad_data(inputs, last)
    contract_month = ContractMonth.of(inputs, month, rules, closed=closed)
    outcome = _first_that_fits(TABLE, contract_month)
    if (message := enrolled_after_all(contract_month)) is None:
        return outcome
    enrolled = Notification(NotificationType.ACCRUED_BEFORE_ENROLLMENT, inputs.id, message)
    return replace(outcome, notifications=(*outcome.notifications, enrolled))


def _first_that_fits(table: Sequence[Rule], contract_month: ContractMonth) -> Outcome:
    for rule in table:
        if contract_month.status not in rule.contracts or not rule.applies(contract_month):
            continue
        if rule.action is not Action.REOPEN:
            return carry_out(rule, contract_month)
        contract_month = contract_month.reopen()
    raise AssertionError("the table leaves no contract undecided")


def _settled(contract_month: ContractMonth) -> ContractStatus:
    """Rows 4 and 7: only a contract still `ACTIVE` changes, by whether anything was sold in the end."""
    if contract_month.status is not ContractStatus.ACTIVE:
        return contract_month.status
    return ContractStatus.CLOSED if contract_month.total > ZERO else ContractStatus.CANCELED


def _credited(contract_month: ContractMonth) -> ContractStatus:
    """Row 5."""
    if contract_month.status is ContractStatus.CANCELED or contract_month.total <= ZERO:
        return ContractStatus.CANCELED
    return ContractStatus.CLOSED


def _locked(contract_month: ContractMonth) -> str | None:
    """Row 3: what the rows below would do is tried, and not done."""
    return locked(contract_month, _first_that_fits(TABLE[3:], contract_month))


_LOCKED = Notice(NotificationType.PAST_MONTH_LOCKED, _locked)
_OVER = Notice(NotificationType.PERIOD_OVER_BUT_ACTIVE, period_over)
_MISSING = Notice(NotificationType.MISSING_CRM_DATA, crm_data_missing)
_UNCLEAR = Notice(NotificationType.NOT_CONGRUENT_STATUS, unclear_page)
_STILL_TAUGHT = Notice(NotificationType.NOT_CONGRUENT_STATUS, canceled_but_taught)
_CANCELED_UNCLEAR = Notice(NotificationType.NOT_CONGRUENT_STATUS, canceled_and_unclear)

# One row a line, to be read against docs/accrual-rules.md, The decision.
TABLE: tuple[Rule, ...] = (
    Rule(1, ANY, "begins after the month", when.begins_later, Action.IGNORE),
    Rule(2, ANY, "the month has a posting", when.has_posting, Action.UNCHANGED),
    Rule(3, ANY, "a later month is decided, or this one closed", when.is_locked, Action.LOCKED, notice=_LOCKED),
    Rule(4, ANY, "completed, nothing remains", when.completed_and_even, Action.SETTLED, _settled),
    Rule(5, ANY, "credited after it was accrued", when.over_accrued, Action.POST_ALL, _credited),
    Rule(6, ANY, "completed, then a late document", when.completed_too_early, Action.REOPEN),
    Rule(7, LIVE, "has periods, nothing remains", when.nothing_remains, Action.COMPLETE, _settled),
    Rule(8, LIVE, "the last period is dropped", when.last_dropped, Action.POST_ALL, becomes_canceled),
    Rule(9, LIVE, "the last period is ended", when.last_ended, Action.POST_ALL, becomes_closed),
    Rule(10, LIVE, "put off for too long", when.last_put_off_too_long, Action.POST_ALL, becomes_canceled),
    Rule(11, LIVE, "days in force", when.in_force, Action.POST_MONTH),
    Rule(12, LIVE, "has periods, none in force", when.none_in_force, Action.WAIT, notice=_OVER),
    Rule(13, LIVE, "no period, no Notion page, recent", when.unknown_and_recent, Action.WAIT, notice=_MISSING),
    Rule(14, LIVE, "no period, no Notion page", when.unknown_for_long, Action.POST_ALL, becomes_canceled),
    Rule(15, LIVE, "no period, dropped in Notion", when.page_dropped_like, Action.POST_ALL, becomes_canceled),
    Rule(16, LIVE, "no period, ended in Notion", when.page_ended_like, Action.POST_ALL, becomes_closed),
    Rule(17, LIVE, "no period, unclear in Notion", when.page_unclear, Action.WAIT, notice=_UNCLEAR),
    Rule(18, CANCELED, "a period goes on or ended", when.some_period_goes_on, Action.WAIT, notice=_STILL_TAUGHT),
    Rule(19, CANCELED, "all periods dropped or put off", when.all_periods_given_up, Action.POST_ALL),
    Rule(20, CANCELED, "no period, unknown or dropped in Notion", when.unknown_or_dropped, Action.POST_ALL),
    Rule(21, CANCELED, "no period, ended in Notion", when.page_ended_like, Action.POST_ALL, becomes_closed),
    Rule(22, CANCELED, "no period, unclear in Notion", when.page_unclear, Action.WAIT, notice=_CANCELED_UNCLEAR),
)

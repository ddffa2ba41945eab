"""One row of the decision table, as data."""

from collections.abc import Callable
from dataclasses import dataclass

from steps.accruals.outcome import Action, Notification, NotificationType, rule_name
from steps.accruals.situation import Situation
from steps.domain.contract import ContractStatus


def stays(situation: Situation) -> ContractStatus:
    """The contract keeps its status."""
    return situation.status


def becomes_canceled(_: Situation) -> ContractStatus:
    """The contract becomes `CANCELED`."""
    return ContractStatus.CANCELED


def becomes_closed(_: Situation) -> ContractStatus:
    """The contract becomes `CLOSED`."""
    return ContractStatus.CLOSED


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that a row may give."""

    type: NotificationType
    message: Callable[[Situation], str | None]
    """None: there is nothing to notify this time."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table in accruals.md, The decision; rows above it are taken to have been tried."""

    number: int
    contracts: frozenset[ContractStatus]
    condition: str
    """In words, for people who ask why."""
    applies: Callable[[Situation], bool]
    action: Action
    becomes: Callable[[Situation], ContractStatus] = stays
    notice: Notice | None = None

    @property
    def name(self) -> str:
        """Such as `row-11`."""
        return rule_name(self.number)

    def fits(self, situation: Situation) -> bool:
        """Whether the contract's status and the condition are those of this row."""
        return situation.status in self.contracts and self.applies(situation)

    def notifications(self, situation: Situation) -> tuple[Notification, ...]:
        """None or one."""
        message = self.notice.message(situation) if self.notice else None
        if self.notice is None or message is None:
            return ()
        return (Notification(self.notice.type, situation.facts.id, message),)

"""The engine's settings, from the environment and the periods that are known."""

from sqlmodel import Session

from steps.accruals.facts import AccrualRules
from steps.accruals.public_holidays import load_holidays
from steps.settings import SyncSettings


def load_rules(session: Session, settings: SyncSettings) -> AccrualRules:
    """What `decide` is told besides a contract and a month.

    Raises:
        ConfigError: the country of the holidays is not known.
    """
    holidays = load_holidays(session, settings.holidays_country)
    return AccrualRules(settings.recent_days, settings.postponed_months, holidays)

"""The public holidays on which no class is held (`SYNC_HOLIDAYS_COUNTRY`)."""

from datetime import date
from functools import lru_cache

import holidays
from sqlalchemy import func, select
from sqlmodel import Session

from steps.accruals.due import as_text
from steps.domain.period import ServicePeriod
from steps.domain.rows import table_of
from steps.errors import ConfigError


def load_holidays(session: Session, country: str | None) -> frozenset[date]:
    """The country's holidays in all years that any period reaches into; none without a country.

    Raises:
        ConfigError: the country is not one that the `holidays` library knows.
    """
    if country is None:
        return frozenset()
    period = table_of(ServicePeriod).c
    days = func.min(as_text(period.start_date)), func.max(as_text(period.end_date))
    first, last = session.execute(select(*days)).one()
    return holidays_of(country, _year(first, date.max.year), _year(last, date.min.year))


@lru_cache(maxsize=8)
def holidays_of(country: str, first_year: int, last_year: int) -> frozenset[date]:
    """The public holidays of a whole country, both years included."""
    try:
        return frozenset(holidays.country_holidays(country, years=range(first_year, last_year + 1)))
    except NotImplementedError:
        raise ConfigError(
            "SYNC_HOLIDAYS_COUNTRY is not a country that is known; a code such as ES is expected"
        ) from None


def _year(day: str | None, otherwise: int) -> int:
    """Of the earliest or the latest day; a text that is no date may be either, and says nothing."""
    year = (day or "")[:4]
    return int(year) if year.isdecimal() else otherwise

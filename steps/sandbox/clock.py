"""The academy's clock: how days and moments look to each vendor. Nothing here reads the machine's clock."""

from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

ZONE_NAME = "Europe/Madrid"
MADRID = ZoneInfo(ZONE_NAME)


def moment(day: date, hour: int = 12, minute: int = 0, microsecond: int = 0) -> datetime:
    """That hour of the academy's day, in UTC."""
    return datetime.combine(day, time(hour, minute, 0, microsecond), MADRID).astimezone(UTC)


def local_day(at: datetime) -> date:
    """The calendar day in Madrid: 23:30 UTC on 31 December is 1 January."""
    return at.astimezone(MADRID).date()


@lru_cache(maxsize=4096)
def midnight(day: date) -> int:
    """Unix seconds of the day's start in Madrid, as Holded writes a date (vendors/holded.md, Time)."""
    return int(datetime.combine(day, time(), MADRID).timestamp())


def crm_time(at: datetime) -> str:
    """ISO-8601 with `Z`; microseconds only when they are not zero (vendors/fourgeeks.md, Base)."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def notion_time(at: datetime, suffix: str = "Z") -> str:
    """Rounded down to the minute, always `.000` (vendors/notion.md, Filters)."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M}:00.000{suffix}"

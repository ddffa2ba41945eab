"""What the page says, in the language of the one who reads it: texts by key, months, amounts, moments."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from flows.page.english import ENGLISH
from flows.page.spanish import SPANISH


class Language(StrEnum):
    """The languages there are; the value is a part of every view's address."""

    EN = "en"
    ES = "es"

    @property
    def other(self) -> "Language":
        """The one that the switch leads to."""
        return Language.ES if self is Language.EN else Language.EN


TEXTS: Mapping[Language, Mapping[str, str]] = {Language.EN: ENGLISH, Language.ES: SPANISH}
_SWAPPED = str.maketrans(",.", ".,")


@dataclass(frozen=True)
class Texts:
    """One language, and the zone that moments are shown in."""

    language: Language
    zone: ZoneInfo

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, its `{names}` filled in."""
        return TEXTS[self.language][key].format(**values)

    def known(self, key: str) -> str | None:
        """The text of a key that may not be there, such as that of a count which only one step has."""
        return TEXTS[self.language].get(key)

    def month(self, month: date, *, long: bool = False) -> str:
        """`Mar 2024`, or `March 2024`."""
        return f"{self.month_name(month, long=long)} {month.year}"

    def month_name(self, month: date, *, long: bool = False) -> str:
        """`Mar`, or `March`."""
        return self("months.long" if long else "months.short").split()[month.month - 1]

    def cell(self, step_id: str, month: date | None) -> str:
        """A step and its month, as people call them; an old execution may be of a step that is not known any more."""
        name = self.known(f"step.{step_id}") or step_id
        return f"{name}, {self.month(month, long=True)}" if month else name

    def entity(self, entity_type: str) -> str:
        """What a record is called; its own name for a kind that has no text."""
        return self.known(f"entity.{entity_type}") or entity_type.replace("_", " ")

    def money(self, amount: Decimal) -> str:
        """Two decimals, thousands apart; a dash for zero, so that the eye finds what is there."""
        text = f"{amount:,.2f}" if amount else "-"
        return text.translate(_SWAPPED) if self.language is Language.ES else text

    def moment(self, moment: datetime | None) -> str:
        """Day and time in the academy's zone."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S}" if moment else ""


def preferred_language(accept_language: str) -> Language:
    """The first of a browser's languages that the page speaks; English if none is."""
    for part in accept_language.split(","):
        if (code := part.strip()[:2].lower()) in set(Language):
            return Language(code)
    return Language.EN

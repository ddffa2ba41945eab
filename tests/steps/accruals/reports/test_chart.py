"""The picture of a roll-forward: an image of the format that was asked for, with words that can be read."""

import re
from datetime import date
from decimal import Decimal

import pytest

from steps.ledger.months import MonthWindow, next_month
from steps.ledger.movements import Movement
from steps.reports.roll_forward import RollForwardChain, chain, draw_roll_forward

START = date(2024, 1, 1)


def months(count: int) -> RollForwardChain:
    """A course of 1,200.00 that is earned in as many months."""
    movements = {(next_month(START, n), "EUR"): Movement(accrued=Decimal(100)) for n in range(count)}
    movements[START, "EUR"].invoiced = Decimal(1200)
    return chain(movements, {}, MonthWindow(START, next_month(START, count)))


def test_a_png_is_a_png_of_a_size_to_be_read() -> None:
    picture = draw_roll_forward(months(12), "EUR")

    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")
    assert width >= 1000
    assert height >= 500


def words(count: int) -> list[str]:
    """What is written in the picture: each text is drawn as a shape, with its words next to it as a comment."""
    picture = draw_roll_forward(months(count), "EUR", "svg").decode()
    assert "<svg" in picture
    return re.findall(r"<!-- (.*?) -->", picture)


def test_an_svg_names_the_currency_the_months_and_both_series() -> None:
    told = words(12)

    assert "Accrued and deferred revenue, 2024-01..2024-12, in EUR" in told
    assert {"Jan 2024", "Dec 2024", "accrued in the month", "deferred at its end", "1,000"} <= set(told)


@pytest.mark.parametrize(("count", "labels"), [(1, 1), (24, 24), (25, 13), (60, 20)])
def test_so_many_months_are_named_that_they_can_be_read(count: int, labels: int) -> None:
    named = [word for word in words(count) if re.fullmatch(r"[A-Z][a-z]{2} 20\d\d", word)]

    assert len(named) == labels


def test_two_pictures_of_the_same_books_are_the_same() -> None:
    assert draw_roll_forward(months(3), "EUR") == draw_roll_forward(months(3), "EUR")

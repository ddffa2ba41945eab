"""The clock of a process, which a test sets while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libfaketime

LIBRARY = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"


def clock_variables(file: Path) -> dict[str, str]:
    """The variables of a process whose clock is what the file says at any moment, such as `+2s` or `-1h`."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # nobody sets that one
        "NO_FAKE_STAT": "1",
    }


@contextmanager
def set_clock(file: Path, offset: str = "+0s") -> Iterator[dict[str, str]]:
    """The variables of a process with that clock; the file can be written again in the block."""
    file.write_text(offset)
    yield clock_variables(file)

"""Which processes a test has left."""

from pathlib import Path


def pids_with(mark: str) -> list[int]:
    """Ids of the processes that inherited this mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def processes_with(mark: str) -> list[str]:
    """Their command lines."""
    left = []
    for pid in pids_with(mark):
        try:
            left.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return left

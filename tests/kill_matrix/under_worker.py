"""The import flow as a worker's process loads it, in the ambush that its environment tells of."""

from flows.sync_import import sync_import
from tests.kill_matrix.victim import lie_in_wait

lie_in_wait()

__all__ = ["sync_import"]

"""There is a connection for everybody who needs one at once."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

from sqlalchemy import QueuePool, text

from tracking.database import get_engine, read_session, write_session

WRITERS = 20
"""More than a server has runs."""
PATIENCE_SECONDS = 20


def _take_a_turn() -> None:
    with write_session() as session:
        session.execute(text("SELECT 1"))


def test_who_reads_need_not_wait_for_writers_that_wait_for_their_turn(database: str) -> None:
    pool = get_engine().pool
    assert isinstance(pool, QueuePool)
    with ThreadPoolExecutor(WRITERS) as threads:
        with write_session() as session:
            session.execute(text("SELECT 1"))
            waiting = [threads.submit(_take_a_turn) for _ in range(WRITERS)]
            deadline = monotonic() + PATIENCE_SECONDS
            while pool.checkedout() <= WRITERS and monotonic() < deadline:
                sleep(0.01)

            with read_session() as reader:
                assert reader.scalar(text("SELECT 1")) == 1

            assert pool.checkedout() == WRITERS + 1
        for each in waiting:
            each.result()

"""No secret gets out, in any test: what is logged, printed, answered or stored is searched for every secret in use.

A plugin that `tests/conftest.py` loads. After each test it looks at what the test printed and logged, at the answers of
our API, at the output of the commands it ran, and at every byte it left in files and databases; when a Prefect server
ends, at all that it has kept. It says where a secret was found, and never which.
"""

import logging
from collections.abc import Iterator

import httpx
import pytest

from tests.secret_watch import WATCH

_LOGGERS = ("flows", "steps", "tracking", "httpx")


@pytest.fixture(scope="session", autouse=True)
def every_record() -> None:
    """Our loggers say all they know: what only somebody who debugs would see is searched too."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)


@pytest.fixture(scope="session", autouse=True)
def watched_answers() -> Iterator[None]:
    """Every answer that our API gives to a client of a test is searched; a vendor's may hold what it likes."""
    with pytest.MonkeyPatch.context() as patch:
        send = httpx.Client.send

        def send_and_look(client: httpx.Client, request: httpx.Request, **options: object) -> httpx.Response:
            answer = send(client, request, **options)  # type: ignore[arg-type]
            if _is_ours(answer) and not options.get("stream"):
                WATCH.look_at(f"the answer to {request.method} {request.url.path}", answer.content)
                WATCH.look_at(f"the headers of {request.method} {request.url.path}", repr(answer.headers.raw))
            return answer

        patch.setattr(httpx.Client, "send", send_and_look)
        yield
    if found := WATCH.findings():
        pytest.fail(f"a secret got out: {', '.join(found)}")


def _is_ours(answer: httpx.Response) -> bool:
    """By the headers that every answer of our API has."""
    return "cross-origin-opener-policy" in answer.headers


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """What was printed and logged is part of the report."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    for name, content in report.sections:
        WATCH.look_at(name.lower(), content)
    if report.when == "teardown" and (found := WATCH.findings()):
        report.outcome = "failed"
        report.longrepr = f"a secret got out: {', '.join(dict.fromkeys(found))}"
    report.sections = [(name, WATCH.mask(content)) for name, content in report.sections]
    return report  # type: ignore[return-value]

"""Every HTML answer has a policy with a nonce of its own; nothing else is touched."""

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.testclient import TestClient

from flows.page.app import ContentSecurity

PAGE = '<html><head><script type="module">1</script><script>2</script></head><body>a &lt;script> ñ</body></html>'


@pytest.fixture
def client() -> Iterator[TestClient]:
    """Answers as a page gives them."""
    app = FastAPI()

    @app.get("/page")
    def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    @app.get("/pieces")
    def pieces() -> StreamingResponse:
        return StreamingResponse((PAGE[:20], PAGE[20:]), media_type="text/html")

    @app.get("/own")
    def own() -> HTMLResponse:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": "default-src 'none'"})

    @app.get("/_nicegui/1.0/chart.js")
    def script() -> Response:
        return Response("1", media_type="text/javascript")

    @app.get("/data")
    def data() -> dict[str, str]:
        return {"html": "<script>"}

    app.add_middleware(ContentSecurity)
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("path", ["/page", "/pieces"])
def test_each_script_of_the_answer_and_no_other_has_the_nonce(client: TestClient, path: str) -> None:
    answer = client.get(path)

    (nonce,) = re.findall(r"'nonce-([\w-]{20,})'", answer.headers["content-security-policy"])
    assert answer.text == PAGE.replace("<script", f'<script nonce="{nonce}"')


def test_a_script_that_somebody_smuggles_in_does_not_run(client: TestClient) -> None:
    policy = client.get("/page").headers["content-security-policy"]

    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts
    assert {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy.split("; "))


def test_no_two_answers_share_a_nonce(client: TestClient) -> None:
    policies = {client.get("/page").headers["content-security-policy"] for _ in range(3)}

    assert len(policies) == 3


def test_an_answer_with_a_policy_of_its_own_keeps_it(client: TestClient) -> None:
    answer = client.get("/own")

    assert (answer.text, answer.headers["content-security-policy"]) == (PAGE, "default-src 'none'")


def test_what_is_no_html_is_passed_on_as_it_is(client: TestClient) -> None:
    answer = client.get("/data")

    assert answer.json() == {"html": "<script>"}
    assert "content-security-policy" not in answer.headers


def test_what_has_its_version_in_its_address_may_be_kept_and_nothing_else(client: TestClient) -> None:
    assert "immutable" in client.get("/_nicegui/1.0/chart.js").headers["cache-control"]
    assert "cache-control" not in client.get("/page").headers

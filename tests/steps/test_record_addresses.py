"""Where people see a client's record at a vendor: only where that is known, and never for invented data."""

import pytest

from steps.errors import ConfigError
from steps.settings import record_address


def test_a_notion_page_is_where_notion_says_and_others_where_somebody_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDED_BASE_URL", "https://api.holded.com/api/invoicing/v1")
    assert record_address("notion", "a3d3f5cc-b043-4338-a55e-8f760ca1879b") == (
        "https://www.notion.so/a3d3f5ccb0434338a55e8f760ca1879b"
    )
    assert record_address("holded", "3368") is None
    assert record_address("elsewhere", "1") is None

    monkeypatch.setenv("HOLDED_CONTACT_PAGE", "https://app.example.org/contacts/{id}")

    assert record_address("holded", "33/68") == "https://app.example.org/contacts/33%2F68"


def test_the_sandbox_has_no_records_to_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDED_BASE_URL", "http://127.0.0.1:8700/holded")

    assert record_address("notion", "a3d3f5cc-b043-4338-a55e-8f760ca1879b") is None


@pytest.mark.parametrize("wrong", ["javascript:alert({id})", "https://app.example.org/", "http://app.example.org/{id}"])
def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("HOLDED_BASE_URL", "https://api.holded.com/api/invoicing/v1")
    monkeypatch.setenv("FOURGEEKS_STUDENT_PAGE", wrong)

    with pytest.raises(ConfigError, match="FOURGEEKS_STUDENT_PAGE: an https address with"):
        record_address("fourgeeks", "9022")

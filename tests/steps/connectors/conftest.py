"""A vendor on loopback whose every answer the test writes: real HTTP, connections that really break."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from steps.connectors.fourgeeks import FourgeeksConnector
from steps.connectors.http import HttpRules, Limits, RetryPolicy
from steps.settings import FourgeeksSettings
from tests.steps.connectors.scripted_crm import Crm
from tests.steps.connectors.scripted_vendor import ScriptedVendor, serving_script

IMPATIENT = HttpRules(
    RetryPolicy(first_wait=0.0, longest_wait=0.0, jitter=0.0, longest_retry_after=0.05, total=600.0),
    Limits(connect=5.0, read=5.0, whole=10.0, body_bytes=1024 * 1024),
)


@pytest.fixture
def vendor() -> Iterator[ScriptedVendor]:
    with serving_script() as script:
        yield script


@pytest.fixture
def impatient() -> HttpRules:
    """Retries without waiting, and short limits."""
    return IMPATIENT


@pytest.fixture
def crm(vendor: ScriptedVendor) -> Crm:
    crm = Crm([{"id": number, "user": {"id": 9000 + number}} for number in range(1, 46)])
    vendor.script = crm
    return crm


@pytest.fixture
def crm_settings(vendor: ScriptedVendor) -> FourgeeksSettings:
    """A user of the test's own: tokens are kept for the life of the process."""
    user = f"{uuid4().hex}@example.org"
    return FourgeeksSettings(
        username=user, password=SecretStr("pässword “1”"), base_url=vendor.url, rate=1000, page_size=20
    )


@pytest.fixture
def fourgeeks(crm_settings: FourgeeksSettings, impatient: HttpRules, crm: Crm) -> Iterator[FourgeeksConnector]:
    with FourgeeksConnector(crm_settings, impatient) as connector:
        yield connector

"""A scripted 4Geeks CRM, for the tests that need more than a list of answers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor, Sent

LOGIN = "/v1/auth/login/"
STUDENTS = "/v1/auth/academy/student"
EXPIRED = Reply({"error": "Token expired at 2025", "is_authenticated": "False", "status_code": 401}, status=401)


@dataclass
class Crm:
    """A list by offset behind a login, whose token the test may revoke and whose pages it may spoil."""

    rows: list[Any] = field(default_factory=list)
    token: str = "3f1c9a7be2d04c5f8a6b1e0d9c8b7a6f5e4d3c2b"
    expires_at: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=7))
    too_slow_above: int = 10**6

    def __call__(self, sent: Sent) -> Reply:
        """The script."""
        if sent.path == LOGIN:
            return Reply({"token": self.token, "expires_at": self.expires_at.isoformat().replace("+00:00", "Z")})
        if sent.headers.get("authorization") != f"Token {self.token}":
            return EXPIRED
        limit, offset = int(sent.query["limit"]), int(sent.query["offset"])
        if limit > self.too_slow_above:
            return Reply(text="<html>Application error</html>", status=503)
        return Reply({"count": len(self.rows), "results": self.rows[offset : offset + limit]})


def paths(vendor: ScriptedVendor) -> list[str]:
    """What was asked, in order."""
    return [sent.path for sent in vendor.sent]

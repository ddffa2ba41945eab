"""Login and token of the CRM: one token of seven days, the same at each login until it dies (vendors/fourgeeks.md)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha1

from steps.sandbox.clock import crm_time
from steps.sandbox.exchange import Answer, Call, json_answer

USERNAME = "importer@example.org"
PASSWORD = "sandbox-fourgeeks-password"  # noqa: S105 - public, it opens nothing but the sandbox
USER_ID = 7
LIFE = timedelta(days=7)


@dataclass
class Tokens:
    """The one token that is valid, and those that were."""

    number: int = 0
    expires_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def expire(self) -> None:
        """From now on the present token is refused; the next login makes another."""
        self.expires_at = min(self.expires_at, datetime.now(UTC))

    def log_in(self, call: Call) -> Answer:
        """The answer to `POST auth/login/`."""
        body = call.body if isinstance(call.body, dict) else {}
        if wrong := _wrong_fields(body):
            return json_answer({**wrong, "status_code": 400}, 400)
        if (str(body["email"]).lower(), body["password"]) != (USERNAME, PASSWORD):
            refused = {"non_field_errors": ["Unable to log in with provided credentials."], "status_code": 400}
            return json_answer(refused, 400)
        if self.expires_at <= datetime.now(UTC):
            self.number += 1
            self.expires_at = datetime.now(UTC) + LIFE
        expires = crm_time(self.expires_at)
        return json_answer({"token": _key(self.number), "user_id": USER_ID, "email": USERNAME, "expires_at": expires})

    def refusal(self, call: Call) -> Answer | None:
        """The 401 that the request deserves, if it does."""
        word, _, key = call.headers.get("authorization", "").partition(" ")
        if word != "Token":
            missing = {"detail": "Authentication credentials were not provided.", "status_code": 401}
            return json_answer(missing, 401)
        if key not in {_key(number) for number in range(1, self.number + 1)}:
            return _invalid("Invalid or Inactive Token")
        if key != _key(self.number) or self.expires_at <= datetime.now(UTC):
            return _invalid(f"Token expired at {self.expires_at}")
        return None


def _key(number: int) -> str:
    return sha1(f"sandbox token {number}".encode(), usedforsecurity=False).hexdigest()


def _invalid(text: str) -> Answer:
    """Key `error`, and "False" is a string: this body is like no other of the API."""
    return json_answer({"error": text, "is_authenticated": "False", "status_code": 401}, 401)


def _wrong_fields(body: dict[str, object]) -> dict[str, list[str]]:
    wrong = {name: ["This field is required."] for name in ("email", "password") if not body.get(name)}
    if "email" not in wrong and "@" not in str(body["email"]):
        wrong["email"] = ["Enter a valid email address."]
    return wrong

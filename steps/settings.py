"""Settings from the environment (.env.example): one small class a concern, read when a step opens.

Nothing is read at import. A secret is a `SecretStr`, and is registered with `tracking.redaction` as soon as it is read.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Any, Self
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import NoDecode, SettingsConfigDict

from steps.catalog import CRM_CLIENTS, SERVICE_PERIODS, Step
from steps.errors import ConfigError, ErrorBudgetError
from tracking.redaction import register_secret
from tracking.settings import FileSettings, describe_settings_file

FEWEST_WEIGHED = 10
"""Below this many records no share is taken: two of three may well be in trouble."""
_FORM = re.compile(r"(\d{1,9}(?:\.\d{1,4})?)(%?)")
_WHOLE = 100


@dataclass(frozen=True)
class ErrorBudget:
    """A share of the records at hand in percent, or a number of them."""

    amount: Decimal
    is_share: bool

    @classmethod
    def parse(cls, text: str) -> "ErrorBudget":
        """Of `50%` or `200`.

        Raises:
            ValueError: it is neither; the message says what is expected, and not what was given.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None or (not match[2] and "." in match[1]) or (match[2] and Decimal(match[1]) > _WHOLE):
            raise ValueError("a share of the records such as 50%, or a whole number of them such as 200, is expected")
        return cls(Decimal(match[1]), is_share=bool(match[2]))

    def __str__(self) -> str:
        """As it was written."""
        return f"{self.amount}{'%' if self.is_share else ''}"

    def is_exceeded(self, errors: int, of: int) -> bool:
        """Whether so many errors among so many records are too many."""
        if self.is_share:
            return of >= FEWEST_WEIGHED and errors * _WHOLE > self.amount * of
        return errors > self.amount

    def require(self, errors: int, of: int) -> None:
        """Refuse to go on with too many in trouble.

        Raises:
            ErrorBudgetError: with the counts, the budget and what to do.
        """
        if self.is_exceeded(errors, of):
            raise ErrorBudgetError(
                f"{errors} of {of} records are in trouble, more than SYNC_ERROR_BUDGET={self} allows: nothing was "
                "applied; see sync-actions errors, mend the cause or raise the budget, run it again"
            )


def _split_commas(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
"""`a,b` in the environment, `("a", "b")` here."""


class _Settings(FileSettings):
    """Secrets are known to the redaction from the moment they are read."""

    def model_post_init(self, _: Any) -> None:
        """Register what is a secret."""
        for name in type(self).model_fields:
            if isinstance(value := getattr(self, name), SecretStr):
                register_secret(value.get_secret_value())

    @classmethod
    def load(cls) -> Self:
        """The settings, or a `ConfigError` whose one line names each wrong variable and never its value."""
        try:
            return cls()
        except ValidationError as error:
            prefix = cls.model_config.get("env_prefix", "")
            wrong = (
                f"{prefix}{'_'.join(map(str, e['loc'][:1]))}".upper() + f": {e['msg'].removeprefix('Value error, ')}"
                for e in error.errors()
            )
            raise ConfigError("; ".join(wrong)) from None


def required(variable: str, value: SecretStr | str | None, vendor: str) -> str:
    """The value of a credential.

    Raises:
        ConfigError: it is not set; the line names the variable and the settings file that was looked at.
    """
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not text:
        raise ConfigError(
            f"{variable} is not set: {vendor} needs it. It was looked for in the environment and in "
            f"{describe_settings_file()} (see .env.example, or try --sandbox)"
        )
    return text


def _require_id(value: str | None) -> str | None:
    if value and not (value.startswith("https://") and value.count("{id}") == 1):
        raise ValueError("an https address with {id} in it is expected, such as https://www.notion.so/{id}")
    return value or None


PageAddress = Annotated[str | None, AfterValidator(_require_id)]
"""Where people see a record at the vendor, `{id}` where its id stands; None: not known, and the page has no link."""


class HoldedSettings(_Settings):
    """Holded, and which of its income accounts are services."""

    model_config = SettingsConfigDict(env_prefix="HOLDED_")

    api_key: SecretStr | None = None
    base_url: str = "https://api.holded.com/api/invoicing/v1"
    contact_page: PageAddress = None
    rate: float = Field(default=4.0, gt=0, le=1000)
    """Requests a second. Holded publishes no quota; clients up to 10 a second were seen (docs/vendors.md, Holded)."""


def _require_numbers(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not all(item.isdigit() for item in value):
        raise ValueError("one academy id or several with commas, each a whole number")
    return value


def vendors_are_invented() -> bool:
    """Whether this process reads the sandbox on loopback instead of a vendor."""
    return urlsplit(HoldedSettings.load().base_url).hostname in {"127.0.0.1", "::1", "localhost"}


class FourgeeksSettings(_Settings):
    """The 4Geeks CRM."""

    model_config = SettingsConfigDict(env_prefix="FOURGEEKS_")

    username: str | None = None
    password: SecretStr | None = None
    academy_id: Annotated[CommaList, AfterValidator(_require_numbers)] = ("6",)
    base_url: str = "https://breathecode.herokuapp.com/v1"
    student_page: PageAddress = None
    rate: float = Field(default=5.0, gt=0, le=1000)
    page_size: int = Field(default=200, ge=1, le=1000)
    """Rows asked for at once; halved by itself when the server runs out of time."""


class NotionSettings(_Settings):
    """Notion, and the names of the properties that are read."""

    model_config = SettingsConfigDict(env_prefix="NOTION_")

    token: SecretStr | None = None
    database_id: str | None = None
    base_url: str = "https://api.notion.com/v1"
    page: PageAddress = "https://www.notion.so/{id}"
    rate: float = Field(default=3.0, gt=0, le=1000)
    email_property: str = "Email"
    status_property: str = "Educational Status"
    drop_date_property: str = "Drop Date"
    certified_property: str = "Certificated At"


class AccrualBasis(StrEnum):
    """What a document counts in its contract."""

    NET = "net"
    TOTAL = "total"


class AccrualMethod(StrEnum):
    """What a month's sessions earn (docs/accrual-rules.md, The amount)."""

    PROSPECTIVE = "prospective"
    CATCH_UP = "catch-up"


class BackendDialect(StrEnum):
    """How the backend of `SYNC_BACKEND_URL` is called (docs/interfaces.md, Backend)."""

    STANDARD = "standard"
    DEVENGO = "devengo"


_DEVENGO_WITHOUT_MONTHS = frozenset({CRM_CLIENTS.id, SERVICE_PERIODS.id})


def _require_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a time zone name such as Europe/Madrid is expected") from None
    return value


def _require_place(value: str | None) -> str | None:
    if not value:
        return None
    import holidays  # only where somebody asks for them

    known = holidays.list_supported_countries(include_aliases=False)
    country, dash, region = value.strip().upper().partition("-")
    if country not in known:
        raise ValueError(f"{value!r} is no country or region, such as ES or ES-MD; countries are {', '.join(known)}")
    regions = {name.upper(): name for name in known[country]}
    if dash and region not in regions:
        raise ValueError(f"{country} has no region {region!r}; its regions are {', '.join(known[country]) or 'none'}")
    return f"{country}-{regions[region]}" if dash else country


def _require_days_by_type(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch(r"[^=]+=\d+", item) for item in value):
        raise ValueError("days by service type such as FS=14,DS=14 are expected")
    return value


def _require_account(value: str) -> str:
    if not re.fullmatch(r"\d{8}", value):
        raise ValueError("an account of eight digits such as 48500000 is expected")
    return value


def _require_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(item)) for item in value)
    except ValueError:
        raise ValueError("addresses or networks of proxies such as 10.0.0.2,172.16.0.0/12 are expected") from None


class SyncSettings(_Settings):
    """What is the academy's own to say."""

    model_config = SettingsConfigDict(env_prefix="SYNC_")

    default_year: int = Field(default=2024, ge=2000, le=2100)
    timezone: Annotated[str, AfterValidator(_require_zone)] = "Europe/Madrid"
    backend_url: str | None = None
    backend_dialect: BackendDialect = BackendDialect.STANDARD
    backend_timeout: float = Field(default=900.0, gt=0, le=86400)
    """Seconds that one call of the backend may take until its work is done and answered."""
    api_token: SecretStr | None = None
    api_tokens: SecretStr | None = None
    """Further ones that may do less: `NAME:ROLE:TOKEN` with commas (`flows/access.py`)."""
    trusted_proxies: Annotated[CommaList, AfterValidator(_require_networks)] = ()
    """Addresses and networks of proxies whose `X-Forwarded-For` is believed."""
    service_account_prefix: CommaList = ("7050",)
    service_name_prefixes: CommaList = ()
    accrual_basis: AccrualBasis = AccrualBasis.NET
    accrual_method: AccrualMethod = AccrualMethod.PROSPECTIVE
    deferred_account: Annotated[str, AfterValidator(_require_account)] = "48500000"
    """Of deferred revenue, in journal entries: group 485 of the Plan General de Contabilidad."""
    recent_days: int = Field(default=15, ge=0)
    postponed_months: int = Field(default=3, ge=1)
    holidays_country: Annotated[str | None, AfterValidator(_require_place)] = None
    """Such as `ES`, or `ES-MD` with the holidays of a region."""
    prework_days: Annotated[CommaList, AfterValidator(_require_days_by_type)] = ()
    """Such as `FS=14,DS=14`."""
    ignored_cohorts: CommaList = ("yomequedoencasa", "*-pt-general")
    accept_loss: bool = False
    """Believe a vendor's list that lost most of what it had (see `SuspiciousEmptyError`)."""
    run_hours: float = Field(default=6.0, gt=0, le=168)
    """How long a run may last: what has not begun by then fails, and vendors are asked nothing more."""
    error_budget: Annotated[
        ErrorBudget,
        NoDecode,
        BeforeValidator(lambda given: ErrorBudget.parse(given) if isinstance(given, str) else given),
    ] = ErrorBudget(Decimal(50), is_share=True)
    """How many records of a window may be in trouble before its step fails: a share, or a number."""
    notify_url: SecretStr | None = None
    """Addresses of Apprise with commas, by which `sync-actions prefect setup` has people told."""
    notify_errors: int = Field(default=20, ge=0)
    """How many records of a step's window may be in trouble before somebody is told."""
    close_day: int = Field(default=10, ge=0, le=28)
    """From which day on somebody is told that the month before is not closed; 0: never."""
    page_url: str | None = None
    """Where people reach the page of `sync-actions api`, for links to it in Prefect."""

    @property
    def bearer_token(self) -> str | None:
        """The token that clients of the API must send; None: this machine alone is served, and sends none."""
        return (self.api_token.get_secret_value() or None) if self.api_token else None

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which vendor dates and monthly schedules are read."""
        return ZoneInfo(self.timezone)

    @property
    def prework_days_by_type(self) -> dict[str, int]:
        """Service type -> days before the kickoff."""
        return {kind.strip().upper(): int(days) for kind, _, days in (i.partition("=") for i in self.prework_days)}

    @property
    def policy(self) -> dict[str, str]:
        """What decides when how much is accrued, by variable (docs/accrual-rules.md, Closing); empty: not set."""
        prework = sorted(f"{kind}={days}" for kind, days in self.prework_days_by_type.items())
        return {
            "SYNC_ACCRUAL_BASIS": self.accrual_basis.value,
            "SYNC_ACCRUAL_METHOD": self.accrual_method.value,
            "SYNC_RECENT_DAYS": str(self.recent_days),
            "SYNC_POSTPONED_MONTHS": str(self.postponed_months),
            "SYNC_HOLIDAYS_COUNTRY": self.holidays_country or "",
            "SYNC_PREWORK_DAYS": ",".join(prework),
        }

    def calls_by_month(self, step: Step) -> bool:
        """Whether a step is called once for each month of a range, here or at the backend in use; else once a run."""
        is_devengo = bool(self.backend_url) and self.backend_dialect is BackendDialect.DEVENGO
        return step.by_month and not (is_devengo and step.id in _DEVENGO_WITHOUT_MONTHS)

    def is_service(self, account_number: str | None, name: str) -> bool:
        """Whether an income account is one of the academy's services (docs/vendors.md, Services).

        An empty list of prefixes lets everything through; comparison of names ignores case.
        """
        number_fits = not self.service_account_prefix or (account_number or "").startswith(self.service_account_prefix)
        names = tuple(prefix.lower() for prefix in self.service_name_prefixes)
        return number_fits and (not names or name.strip().lower().startswith(names))

    def amount_counted(self, *, total: Decimal, net: Decimal) -> Decimal:
        """What a document counts, by `SYNC_ACCRUAL_BASIS`."""
        return net if self.accrual_basis is AccrualBasis.NET else total


def record_address(system: str, number: str) -> str | None:
    """Where people see a client's record at `holded`, `fourgeeks` or `notion`; None: not known, or it is invented."""
    if vendors_are_invented():
        return None
    pages = {
        "holded": HoldedSettings.load().contact_page,
        "fourgeeks": FourgeeksSettings.load().student_page,
        "notion": NotionSettings.load().page,
    }
    address = pages.get(system)
    return address and address.replace(
        "{id}", quote(number.replace("-", "") if system == "notion" else number, safe="")
    )

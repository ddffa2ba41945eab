"""Erasing the person behind a client: names, emails, ids and records go; documents, postings and closes stay.

Everything is done in one transaction, in every table: the client and its ids at the vendors get pseudonyms, the
vendors' records are emptied, and wherever else a name, an email or a long id stands, it is taken out. What vendors
still send of the person comes in under the same pseudonyms (`erased_records.py`).
"""

import json
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, Table, select, update
from sqlmodel import AutoString, Session, SQLModel, col

from steps.catalog import ACCRUALS
from steps.closing import Signature
from steps.erased_records import erased_record, masked_id, person_of
from steps.errors import UsageError
from steps.ledger.client import (
    ERASED,
    ERASED_NAME,
    Client,
    ClientExternalId,
    Erased,
    Erasure,
    System,
    erased_email,
    normalize_email,
    read_erased,
)
from steps.ledger.contract import OPENING_BALANCE, Invoice
from tracking.database import get_engine, write_session
from tracking.encryption import overwrite_free_space
from tracking.integration_errors import error_fingerprint
from tracking.models import OPEN_STATUSES, IntegrationError, SyncExecution, WrittenJson

_DONE_APART = {"client", "client_external_id", "invoice", "integration_error"}
_OF_NOBODY = {"service", "service_period", "erasure", "sealing_key"}
"""Tables whose texts are of courses, or ours."""
_PROVEN = {"roll_forward", "policy", "proof", "postings_hash", "hash", "version"}
"""Columns that the hash of a close is made of: they hold amounts by service."""
_STAFF = {"who", "made_by", "closed_by", "reverted_by"}
_LONG = 12
"""Characters of an id that is nothing else wherever it stands."""


@dataclass(frozen=True)
class Found:
    """A client, and how many rows of each table hold something of the person."""

    client_id: int
    rows: dict[str, int]


def erase_client(who: str, by: Signature | None) -> Found:
    """Erase the person behind a client in one transaction, and then what is left of the old rows in the files.

    Args:
        who: The client's email or id. Of one who was erased before, what came in since goes.
        by: Who wants it and why; None: it is only said what would change.

    Raises:
        UsageError: no such client, a reason that is empty or names the person, or a run is at work.
        DatabaseUnusableError: all is done but for the old rows in the files.
    """
    with write_session() as session:
        client = _find(session, who)
        person = _Person.of(session, client)
        if by is not None and (not by.reason.strip() or person.words.search(by.reason)):
            raise UsageError("an erasure needs a reason, which stays and must not name the person")
        attempt = session.begin_nested()
        found = Found(client.id or 0, {table: rows for table, rows in sorted(person.erase(session).items()) if rows})
        if by is None:
            attempt.rollback()
            return found
        attempt.commit()
        if found.rows:
            session.add(
                Erasure(
                    client_id=found.client_id,
                    who=by.who,
                    reason=by.reason.strip(),
                    changed=found.rows,
                    secret=person.erased.secret,
                )
            )
    overwrite_free_space(get_engine(), sorted(SQLModel.metadata.tables))
    return found


def _find(session: Session, who: str) -> Client:
    is_it = col(Client.id) == int(who) if who.isdecimal() else col(Client.identifier) == normalize_email(who)
    client = session.scalar(select(Client).where(is_it))
    if client is None:
        raise UsageError("there is no such client: an email, or the id of a client, is expected")
    # A run that has read the vendors already would bring back what it read.
    at_work = session.scalar(select(SyncExecution).where(col(SyncExecution.status).in_(OPEN_STATUSES)).limit(1))
    if at_work is not None:
        raise UsageError(f"execution {at_work.id} ({at_work.name}) is at work or planned: let its run end first")
    return client


@dataclass(frozen=True)
class _Person:
    """Who is behind a client, and the words that say so."""

    client: Client
    links: Sequence[ClientExternalId]
    documents: Sequence[Invoice]
    words: re.Pattern[str]
    """Names, emails and long ids, also as JSON writes them."""
    erased: Erased
    """With this person's pseudonyms."""

    @classmethod
    def of(cls, session: Session, client: Client) -> "_Person":
        links = session.scalars(select(ClientExternalId).where(col(ClientExternalId.client_id) == client.id)).all()
        documents = session.scalars(select(Invoice).where(col(Invoice.client_id) == client.id)).all()
        texts = {client.identifier, client.name, *(each.external_id for each in links)}
        texts = {each for each in texts if len(each) >= _LONG or not each.isdecimal()}
        texts |= {str(each.original_data.get("contactName") or "").strip() for each in documents}
        texts = {each for each in texts if each and each != ERASED_NAME and not each.startswith(ERASED)}
        spelled = sorted({*texts, *(json.dumps(each)[1:-1] for each in texts)}, key=len, reverse=True)
        present = read_erased(session)
        secret = present.secret or secrets.token_hex()
        ours = {(each.system, _pseudonym(secret, each)): erased_email(client.id or 0) for each in links}
        words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, spelled)) or '(?!)'})(?!\w)", re.IGNORECASE)
        return cls(client, links, documents, words, Erased(secret, {**present.emails, **ours}))

    def erase(self, session: Session) -> Counter[str]:
        """Take the person out of every table. Returns how many rows changed, by table."""
        changed: Counter[str] = Counter()
        own = {("contact" if each.system == System.HOLDED else "page", each.external_id) for each in self.links}
        own |= {(each.kind, each.external_id) for each in self.documents}
        for error in session.scalars(select(IntegrationError)):
            is_own = (error.entity_type, error.entity_external_id) in own or self._is_about(error)
            changed["integration_error"] += _set(error, self._error_without(error, is_own=is_own))
        for link in self.links:
            changed["client_external_id"] += _set(link, {"external_id": _pseudonym(self.erased.secret, link)})
        for document in self.documents:
            if document.kind != OPENING_BALANCE:  # nothing personal is in it
                contact = masked_id(self.erased, "contact", str(document.original_data.get("contact") or ""))
                changed["invoice"] += _set(document, {"original_data": erased_record(document.external_id, contact)})
        identity = {"identifier": erased_email(self.client.id or 0), "name": ERASED_NAME}
        changed["client"] += _set(self.client, identity)
        session.flush()
        for table, columns in _texts():
            changed[table.name] += self._take_out(session, table, columns)
        return changed

    def _is_about(self, error: IntegrationError) -> bool:
        person = person_of(error.entity_type, error.error_details)
        found = self.erased.find(*person) if person else None
        return found is not None and found[1] == erased_email(self.client.id or 0)

    def _error_without(self, error: IntegrationError, *, is_own: bool) -> dict[str, Any]:
        """The columns of an error as they should be.

        Of a vendor's record nothing stays: it may hold an address, a birthday or a tax number besides.
        """
        details, message = error.error_details, self.words.sub(ERASED_NAME, error.error_message)
        name = error.entity_external_id
        if error.operation == ACCRUALS.id:
            return {"error_message": message, "error_details": self.without_words(details)}
        if is_own:
            name = masked_id(self.erased, error.entity_type, name)
            message = f"{error.entity_type} {name}: {ERASED_NAME}"
        if is_own or self.without_words(details) != details:
            details = erased_record(name)
        return {
            "entity_external_id": name,
            "error_message": message,
            "error_details": details,
            "fingerprint": error_fingerprint(error.operation, error.entity_type, name, message)
            if message != error.error_message
            else error.fingerprint,
        }

    def _take_out(self, session: Session, table: Table, columns: Sequence[Column[Any]]) -> int:
        connection, keys, count = session.connection(), list(table.primary_key.columns), 0
        for row in connection.execute(select(*keys, *columns)).all():
            values = row[len(keys) :]
            new = [self.without_words(each) for each in values]
            if new != list(values):
                is_it = [key == value for key, value in zip(keys, row, strict=False)]
                given = {each.name: _written(each, value) for each, value in zip(columns, new, strict=True)}
                connection.execute(update(table).where(*is_it).values(given))
                count += 1
        return count

    def without_words(self, value: Any) -> Any:
        """A text, or JSON, in which nobody is named."""
        if isinstance(value, str):
            return self.words.sub(ERASED_NAME, value)
        if isinstance(value, list):
            return [self.without_words(each) for each in value]
        if isinstance(value, dict):
            return {key: self.without_words(each) for key, each in value.items()}
        return value


def _pseudonym(secret: str, link: ClientExternalId) -> str:
    name = link.external_id
    return name if name.startswith(ERASED) else Erased(secret).pseudonym(link.system, name)


def _set(row: SQLModel, columns: dict[str, Any]) -> bool:
    new = {name: value for name, value in columns.items() if getattr(row, name) != value}
    for name, value in new.items():
        setattr(row, name, value)
    return bool(new)


def _texts() -> Iterator[tuple[Table, list[Column[Any]]]]:
    """The columns of all other tables in which a person may be named."""
    for name, table in SQLModel.metadata.tables.items():
        columns = [
            each
            for each in table.columns
            if isinstance(each.type, AutoString | JSON | WrittenJson)
            and not each.primary_key
            and each.name not in {*_STAFF, *_PROVEN}
        ]
        if columns and name not in _DONE_APART | _OF_NOBODY:
            yield table, columns


def _written(column: Column[Any], value: Any) -> Any:
    return json.dumps(value) if isinstance(column.type, WrittenJson) and value is not None else value

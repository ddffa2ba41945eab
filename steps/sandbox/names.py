"""Invented names, addresses and ids, the same for the same seed."""

import unicodedata
from hashlib import sha256
from uuid import UUID

FIRST_NAMES = (
    "Lucía", "Íñigo", "Begoña", "Óscar", "Núria", "Ángel", "Zoë", "José María", "Ainhoa", "Xoán", "Montserrat", "Raúl",
    "Chloé", "João", "Søren", "Mónica", "Iñaki", "Verónica", "Adrián", "Noelia", "Jürgen", "Sofía", "Martí", "Eulàlia",
    "Andrés", "Inés", "Gonçal", "Belén", "Łukasz", "Renée",
)  # fmt: skip
LAST_NAMES = (
    "Muñoz", "Peña", "Ibáñez", "Núñez", "García-Pardo", "Castaño", "Güell", "Álvarez", "de la Cruz", "O'Donnell",
    "Solà", "Fernández", "Čapek", "Etxebarría", "Ruíz", "Sáenz", "Åkesson", "Vidal", "López de Haro", "Ortuño",
    "Brañas", "Côté", "Yáñez", "Díaz", "Quiñones", "Müller", "Pérez", "Agüero", "Llorençs",
)  # fmt: skip


def hex_id(seed: int, kind: str, index: int) -> str:
    """An id in Holded's form: 24 lower-case hex characters."""
    return sha256(f"{seed}/{kind}/{index}".encode()).hexdigest()[:24]


def uuid_id(seed: int, kind: str, index: int) -> str:
    """An id in Notion's form: a dashed UUID."""
    return str(UUID(sha256(f"{seed}/{kind}/{index}".encode()).hexdigest()[:32], version=4))


def person_name(number: int) -> tuple[str, str]:
    """First and last name of the `number`-th person; pairs come round again after 870 people, as in life."""
    return FIRST_NAMES[number % len(FIRST_NAMES)], LAST_NAMES[(number * 7 + 3) % len(LAST_NAMES)]


def mail_address(first: str, last: str, number: int) -> str:
    """A lower-case address that no other number has."""
    plain = unicodedata.normalize("NFKD", f"{first}.{last}".lower()).encode("ascii", "ignore").decode()
    kept = "".join(letter for letter in plain if letter.isalnum() or letter in ".-")
    return f"{kept}.{number}@example.org"

"""What is personal of an academy's people, as any of the three vendors or a program may write it."""

import json
from collections.abc import Iterator

from steps.sandbox.records import World


def personal_texts(world: World) -> set[str]:
    """Every email and full name, in lower case."""
    typed = {text.strip().lower() for text in _typed(world) if text}
    return {text for text in typed if "@" in text or " " in text}


def _typed(world: World) -> Iterator[str | None]:
    for contact in world.contacts:
        yield from (contact.name, contact.email)
    for student in world.students:
        yield from (student.email, f"{student.first_name} {student.last_name}")
    for enrollment in world.enrollments:
        yield from (enrollment.user.email, f"{enrollment.user.first_name} {enrollment.user.last_name}")
    for page in world.pages:
        yield from (page.name, page.email)


def readable(world: World, content: bytes) -> list[str]:
    """The personal texts that are in clear in this content, also as JSON writes them."""
    text = content.decode("utf-8", errors="replace").lower()
    return sorted(each for each in personal_texts(world) if each in text or json.dumps(each)[1:-1] in text)

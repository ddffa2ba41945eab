"""One client of the academy while the story is told."""

from dataclasses import dataclass
from datetime import date
from random import Random

from steps.sandbox.names import mail_address, person_name
from steps.sandbox.story import EmailQuirk, Story


@dataclass(frozen=True)
class Client:
    """Who it is, what becomes of them and from when on."""

    seed: int
    index: int
    story: Story
    begins: date
    random: Random
    first_name: str
    last_name: str

    @property
    def name(self) -> str:
        """As people say it."""
        return f"{self.first_name} {self.last_name}"

    @property
    def crm_number(self) -> int:
        """Whose login it is: people with two contacts have one."""
        return self.index - (self.story.crm_email == "of the client before")

    def email(self, quirk: EmailQuirk) -> str | None:
        """The client's address as it was typed there."""
        number = self.index - 1 if quirk == "of the client before" else self.index
        plain = mail_address(*person_name(number), number)
        typed = {"upper": plain.upper(), "padded": f"  {plain} ", "empty": "", "null": None}
        return typed.get(quirk, plain)

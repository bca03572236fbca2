"""Erasing a person from every store of a tenant: what is asked for, and what each store answers.

`registry` says how each store treats a person, `texts` finds and replaces what names one, `ledger`
keeps what was asked for where no backup of a shard holds it. Services that keep texts erase their
own, as operations that governance begins; governance does the rest. Knows no service.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

# Kinds of the operations that erase in the services that keep texts; their parameters are those of
# `asking`, their responses Struct with a report.
ERASE_MEMORIES = "EraseMemories"
ERASE_KNOWLEDGE = "EraseKnowledge"
ERASE_DOCUMENTS = "EraseDocuments"
TEXT_KINDS = (ERASE_MEMORIES, ERASE_KNOWLEDGE, ERASE_DOCUMENTS)


class Strategy(StrEnum):
    """What is done with a person's data; the values are stored."""

    DELETE = "delete"
    ANONYMIZE = "anonymize"
    PSEUDONYMIZE = "pseudonymize"
    REDACT = "redact"


@dataclass(frozen=True, slots=True)
class Erasure:
    """Who is erased, and how.

    Attributes:
        subject: The person's id.
        identifiers: What names the person in texts, the longest first.
        pseudonym: What stands in their place.
    """

    id: UUID
    subject: str
    identifiers: tuple[str, ...]
    strategy: Strategy
    pseudonym: str

    def __repr__(self) -> str:
        return f"Erasure({self.id}, {self.strategy})"

    @property
    def names(self) -> tuple[str, ...]:
        """All that may stand where an id belongs."""
        return (self.subject, *self.identifiers)


# By store: how much was found, erased, left.
Counts = Mapping[str, int]

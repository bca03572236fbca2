"""What erasing a person makes of memories: those about the person, and those that only name them.
Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from libs.changes import Operation, Step
from libs.erasure import Erasure, Strategy
from libs.erasure.texts import is_named, mentions, of_others, of_the_person
from libs.scope import SCOPE_IDS, Scope
from services.memory.domain.memory import Memory, Stored
from services.memory.domain.upkeep import Entry

_OF_PEOPLE = ("session_id", "user_id", "agent_id")
_TEXTS = ("content", "metadata", "author", "source")


@dataclass(frozen=True, slots=True)
class Erase:
    """Remove memories, as far as they are still about the person, and rewrite others.

    `rewritten`: what each is to be, by its id, with what the indexes have to hear of it; `read`
    are the same as they were then.
    """

    names: tuple[str, ...]
    removed: tuple[UUID, ...]
    rewritten: Mapping[UUID, Entry]
    read: Mapping[UUID, Stored]

    @property
    def ids(self) -> tuple[UUID, ...]:
        """All that it changes."""
        return (*self.removed, *self.rewritten)


def without(current: Mapping[UUID, Stored], body: Erase) -> Iterator[Step[Stored]]:
    """The steps; what has changed since it was read is left for another look."""
    for each in body.removed:
        before = current.get(each)
        if before and before.subject in body.names:
            yield Step(Operation.DELETED, before, None, nameless=True)
    for each, entry in body.rewritten.items():
        before = current.get(each)
        if before and before.version == body.read[each].version:
            yield Step(
                Operation.UPDATED,
                before,
                replace(entry.memory, version=before.version + 1),
                entry.vector,
                entry.terms,
                forgets=True,
            )


def is_about(memory: Stored, erasure: Erasure) -> bool:
    """Whether the person is whom it is about."""
    return memory.subject in erasure.names


def is_removed(memory: Stored, erasure: Erasure) -> bool:
    """Whether nothing of it stays."""
    return is_about(memory, erasure) and erasure.strategy is Strategy.DELETE


def names_person(memory: Memory, erasure: Erasure) -> bool:
    """Whether any id or text of a memory names the person; in a text about somebody else the id
    alone does not: it may be a word."""
    own = is_about(memory.stored, erasure)
    identifiers = erasure.names if own else erasure.identifiers
    ids = memory.stored.scope.restrict(SCOPE_IDS if own else _OF_PEOPLE).values()
    values = [tuple(ids), *(getattr(memory, name) for name in _TEXTS)]
    listed: Sequence[Any] = [list(value) if isinstance(value, tuple) else value for value in values]
    return any(is_named(each, erasure.names) or mentions(each, identifiers) for each in listed)


def rewritten(memory: Memory, erasure: Erasure) -> Memory:
    """The memory with a pseudonym in the person's place."""
    own = is_about(memory.stored, erasure)
    replaced = (of_the_person if own else of_others)(erasure)
    texts = {name: replaced(getattr(memory, name)) for name in _TEXTS}
    stored = replace(memory.stored, scope=_renamed(memory.stored.scope, erasure, own=own))
    return replace(memory, stored=stored, **texts)


def _renamed(scope: Scope, erasure: Erasure, *, own: bool) -> Scope:
    """The scope with a pseudonym where an id is the person's. Places that are called alike are not,
    where they are those of others."""
    ids = scope.restrict(SCOPE_IDS if own else _OF_PEOPLE)
    named = {name for name, each in ids.items() if each in erasure.names}
    return replace(scope, **dict.fromkeys(named, erasure.pseudonym))

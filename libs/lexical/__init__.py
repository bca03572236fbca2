"""Lexical search over encrypted texts: a blind index of their terms, weighted by BM25.

`analysis` makes words of a text into terms, the keyring makes terms into keyed hashes, `postings`
keeps and searches these. The database holds no word; who reads it sees which hashes are common, and
which texts share them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from libs.changes import E, Indexes, Step, Terms
from libs.tenancy import Route

_PURPOSE = "terms"
_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Document:
    """An entity's entry: its terms, None for those it has already, and the ids to filter by.

    `new`: Whether it is known that the entity has no entry yet, which saves looking for it.
    """

    id: UUID
    terms: Terms | None
    payload: Mapping[str, str]
    new: bool = False


class BlindKey(Protocol):
    """What hashes terms: `libs.encryption.keyring.Keyring`."""

    async def macs(self, route: Route, purpose: str, items: Sequence[bytes]) -> list[bytes]: ...


async def hashed(key: BlindKey, route: Route, words: Sequence[str]) -> dict[str, int]:
    """Distinct terms with their hashes, in order of first sight."""
    distinct = list(dict.fromkeys(words))
    codes = await key.macs(route, _PURPOSE, [term.encode() for term in distinct])
    return {
        term: int.from_bytes(code[:_HASH_BYTES], signed=True)
        for term, code in zip(distinct, codes, strict=True)
    }


async def blinded(
    key: BlindKey, route: Route, texts: Sequence[Mapping[str, int]]
) -> list[dict[int, int]]:
    """The terms of each text, as the tenant's index knows them."""
    hashes = await hashed(key, route, [term for text in texts for term in text])
    return [_counted((hashes[term], count) for term, count in text.items()) for text in texts]


def documents(steps: Iterable[Step[E]]) -> tuple[list[Document], list[UUID]]:
    """What the steps, in order, leave for the index to enter, and what is gone from it, or is not
    found by words any more."""
    newest: dict[UUID, Step[E]] = {}
    terms: dict[UUID, Terms] = {}
    created: set[UUID] = set()
    for step in steps:
        if step.before is None:
            created.add(step.entity.id)
        if step.indexed:
            newest[step.entity.id] = step
        if step.terms is not None:
            terms[step.entity.id] = step.terms
    entered: list[Document] = []
    gone: list[UUID] = []
    for entity, step in newest.items():
        if step.after is None or Indexes.WORDS not in step.after.indexes:
            gone.append(entity)
            continue
        new, payload = entity in created, step.after.payload()
        entered.append(Document(entity, terms.get(entity), payload, new))
    return entered, gone


def _counted(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    counts: Counter[int] = Counter()
    for term, count in pairs:
        counts[term] += count
    return dict(counts)

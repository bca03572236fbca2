"""Which memories are near-duplicates, and when one need not be stored beside another. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from libs.scope import Scope
from services.memory.domain.likeness import Said, alike, same
from services.memory.domain.memory import EVER, Memory, Stored, View

_KEPT = (
    *("layer", "scope", "content", "metadata", "author", "source"),
    *("valid_from", "valid_until", "tier"),
)


class Duplicate(NamedTuple):
    """A memory that is like another one; `similarity` is their cosine, -1 to 1.

    `same`: Whether their texts say the same and not a word more.
    """

    memory: Memory
    similarity: float
    same: bool = False


def among(
    memories: Sequence[Memory], vectors: NDArray[np.float32], least: float
) -> list[list[Duplicate]]:
    """For each memory, those before it whose cosine is at least so much.

    Args:
        vectors: Shape (N, D), a row for each memory, of length 1.
    """
    cosines = vectors @ vectors.T
    return [
        [Duplicate(memories[int(at)], float(cosines[place, at])) for at in np.flatnonzero(before)]
        for place, before in enumerate(np.tril(cosines >= least, -1))
    ]


def near(
    memories: Sequence[Memory], others: Iterable[Iterable[Duplicate]], now: datetime
) -> list[list[Duplicate]]:
    """Of the others of each memory those that are near-duplicates of it, the most alike first: of
    its layer, bound to the same ids, valid now, by the same author, who says nearly the same."""
    said = cache(Said.of)  # until they are compared
    found: list[list[Duplicate]] = []
    for memory, candidates in zip(memories, others, strict=True):
        duplicates = [
            each._replace(same=same(said(memory.content), said(each.memory.content)))
            for each in candidates
            if _comparable(memory, each.memory, now)
            and alike(said(memory.content), said(each.memory.content), each.similarity)
        ]
        found.append(sorted(duplicates, key=lambda each: -each.similarity))
    return found


def _comparable(one: Memory, other: Memory, now: datetime) -> bool:
    return (
        one.author == other.author
        and View(Scope(), now, (one.stored.layer,)).shows(other.stored)
        and one.stored.bound() == other.stored.bound()
    )


def adds_nothing(new: Memory, old: Duplicate) -> bool:
    """Whether a new memory may be counted in a near-duplicate instead of being stored."""
    memory, stored = old.memory, old.memory.stored
    somebody = new.author or new.stored.subject
    return (
        old.same
        and bool(somebody or not Said.of(new.content).speaks_of_self)
        and new.source in ("", memory.source)
        and new.metadata in ({}, memory.metadata)
        and new.stored.subject == stored.subject
        and new.stored.trust <= stored.trust
        and new.stored.valid_from in (EVER, stored.valid_from)
        and new.stored.valid_until == stored.valid_until
        and stored.superseded_by is None
    )


def still_holds(new: Stored, seen: Stored, now: Stored) -> bool:
    """Whether what was `seen` of the old memory is so `now`, where it matters."""
    return (
        all(getattr(seen, name) == getattr(now, name) for name in _KEPT)
        and now.superseded_by is None
        and new.trust <= now.trust
    )

"""Quora question pairs: which questions were labelled as asking the same.

From the benchmark data of zilliztech/GPTCache; used in place, never copied.
"""

import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.corpus import DATA


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions; `same` is their label, which is wrong now and then."""

    one: str
    other: str
    same: bool


def path() -> Path:
    """The file that QQP names, or the one among the data for benchmarks."""
    return Path(os.environ.get("QQP") or DATA / "qqp" / "dev.jsonl.gz")


def load(file: Path) -> list[Pair]:
    """The pairs of a file, in its order: a JSON object a line, compressed or not."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    return [Pair(row["text_a"], row["text_b"], bool(int(row["label"]))) for row in rows]


def texts_of(pairs: Iterable[Pair]) -> list[str]:
    """Distinct texts in order of first sight."""
    return list(dict.fromkeys(text for pair in pairs for text in (pair.one, pair.other)))


class Sets:
    """Disjoint sets of texts, with path halving."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def find(self, text: str) -> str:
        """What stands for the set of a text."""
        parents = self._parents
        parents.setdefault(text, text)
        while parents[text] != text:
            parents[text] = parents[parents[text]]
            text = parents[text]
        return text

    def join(self, one: str, other: str) -> None:
        self._parents[self.find(one)] = self.find(other)


class Truth:
    """What the labels say of any two texts.

    A direct label wins. Else two texts of one set that positive labels join are the same; two whose
    sets a negative label tells apart are not. A set with a negative label in itself contradicts
    itself: of its other pairs nothing is known.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._sets, self._direct = Sets(), dict[frozenset[str], bool]()
        for pair in pairs:
            self._direct[frozenset((pair.one, pair.other))] = pair.same
            if pair.same:
                self._sets.join(pair.one, pair.other)
        told_apart = [self._ends(pair) for pair in pairs if not pair.same]
        self._apart = set(told_apart)
        self._broken = {end for ends in told_apart if len(ends) == 1 for end in ends}

    def __call__(self, one: str, other: str) -> bool | None:
        """Whether they are the same; None when that is not known."""
        direct = self._direct.get(frozenset((one, other)))
        if one == other or direct is not None:
            return direct is not False
        ends = frozenset((self._sets.find(one), self._sets.find(other)))
        if len(ends) == 1:
            return None if ends <= self._broken else True
        return False if ends in self._apart else None

    def _ends(self, pair: Pair) -> frozenset[str]:
        return frozenset((self._sets.find(pair.one), self._sets.find(pair.other)))


def meanings(pairs: Sequence[Pair], groups: Iterable[Sequence[str]] = ()) -> dict[str, int]:
    """A number for what each text means.

    Args:
        groups: Texts that are the same unless a label tells them apart.
    """
    sets, apart = Sets(), defaultdict[str, set[str]](set)
    members: dict[str, list[str]] = {text: [text] for text in texts_of(pairs)}

    def join(one: str, other: str) -> None:
        lost, kept = sets.find(one), sets.find(other)
        if lost != kept:
            sets.join(lost, kept)
            members[kept] += members.pop(lost)

    for pair in pairs:
        if pair.same:
            join(pair.one, pair.other)
        else:
            apart[pair.one].add(pair.other)
            apart[pair.other].add(pair.one)
    for first, *rest in groups:
        for other in rest:
            mine = set(members[sets.find(first)])
            if not any(apart[text] & mine for text in members[sets.find(other)]):
                join(first, other)
    numbers: dict[str, int] = {}
    return {text: numbers.setdefault(sets.find(text), len(numbers)) for text in texts_of(pairs)}


def halves(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Two halves that share no text."""
    sets = Sets()
    for pair in pairs:
        sets.join(pair.one, pair.other)
    sides: dict[str, int] = {}
    parts: tuple[list[Pair], list[Pair]] = ([], [])
    for pair in pairs:
        side = sides.setdefault(sets.find(pair.one), len(sides) % 2)
        parts[side].append(pair)
    return parts

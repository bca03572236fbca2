"""The operation between two texts: by lines, and in changed lines by words. Pure.

For restoring an earlier version, and for what was typed where nothing knows operations. Words
rather than letters, since two people's changes of one sentence then still read as words.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isqrt
from typing import Any
from unicodedata import category

from libs.ot.operations import MOST_PARTS, NOTHING, Operation, Part, normal, past_all

# Tokens, and how many of them may differ before they all count as changed: the work grows by its
# square.
_LEVELS = (
    (re.compile(r"[^\n]*\n|[^\n]+"), 400),
    (re.compile(r"[\w\u0300-\U0010ffff]+[ \t]*|[^\w\s][\u0300-\U0010ffff]*|\s+"), 100),
)

Pair = tuple[int, int]  # places of one token in the old and in the new text
Chain = tuple[Pair, Any]  # the last pair of an increasing sequence, and the sequence before it

_JOINER = "\u200d"
_MODIFIERS = "\U0001f3fb", "\U0001f3ff"  # of skin
_TAGS = "\U000e0020", "\U000e007f"  # of flags
_REGIONS = "\U0001f1e6", "\U0001f1ff"  # of flags, in pairs
_JAMO = "\u1100", "\u11ff"


def diff(old: str, new: str) -> Operation:
    """What makes `new` of `old`; small where they are alike, not always the smallest there is."""
    if old == new:
        return NOTHING
    operation = normal(_parts(old, new, 0))
    return operation if len(operation) <= MOST_PARTS else normal(_replacement(old, new))


def merge(old: str, edited: str, since: Sequence[Operation]) -> Operation:
    """What was done to `old` without operations, for the text after the edits that came since."""
    return past_all(diff(old, edited), since)


def _parts(old: str, new: str, level: int) -> Iterator[Part]:
    if level == len(_LEVELS) or not old or not new:
        yield from _replacement(old, new)
        return
    pattern, most = _LEVELS[level]
    olds, news = pattern.findall(old), pattern.findall(new)
    ends = [(-1, -1), *_matches(olds, news, most), (len(olds), len(news))]
    for (old_before, new_before), (old_after, new_after) in pairwise(ends):
        yield len(olds[old_before]) if old_before >= 0 else 0
        changed = olds[old_before + 1 : old_after], news[new_before + 1 : new_after]
        yield from _parts("".join(changed[0]), "".join(changed[1]), level + 1)


def _replacement(old: str, new: str) -> Iterator[Part]:
    """What is alike at both ends stays."""
    start = _alike(old, new)
    while start and (_is_joined(old, start) or _is_joined(new, start)):
        start -= 1
    end = _alike(old[start:][::-1], new[start:][::-1])
    while end and (_is_joined(old, len(old) - end) or _is_joined(new, len(new) - end)):
        end -= 1
    yield from (start, new[start : len(new) - end], start + end - len(old), end)


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many are equal from the beginning on."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _is_joined(text: str, place: int) -> bool:
    """Whether what stands on both sides of the place is seen as one character, by and large."""
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if before == _JOINER or after == _JOINER or category(after).startswith("M"):
        return True
    if _MODIFIERS[0] <= after <= _MODIFIERS[1] or _TAGS[0] <= after <= _TAGS[1]:
        return True
    if before + after == "\r\n":
        return True
    return any(low <= before <= high and low <= after <= high for low, high in (_REGIONS, _JAMO))


def _matches(old: Sequence[str], new: Sequence[str], most: int) -> list[Pair]:
    """Places of equal tokens, in order: of those there once, and of what is alike between."""
    anchors = _anchors(old, new)
    most //= isqrt(len(anchors) + 1)  # in all, no more work than without anchors
    found = []
    for (one, other), (one_end, other_end) in pairwise([(-1, -1), *anchors, (len(old), len(new))]):
        between = _between(old[one + 1 : one_end], new[other + 1 : other_end], max(most, 2))
        found += [(one + 1 + place, other + 1 + twin) for place, twin in between]
        found.append((one_end, other_end))
    return found[:-1]


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Places of tokens that are in both once: as many as are in one order in both.

    Source: the longest increasing subsequence by patience sorting, as in Bram Cohen's patience
    diff.
    """
    once = {token for token, count in Counter(new).items() if count == 1}
    once &= {token for token, count in Counter(old).items() if count == 1}
    twins = {token: place for place, token in enumerate(new) if token in once}
    tops: list[int] = []  # of each pile
    chains: list[Chain] = []
    for place, token in enumerate(old):
        if (twin := twins.get(token)) is not None:
            pile = bisect_left(tops, twin)
            chain = ((place, twin), chains[pile - 1] if pile else None)
            tops[pile : pile + 1], chains[pile : pile + 1] = [twin], [chain]
    return _unrolled(chains[-1] if chains else None)


def _unrolled(chain: Chain | None) -> list[Pair]:
    found = []
    while chain:
        pair, chain = chain
        found.append(pair)
    return found[::-1]


def _between(old: Sequence[str], new: Sequence[str], most: int) -> list[Pair]:
    """Those at both ends, and in the middle those of a shortest script."""
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    middle = _shortest(old[start : len(old) - end], new[start : len(new) - end], most)
    return [
        *((place, place) for place in range(start)),
        *((start + one, start + other) for one, other in middle),
        *((len(old) - place, len(new) - place) for place in range(end, 0, -1)),
    ]


def _shortest(old: Sequence[str], new: Sequence[str], most: int) -> list[Pair]:
    """Places of tokens that stay in a shortest edit script; none when it is longer than `most`.

    Source: Myers, Algorithmica 1 (1986), figure 2; a diagonal is the place in `old` less that in
    `new`.
    """
    furthest, trail = {1: 0}, []
    for edits in range(most + 1):
        trail.append(furthest.copy())
        for diagonal in range(-edits, edits + 1, 2):
            down = _goes_down(furthest, diagonal, edits)
            place = furthest[diagonal + 1] if down else furthest[diagonal - 1] + 1
            while place < len(old) and place - diagonal < len(new):
                if old[place] != new[place - diagonal]:
                    break
                place += 1
            furthest[diagonal] = place
            if place >= len(old) and place - diagonal >= len(new):
                return _back(trail, len(old), len(new))
    return []


def _goes_down(furthest: dict[int, int], diagonal: int, edits: int) -> bool:
    """Whether the script came to the diagonal by an insertion, rather than by a deletion."""
    if diagonal in (-edits, edits):
        return diagonal == -edits
    return furthest[diagonal - 1] < furthest[diagonal + 1]


def _back(trail: Sequence[dict[int, int]], one: int, other: int) -> list[Pair]:
    """The way back from the ends of both: every step on a diagonal is a token that stays."""
    found = []
    for edits in range(len(trail) - 1, -1, -1):
        down = _goes_down(trail[edits], one - other, edits)
        before = one - other + (1 if down else -1)
        came = trail[edits][before]
        begun = came if down else came + 1
        found += [(one - step, other - step) for step in range(1, one - begun + 1)]
        one, other = came, came - before
    return found[::-1]

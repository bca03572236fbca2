"""Globs over paths and names: matching in linear time, and whether two of them share a text.

`*` and `?` stop at a slash, `**` does not, `**/` also stands for nothing; `[a-z]`, `[!a-z]` and
`{one,two}` as in shells; a backslash makes the next character plain. Case counts.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

MAX_LENGTH = 256  # characters of a glob
MAX_ALTERNATIVES = 16  # that braces may stand for
_LAST = 0x10FFFF


class BadGlob(ValueError):
    """The text is not a glob; says why."""


class Characters(NamedTuple):
    """A set of characters as sorted, disjoint ranges of code points."""

    ranges: tuple[tuple[int, int], ...]

    def meets(self, other: "Characters") -> bool:
        """Whether a character is in both."""
        return any(
            low <= high_ and low_ <= high
            for low, high in self.ranges
            for low_, high_ in other.ranges
        )

    def negated(self) -> "Characters":
        """All other characters."""
        ranges, start = [], 0
        for low, high in sorted(self.ranges):
            if start < low:
                ranges.append((start, low - 1))
            start = max(start, high + 1)
        if start <= _LAST:
            ranges.append((start, _LAST))
        return Characters(tuple(ranges))

    def without(self, character: str) -> "Characters":
        """The same but for one character."""
        code = ord(character)
        parts = [
            part
            for low, high in self.ranges
            for part in ((low, min(high, code - 1)), (max(low, code + 1), high))
            if part[0] <= part[1]
        ]
        return Characters(tuple(dict.fromkeys(parts)))

    def pattern(self) -> str:
        """As a class of a regular expression."""
        parts = (rf"\x{{{low:x}}}-\x{{{high:x}}}" for low, high in self.ranges)
        return f"[{''.join(parts)}]"


ANY = Characters(((0, _LAST),))
NOT_SLASH = ANY.without("/")


class Part(NamedTuple):
    """Characters, once or any number of times; or `folders`: nothing, or what ends in a slash."""

    characters: Characters
    repeated: bool = False
    folders: bool = False


Parts = tuple[Part, ...]
_FOLDERS = Part(ANY, repeated=True, folders=True)


@dataclass(frozen=True, slots=True)
class Glob:
    """A glob that was read; `alternatives` are without braces."""

    text: str
    alternatives: tuple[Parts, ...]

    def expression(self) -> str:
        """A regular expression of RE2 that matches the same whole texts."""
        return "|".join("".join(map(_expression, parts)) for parts in self.alternatives)

    def meets(self, other: "Glob") -> bool:
        """Whether some text matches both."""
        pairs = product(self.alternatives, other.alternatives)
        return any(_meet(ours, theirs) for ours, theirs in pairs)


@lru_cache(maxsize=4096)
def parse(text: str) -> Glob:
    """Reads a glob; raises BadGlob."""
    if not 0 < len(text) <= MAX_LENGTH:
        raise BadGlob(f"must have 1 to {MAX_LENGTH} characters")
    alternatives = _expanded(text)
    return Glob(text, tuple(tuple(_parts(each)) for each in alternatives))


def _expanded(text: str) -> list[str]:
    """The glob without braces: one for each choice; braces in braces are refused."""
    pieces: list[list[str]] = []
    plain, position = "", 0
    while position < len(text):
        if text[position] == "\\":
            plain += text[position : position + 2]
            position += 2
        elif text[position] == "{":
            end = _closing(text, position)
            pieces += [[plain], re.split(r"(?<!\\),", text[position + 1 : end])]
            plain, position = "", end + 1
        else:
            plain += text[position]
            position += 1
    pieces.append([plain])
    count = 1
    for piece in pieces:
        count *= len(piece)
    if count > MAX_ALTERNATIVES:
        raise BadGlob(f"its braces stand for more than {MAX_ALTERNATIVES} globs")
    return ["".join(choice) for choice in product(*pieces)]


def _closing(text: str, start: int) -> int:
    end = text.find("}", start)
    if end < 0:
        raise BadGlob("a brace is not closed")
    if "{" in text[start + 1 : end]:
        raise BadGlob("braces in braces are not supported")
    return end


def _parts(text: str) -> Iterator[Part]:
    position = 0
    while position < len(text):
        character = text[position]
        if text.startswith("**/", position) and (position == 0 or text[position - 1] == "/"):
            yield _FOLDERS
            position += 3
        elif character == "*":
            wide = text.startswith("**", position)
            yield Part(ANY if wide else NOT_SLASH, repeated=True)
            position += 2 if wide else 1
        elif character == "[":
            characters, position = _class(text, position)
            yield Part(characters)
        else:
            single, position = _single(text, position)
            yield Part(single)


def _single(text: str, position: int) -> tuple[Characters, int]:
    if text[position] == "?":
        return NOT_SLASH, position + 1
    if text[position] == "\\":
        position += 1
        if position == len(text):
            raise BadGlob("a backslash needs a character after it")
    return _one(text[position]), position + 1


def _one(character: str) -> Characters:
    return Characters(((ord(character), ord(character)),))


def _class(text: str, start: int) -> tuple[Characters, int]:
    end = text.find("]", start + 2)
    if end < 0:
        raise BadGlob("a bracket is not closed")
    body = text[start + 1 : end]
    negated = body[0] in "!^"
    body = body[1:] if negated else body
    ranges = []
    for match in re.finditer(r"(.)-(.)|(.)", body, re.DOTALL):
        low, high = (match[1], match[2]) if match[1] else (match[3], match[3])
        if low > high:
            raise BadGlob("a range of characters runs backwards")
        ranges.append((ord(low), ord(high)))
    characters = Characters(tuple(ranges))
    return (characters.negated() if negated else characters).without("/"), end + 1


def _expression(part: Part) -> str:
    if part.folders:
        return r"(?:(?s:.)*/)?"
    return part.characters.pattern() + ("*" if part.repeated else "")


def _meet(ours: Parts, theirs: Parts) -> bool:
    """Walks both at once: is there a way to both ends?"""
    machines = _machine(ours), _machine(theirs)
    waiting = [(0, 0)]
    seen = set(waiting)
    while waiting:
        one, other = waiting.pop()
        if one == len(machines[0]) and other == len(machines[1]):
            return True
        for after in _next(machines, one, other):
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return False


class _State(NamedTuple):
    """Characters lead on to `after`, as does nothing to `skips`."""

    characters: Characters
    after: tuple[int, ...]
    skips: tuple[int, ...]


def _machine(parts: Parts) -> list[_State]:
    """State n is before what comes n-th; folders take three: the choice, their text, the slash."""
    states: list[_State] = []
    for part in parts:
        place = len(states)
        if part.folders:
            states.append(_State(Characters(()), (), (place + 1, place + 3)))
            states.append(_State(ANY, (place + 1,), (place + 2,)))
            states.append(_State(_one("/"), (place + 3,), ()))
        elif part.repeated:
            states.append(_State(part.characters, (place,), (place + 1,)))
        else:
            states.append(_State(part.characters, (place + 1,), ()))
    return states


def _next(
    machines: tuple[Sequence[_State], Sequence[_State]], one: int, other: int
) -> Iterator[tuple[int, int]]:
    ours = machines[0][one] if one < len(machines[0]) else None
    theirs = machines[1][other] if other < len(machines[1]) else None
    for skip in ours.skips if ours else ():
        yield skip, other
    for skip in theirs.skips if theirs else ():
        yield one, skip
    if ours and theirs and ours.characters.meets(theirs.characters):
        yield from product(ours.after, theirs.after)

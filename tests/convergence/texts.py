"""What writers type: any text there is, or code points of which each is typed once."""

from collections.abc import Iterator
from itertools import chain
from random import Random

from libs.ot import Operation, Part, normal

# Families and flags of several code points, marks that combine, joiners alone, right-to-left, ends
# of lines. No halves of surrogate pairs: no message can hold them.
PIECES = (
    *("a", "b", "c", " ", "\n", "\r\n", "\x00", "é", "e\u0301", "\u0301", "a\u0323\u0307", "ﬃ"),
    *("שָׁ", "عَ", "\u202e", "क्षि", "각", "\u1112\u1161\u11ab", "漢字", "😀", "👍🏽", "👨‍👩‍👧‍👦"),
    *("🏳️‍🌈", "🇨🇭", "🇩🇪", "1️⃣", "\u200d", "\ufe0f", "\U0010ffff", "word ", "two words"),
)
# Letters, marks, emoji and private ones, on both sides of the end of the UTF-16 units.
_ONCE = (
    (0x300, 0x370),
    (0x4E00, 0x6000),
    (0x1F300, 0x1F700),
    (0xE0100, 0xE01F0),
    (0xF0000, 0xF1000),
)
_BLOCKS = [
    range(start, min(start + 16, end)) for begin, end in _ONCE for start in range(begin, end, 16)
]
_LONGEST = 120  # code points: writers then delete more than they type


class Typing:
    """A source of texts and of operations on texts."""

    def __init__(self, random: Random, *, once: bool) -> None:
        self._random = random
        self._once: Iterator[str] | None = None
        if once:
            self._once = map(chr, _shuffled(random))

    def text(self) -> str:
        """Something to type."""
        count = self._random.choice((1, 1, 1, 2, 5))
        if self._once is None:
            return "".join(self._random.choices(PIECES, k=count))
        return "".join(next(self._once) for _ in range(count))

    def operation(self, length: int) -> Operation:
        """Something to do to a text of so many code points; not nothing."""
        random = self._random
        parts: list[Part] = []
        for _ in range(random.choice((1, 1, 1, 1, 2, 3))):
            skipped = random.randint(0, length)
            length -= skipped
            deleted = min(length, self._deleted(length))
            length -= deleted
            parts += [skipped, -deleted]
            if not deleted or random.random() < 0.3:
                parts.append(self.text())
        return normal(parts)

    def _deleted(self, length: int) -> int:
        if self._random.random() < (0.8 if length > _LONGEST else 0.35):
            return self._random.choice((1, 1, 2, 5, 16))
        return 0


def _shuffled(random: Random) -> Iterator[int]:
    """The code points of `_ONCE`, in blocks, in any order."""
    places = list(_BLOCKS)
    random.shuffle(places)
    return chain.from_iterable(places)

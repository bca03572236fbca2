"""Somebody who writes: letter by letter, with typing errors, jumps, pastes and words taken back."""

from collections.abc import Iterator, Sequence
from random import Random

from libs.ot import NOTHING, Operation, apply, compose, normal, transform_both

_ERROR, _JUMP, _PASTE, _WORD_BACK = 0.03, 0.01, 0.002, 0.01  # shares of key strokes


class Typist:
    """Writes texts, one after the other, into a document."""

    def __init__(self, random: Random, texts: Sequence[str]) -> None:
        self._random = random
        self._keys = (key for text in texts for key in text + "\n")
        self._texts = texts
        self.caret = 0

    def stroke(self, text: str) -> Operation:
        """What the next key does to the text, with the caret where it then is."""
        random = self._random
        luck = random.random()
        if luck < _JUMP:
            self.caret = random.randint(0, len(text))
        elif luck < _JUMP + _ERROR and self.caret:
            return self._delete(1)
        elif luck < _JUMP + _ERROR + _WORD_BACK:
            word = self.caret - (text.rfind(" ", 0, self.caret - 1) + 1) if self.caret else 0
            return self._delete(word) if word else self._insert(next(self._keys))
        elif luck < _JUMP + _ERROR + _WORD_BACK + _PASTE:
            return self._insert(random.choice(self._texts))
        return self._insert(next(self._keys))

    def _insert(self, text: str) -> Operation:
        operation = normal([self.caret, text])
        self.caret += len(text)
        return operation

    def _delete(self, count: int) -> Operation:
        self.caret -= count
        return normal([self.caret, -count])


def trace(texts: Sequence[str], strokes: int, seed: int) -> list[Operation]:
    """What one person does to an empty document."""
    typist, text, made = Typist(Random(seed), texts), "", []
    for _ in range(strokes):
        made.append(typist.stroke(text))
        text = apply(text, made[-1])
    return made


def together(
    texts: Sequence[str], pairs: int, strokes: int, seed: int
) -> Iterator[tuple[Operation, Operation]]:
    """What two people do at the same time: so many strokes each, before they see the other's."""
    half = len(texts) // 2
    typists = [
        Typist(Random(seed + each), part) for each, part in enumerate((texts[:half], texts[half:]))
    ]
    text = "\n".join(texts[:20])
    for _ in range(pairs):
        one, other = (_strokes(typist, text, strokes) for typist in typists)
        yield one, other
        after = transform_both(one, other)[1]
        text = apply(apply(text, one), after)
        for typist in typists:
            typist.caret = min(typist.caret, len(text))


def _strokes(typist: Typist, text: str, strokes: int) -> Operation:
    done = NOTHING
    for _ in range(strokes):
        operation = typist.stroke(text)
        text, done = apply(text, operation), compose(done, operation)
    return done

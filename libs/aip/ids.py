"""Ids that sort by the time they were made: UUID version 7, which Python 3.11 lacks.

Knows nothing of what they name.
"""

import secrets
import time
from collections.abc import Callable
from threading import Lock
from uuid import UUID

_TAIL = 74  # bits after the timestamp that are ours: rand_a and rand_b
_RAND_B = 62  # bits, the lower part of the tail
_STEP = 32  # bits of randomness between two ids of one millisecond
_VERSION, _VARIANT = 7 << 76, 0b10 << 62


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class Uuid7:
    """Makes UUIDs, each greater than the one before, in any thread of one process.

    Within a millisecond, and while the clock is behind, the random part grows by a random step
    ("monotonic random"). Ids can be guessed from one another: they are names, not secrets.

    Source: RFC 9562, sections 5.7 and 6.2, method 2.
    """

    def __init__(
        self,
        clock: Callable[[], int] = _milliseconds,
        random_bits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        """`clock` gives milliseconds since 1970; it may stand still or run backwards."""
        self._clock, self._random_bits = clock, random_bits
        self._lock = Lock()
        self._time, self._tail = -1, 0

    def __call__(self) -> UUID:
        with self._lock:
            self._advance(self._clock())
            head = self._time << 80 | _VERSION | _VARIANT
            rand_a, rand_b = divmod(self._tail, 1 << _RAND_B)
            return UUID(int=head | rand_a << 64 | rand_b)

    def _advance(self, now: int) -> None:
        self._tail += 1 + self._random_bits(_STEP)
        if now > self._time or self._tail >> _TAIL:
            self._time = max(now, self._time + 1)
            self._tail = self._random_bits(_TAIL - 1)  # the upper half is room to grow


uuid7 = Uuid7()

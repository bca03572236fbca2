"""How long a client waits before it connects again: full jitter, so that clients do not come all at
once (Brooker, AWS Architecture Blog, 2015); and how often it says what may wait."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds: the longest first pause, the longest of all, and what counts as too soon after
    "too many"."""

    first: float = 0.2
    longest: float = 15.0
    crowded: float = 5.0

    def after(self, failures: int) -> float:
        """A pause at random after so many failures in a row: from 0 to a limit that doubles."""
        limit = min(self.longest, self.first * 2 ** min(failures, _MOST_DOUBLINGS))
        return random.uniform(0, limit)

    def in_crowd(self, failures: int) -> float:
        """The same when there were too many already."""
        return self.crowded + self.after(failures)


class Seldom:
    """Does something at once, and not again within so many seconds, however often it is asked for;
    but once more after these if it was."""

    def __init__(self, act: Callable[[], None], seconds: float) -> None:
        self._act, self._seconds = act, seconds
        self._resting = self._wanted = False

    def __call__(self) -> None:
        """Now, or as soon as it may."""
        if self._resting:
            self._wanted = True
            return
        self._resting = True
        self._act()
        asyncio.get_running_loop().call_later(self._seconds, self._rested)

    def _rested(self) -> None:
        self._resting = False
        if self._wanted:
            self._wanted = False
            self()


class Steady:
    """Lets so many through at once, then so many a second."""

    def __init__(self, at_once: float, a_second: float, now: float) -> None:
        self._most, self._rate = at_once, a_second
        self._allowance, self._at = at_once, now

    def next(self, now: float) -> float:
        """How many seconds the next one waits from `now` on."""
        gained = (now - self._at) * self._rate
        self._allowance, self._at = min(self._most, self._allowance + gained) - 1, now
        return max(0.0, -self._allowance / self._rate)

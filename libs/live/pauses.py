"""How long a client waits before it connects again: full jitter, so that clients do not come all at
once (Brooker, AWS Architecture Blog, 2015). Pure."""

import random
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

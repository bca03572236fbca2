"""How memories age: what fades, which tier that means, and what may go. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp

from services.memory.domain.feedback import moved
from services.memory.domain.memory import Layer, Stored, Tier

RATES: Mapping[Layer, float] = {  # a day
    Layer.AGENT: 0.1,
    Layer.USER: 0.03,
    Layer.SESSION: 0.05,
    Layer.PROJECT: 0.01,
    Layer.TEAM: 0.008,
    Layer.ORG: 0.005,
    Layer.COMPANY: 0.002,
}
WARM_BELOW, ARCHIVED_BELOW = 0.1, 0.01
_DAY = timedelta(days=1)


def faded(importance: float, rate: float, age: timedelta) -> float:
    """What is left of an importance: it falls by the factor exp(-rate) with each whole day.

    By the whole day, so that two answers of one day agree.

    Args:
        importance: 0 to 1.
        rate: A day, at least 0.
        age: Less than nothing is nothing.
    """
    return importance * exp(-rate * max(0, age // _DAY))


@dataclass(frozen=True, slots=True)
class Life:
    """How the memories of a tenant age.

    Attributes:
        rates: At which they fade, a day, by layer.
        warm_below, archived_below: The effective importance, 0 to 1, below which they are so;
            `archived_below` is not above `warm_below`.
    """

    rates: Mapping[Layer, float] = field(default_factory=lambda: RATES)
    warm_below: float = WARM_BELOW
    archived_below: float = ARCHIVED_BELOW

    def importance(self, memory: Stored, at: datetime) -> float:
        """The effective one: moved by feedback, then faded since the memory was confirmed.

        What people said fades with the rest: else one kind word would keep a memory for ever.
        """
        whole = moved(memory.importance, memory.feedback)
        return faded(whole, self.rates[memory.layer], at - memory.confirmed_at)

    def tier(self, memory: Stored, at: datetime) -> Tier:
        """Where it belongs."""
        importance = self.importance(memory, at)
        if importance < self.archived_below:
            return Tier.ARCHIVED
        return Tier.WARM if importance < self.warm_below else Tier.HOT


@dataclass(frozen=True, slots=True)
class Expiry:
    """What may be deleted: what is archived and unchanged since before one time, or untrue since
    before the other; None for nothing."""

    archived_before: datetime | None = None
    invalid_before: datetime | None = None

    def covers(self, memory: Stored) -> bool:
        """Whether it may go."""
        archived, invalid = self.archived_before, self.invalid_before
        return (
            archived is not None and memory.tier is Tier.ARCHIVED and memory.updated_at < archived
        ) or (invalid is not None and memory.valid_until < invalid)

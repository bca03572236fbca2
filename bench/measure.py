"""Timing: many calls at once, quantiles, and the spread of a figure over rounds.

Standard library only: the peers' environment imports it too. Knows nothing of what is timed.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds of a run."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The spread of one value per round; there is at least one."""
        each = list(values)
        return cls(median(each), min(each), max(each))

    @classmethod
    def ratio(cls, ours: Sequence[float], theirs: Sequence[float]) -> Self:
        """Of the quotients round by round, so that a slow moment of the machine hits both."""
        return cls.of([mine / peer for mine, peer in zip(ours, theirs, strict=True)])

    def __str__(self) -> str:
        return f"{_short(self.median)} ({_short(self.low)} to {_short(self.high)})"


@dataclass(frozen=True, slots=True)
class Sample:
    """Calls of one round: how long all took together, and each, in seconds."""

    seconds: float
    latencies: Sequence[float]

    @property
    def rate(self) -> float:
        """Calls per second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency that this share of the calls did not exceed, in milliseconds."""
        ranked = sorted(self.latencies)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))] * 1000


async def drive(
    work: Callable[[T], Awaitable[object]], items: Sequence[T], clients: int = 1
) -> Sample:
    """Calls `work` with each item, as so many clients that each wait for their answer."""
    waiting, latencies = iter(items), []

    async def client() -> None:
        for item in waiting:
            begun = time.perf_counter()
            await work(item)
            latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return Sample(time.perf_counter() - begun, latencies)


async def alternate(
    sides: Mapping[str, Callable[[int], Awaitable[Sample]]], rounds: int
) -> dict[str, list[Sample]]:
    """A sample of each side per round, the sides taking turns; a side is told the round."""
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            gc.collect()
            samples[name].append(await side(number))
    return samples


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Consecutive parts of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def _short(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.1g}"

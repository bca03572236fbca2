"""`python -m tests.convergence OPERATIONS`: plays episodes on all cores until so many were typed.

`--episode SEED` plays a single one again, such as one that failed.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from random import SystemRandom
from typing import Annotated

import typer

from tests.convergence.checks import played
from tests.convergence.oracle import compared
from tests.convergence.world import World

EPISODE = 400  # operations
_BATCH = 10  # episodes
_COMPARED = 20  # one episode in so many is played with the oracle as well


class Failed(Exception):
    """An episode did not hold."""


def main(
    operations: Annotated[int, typer.Argument(help="How many to type at least.")] = 200_000,
    seed: Annotated[
        int | None, typer.Option(help="Of the first episode; random if absent.")
    ] = None,
    episode: Annotated[int | None, typer.Option(help="Play this one, and no other.")] = None,
    processes: Annotated[int, typer.Option(help="At the same time.")] = os.cpu_count() or 1,
) -> None:
    """Many writers, a lossy network, replicas that are killed: all come to one text."""
    if episode is not None:
        print(f"episode {episode} holds: {_episode(episode).plan}")
        return
    first = SystemRandom().randrange(1 << 48) if seed is None else seed
    print(f"seeds from {first} on, {processes} processes", flush=True)
    _play(first, -(-operations // EPISODE), processes)


def _play(first: int, episodes: int, processes: int) -> None:
    begun = told = time.monotonic()
    done = 0
    with ProcessPoolExecutor(processes) as pool:
        for count in _results(pool, first, episodes, processes):
            done += count
            if time.monotonic() - told > 10 or done >= episodes:
                told = time.monotonic()
                _tell(done, episodes, told - begun)
    print(f"{done * EPISODE} operations, 0 divergences, 0 lost inserts")


def _results(pool: ProcessPoolExecutor, first: int, episodes: int, processes: int) -> Iterator[int]:
    """Of batches as they end in turn; few wait, so that a failure ends it soon."""
    batches = iter(range(first, first + episodes, _BATCH))
    waiting = [
        pool.submit(_batch, each, min(_BATCH, first + episodes - each))
        for each in islice(batches, 2 * processes)
    ]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [
            pool.submit(_batch, each, min(_BATCH, first + episodes - each))
            for each in islice(batches, 1)
        ]


def _batch(first: int, episodes: int) -> int:
    for seed in range(first, first + episodes):
        try:
            _episode(seed)
        except Exception as exc:
            raise Failed(f"episode {seed}: {type(exc).__name__}: {exc}") from exc
    return episodes


def _episode(seed: int) -> World:
    if seed % _COMPARED == 0:
        compared(seed, EPISODE)
    return played(seed, EPISODE)


def _tell(done: int, episodes: int, seconds: float) -> None:
    rate = done * EPISODE / seconds
    left = (episodes - done) * EPISODE / rate
    print(
        f"{done * EPISODE:>12,} operations  {seconds:6.0f} s  {rate:8,.0f}/s  {left:6.0f} s left",
        flush=True,
    )


if __name__ == "__main__":
    typer.run(main)

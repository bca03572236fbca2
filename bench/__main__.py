"""`python -m bench [name ...]`: runs benchmarks, writes their results and prints the tables."""

import json
from collections.abc import Awaitable, Callable
from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer
import uvloop

from bench.report import RESULTS, Report, machine


class Name(StrEnum):
    """What can be measured; `ot` and `peers` need the network the first time."""

    ENCRYPTION = "encryption"
    SEARCH = "search"
    ADD = "add"
    ROUTING = "routing"
    DECISIONS = "decisions"
    RETRIEVAL = "retrieval"
    CACHE = "cache"
    NEAR_DUPLICATES = "near-duplicates"
    MATRYOSHKA = "matryoshka"
    SCALE = "scale"
    ANOMALY = "anomaly"
    ERASURE = "erasure"
    BUDGETS = "budgets"
    DOCUMENTS = "documents"
    PRESENCE = "presence"
    OT = "ot"
    SOCKETS = "sockets"
    PEERS = "peers"


_MODULES = {name: f"bench.{name.replace('-', '_')}" for name in Name} | {
    Name.PEERS: "bench.peers.benchmark"
}


def main(
    names: Annotated[list[Name] | None, typer.Argument(help="Which; all when none.")] = None,
    *,
    quick: Annotated[
        bool, typer.Option("--quick/--full", help="Small sizes: shows that it runs, no more.")
    ] = False,
) -> None:
    """Measure against peers and limits; needs nothing running.

    Results go to bench/results as JSON and Markdown, NAME-quick for smoke runs.
    """
    for name in names or list(Name):
        about = machine()
        run: Callable[..., Awaitable[Report]] = import_module(_MODULES[name]).run
        report = uvloop.run(_report(run, quick=quick))
        typer.echo(report.write(about, suffix="-quick" if quick else ""))
        typer.echo(f"Results: {RESULTS}")
        if report.summary:
            typer.echo(json.dumps(report.summary))


async def _report(run: Callable[..., Awaitable[Report]], *, quick: bool) -> Report:
    return await run(quick=quick)


if __name__ == "__main__":
    typer.run(main)

"""What the audience sees: lines, checks, and the figures at the end."""

from __future__ import annotations  # gRPC's calls are generic in their stubs only

import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from math import ceil
from typing import Any

import grpc
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aeterna.common.v1.change_pb2 import Change
from cli.show import plain
from cli.views.common import operation
from libs.clients import ClientError, client_errors

_MARGIN = 10  # columns


class DemoFailed(Exception):
    """A step gave another result than it should."""

    def __init__(self, what: str, expected: object, got: object) -> None:
        super().__init__(f"{what}: expected {expected!r}, got {got!r}.")


class Stage:
    """The console, and what is counted."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def act(self, title: str) -> None:
        self.console.print()
        self.console.rule(Text(title, style="bold"), align="left")

    def say(self, text: str) -> None:
        """A remark."""
        self._line(Text(), Text(plain(text)))

    def quote(self, who: str, text: str, note: str = "") -> None:
        """Somebody's words, with a remark."""
        self._line(Text(who, "cyan"), Text.assemble(plain(text), (f"  {note}", "green")))

    def done(self, text: str, counted: str = "", number: int = 1) -> None:
        """A step that went as it should."""
        self._line(Text("ok", "bold green"), Text(plain(text)))
        if counted:
            self.counts[counted] += number

    def live(self, change: Change) -> None:
        """A change, as the subscriber sees it."""
        what = f"{change.number:>4}  {operation(change)} {change.resource[:24]}"
        line = f"{what} {change.layer} by {change.actor}"
        self._line(Text("live", "dim"), Text(plain(line), "dim"))

    def _line(self, margin: Text, text: Text) -> None:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=_MARGIN, justify="right")
        grid.add_column()
        grid.add_row(margin, text)
        self.console.print(grid)

    def check(self, what: str, got: object, expected: object) -> None:
        """Raises DemoFailed unless both are equal."""
        if got != expected:
            raise DemoFailed(what, expected, got)

    async def refused(self, what: str, call: Awaitable[Any], reason: str) -> ClientError:
        """Makes a call that has to fail for this reason."""
        try:
            with client_errors():
                await call
        except ClientError as error:
            self.check(what, error.reason, reason)
            self.refusals[reason] += 1
            answer = Text.assemble(f"{what}: ", (_reason(error), "yellow"))
            self._line(Text("no", "bold yellow"), answer)
            return error
        raise DemoFailed(what, reason, "an answer")

    def took(self, method: str, seconds: float) -> None:
        """How long a call took."""
        self._seconds[method].append(seconds)

    def summary(self) -> None:
        self.console.print()
        self.console.print(self._totals())
        self.console.print(self._latencies())

    def _totals(self) -> Table:
        table = Table(title="The day in numbers", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("what")
        table.add_column("count", justify="right")
        for what, number in self.counts.items():
            table.add_row(what, str(number))
        for reason, number in sorted(self.refusals.items()):
            table.add_row(f"refused: {reason}", str(number))
        return table

    def _latencies(self) -> Table:
        table = Table(title="How long calls took", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("call")
        for title in ("count", "p50 ms", "p95 ms", "max ms"):
            table.add_column(title, justify="right")
        for method, seconds in sorted(self._seconds.items()):
            shares = (percentile(seconds, share) for share in (0.5, 0.95, 1.0))
            table.add_row(method, str(len(seconds)), *(f"{each * 1000:.1f}" for each in shares))
        return table


class Stopwatch(grpc.aio.UnaryUnaryClientInterceptor):
    """Tells the stage how long each call took, failed ones too."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        method = client_call_details.method
        name = method.decode() if isinstance(method, bytes) else method
        begun = time.perf_counter()
        try:
            call = await continuation(client_call_details, request)
            await call
            return call
        finally:
            self._stage.took(name.rpartition("/")[2], time.perf_counter() - begun)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed; share in (0, 1]."""
    return sorted(values)[ceil(share * len(values)) - 1]


def _reason(error: ClientError) -> str:
    fields = "; ".join(f"{each.field} {each.description}" for each in error.violations)
    return f"{error.reason} ({fields or error})"

"""Remembering decisions, so that policies can be tried on them before they hold.

A sample for each tenant, without content. Whoever decides calls a `Recorder`, which neither waits
nor fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from libs.tenancy import Route

Question = Mapping[str, Any]  # as JSON has it: ids and names, never content


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision: what was asked, so that it can be asked again, and the answer.

    `policies` are the ids of those that decided; none when it was denied because none permits it.
    """

    action: str
    question: Question
    allowed: bool
    policies: Sequence[str] = ()


class Recorder(Protocol):
    """Keeps some of the decisions."""

    def record(self, route: Route, make: Callable[[], Decided]) -> None:
        """Keeps a decision or not; `make` is called if it does, and the writing is done later."""


class NoRecorder:
    """A `Recorder` that keeps none."""

    def record(self, route: Route, make: Callable[[], Decided]) -> None:
        return None

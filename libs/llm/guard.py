"""Counts what a language model costs, and stops asking one that fails.

A circuit breaker (Nygard, "Release It!", 2007): after some failures in a row nobody waits for the
model for a while; then one call tries it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from libs.errors import AppError
from libs.llm import Completion, LanguageModel, M, ModelUnavailable
from libs.metrics import MODEL_CALLS, MODEL_COST, MODEL_TOKENS

_PER = 1_000_000  # tokens that a price is for


@dataclass(frozen=True)
class Price:
    """Of a million tokens that a model reads, and writes."""

    read: Decimal
    written: Decimal
    currency: str

    def of(self, completion: Completion[M]) -> Decimal:
        return (self.read * completion.read + self.written * completion.written) / _PER


@dataclass
class GuardedModel:
    """`LanguageModel` in front of another.

    Attributes:
        failures: In a row, after which it is left alone.
        pause: How long.
        clock: Seconds, monotonic.
    """

    model: LanguageModel
    price: Price
    failures: int = 3
    pause: timedelta = timedelta(seconds=30)
    clock: Callable[[], float] = time.monotonic
    _failed: int = field(default=0, init=False)
    _closed_until: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, instructions: str, text: str, shape: type[M]) -> Completion[M]:
        """As the port says; fails at once while the model is left alone."""
        self._enter()
        try:
            completion = await self.model.ask(instructions, text, shape)
        except AppError as error:
            self._failed += 1
            self._pause()
            MODEL_CALLS.labels(self.name, error.reason).inc()
            raise
        self._failed = 0
        self._count(completion)
        return completion

    def _enter(self) -> None:
        """Raises ModelUnavailable while it is left alone; who comes after the pause, tries it."""
        if self._failed < self.failures:
            return
        if self.clock() < self._closed_until:
            MODEL_CALLS.labels(self.name, "LEFT_ALONE").inc()
            raise ModelUnavailable(self.name, "it failed several times; it is tried again soon")
        self._pause()

    def _pause(self) -> None:
        self._closed_until = self.clock() + self.pause.total_seconds()

    def _count(self, completion: Completion[M]) -> None:
        MODEL_CALLS.labels(self.name, "OK").inc()
        MODEL_TOKENS.labels(self.name, "read").inc(completion.read)
        MODEL_TOKENS.labels(self.name, "written").inc(completion.written)
        MODEL_COST.labels(self.name, self.price.currency).inc(float(self.price.of(completion)))

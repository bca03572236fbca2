"""Sees to it that a language model is paid for, and stops asking one that fails.

A circuit breaker (Nygard, "Release It!", 2007): after some failures in a row nobody waits for the
model for a while; then one call tries it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import BaseModel

from libs.errors import AppError
from libs.llm import Completion, LanguageModel, M, ModelUnavailable
from libs.metrics import MODEL_CALLS, MODEL_COST, MODEL_TOKENS
from libs.usage import Kind, Payer
from libs.usage.till import Bill, Quantities, Till

_FRAME = 256  # tokens that a server may put around what it is sent


@dataclass
class GuardedModel:
    """`LanguageModel` in front of another.

    Attributes:
        failures: In a row, after which it is left alone.
        pause: How long.
        clock: Seconds, monotonic.
    """

    model: LanguageModel
    till: Till
    longest: int  # tokens of an answer
    failures: int = 3
    pause: timedelta = timedelta(seconds=30)
    clock: Callable[[], float] = time.monotonic
    _failed: int = field(default=0, init=False)
    _closed_until: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(
        self, payer: Payer, instructions: str, text: str, shape: type[M]
    ) -> Completion[M]:
        """As the port says; fails at once while the model is left alone."""
        self._enter()
        bill = await self.till.admit(payer, self._most(instructions, text, shape))
        try:
            completion = await self.model.ask(payer, instructions, text, shape)
        except BaseException as error:
            await bill.void()
            if isinstance(error, AppError):
                self._note(error)
            raise
        self._failed = 0
        await self._settle(bill, completion)
        return completion

    def _most(self, instructions: str, text: str, shape: type[BaseModel]) -> Quantities:
        """What a call may use: a token is a byte of text at least."""
        sent = instructions + text + json.dumps(shape.model_json_schema())
        return {Kind.INPUT_TOKENS: len(sent.encode()) + _FRAME, Kind.OUTPUT_TOKENS: self.longest}

    def _note(self, error: AppError) -> None:
        self._failed += 1
        self._pause()
        MODEL_CALLS.labels(self.name, error.reason).inc()

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

    async def _settle(self, bill: Bill, completion: Completion[M]) -> None:
        MODEL_CALLS.labels(self.name, "OK").inc()
        MODEL_TOKENS.labels(self.name, "read").inc(completion.read)
        MODEL_TOKENS.labels(self.name, "written").inc(completion.written)
        used = {Kind.INPUT_TOKENS: completion.read, Kind.OUTPUT_TOKENS: completion.written}
        cost, currency = await bill.settle(used), self.till.prices.currency
        MODEL_COST.labels(self.name, currency).inc(float(cost or 0))

"""What embedding costs and what is saved: tokens, money, metrics, and an event for each use.

Knows no provider and no cache. Events and metrics hold no text; metrics name no tenant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import structlog

from libs.embedding import Purpose
from libs.metrics import (
    EMBEDDING_COST,
    EMBEDDING_SAVED_COST,
    EMBEDDING_SAVED_TOKENS,
    EMBEDDING_TOKENS,
)
from libs.tenancy import TenantId
from libs.usage import Kind, Payer
from libs.usage.till import Bill, Till

log = structlog.get_logger(__name__)

_FRAME = 8  # tokens that a model may put around a text


class Tier(StrEnum):
    """Where a vector came from."""

    EXACT = "exact"
    SEMANTIC = "semantic"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Usage:
    """Texts that one tenant had embedded together, or found in the cache.

    Attributes:
        tier: PROVIDER was paid for; of the others `tokens` and `amount` were saved.
        estimated: Whether the tokens are a guess, because the provider does not count them.
        amount: None when the price table does not know the model.
    """

    tenant: TenantId
    model: str
    purpose: Purpose
    tier: Tier
    texts: int
    tokens: int
    estimated: bool
    amount: Decimal | None
    currency: str
    prices: str  # version of the table


class UsageSink(Protocol):
    """Where usage goes; returns at once and never raises."""

    def record(self, usage: Usage) -> None: ...


class LoggedUsage:
    """`UsageSink` that writes a line for each event."""

    def record(self, usage: Usage) -> None:
        log.info(
            "embedding.used",
            tenant=usage.tenant,
            model=usage.model,
            purpose=usage.purpose.value,
            cached=usage.tier is not Tier.PROVIDER,
            tier=usage.tier.value,
            texts=usage.texts,
            tokens=usage.tokens,
            estimated=usage.estimated,
            amount=None if usage.amount is None else f"{usage.amount:f}",
            currency=usage.currency,
            prices=usage.prices,
        )


@dataclass(frozen=True)
class Meter:
    """Lets calls of one model be made, counts and tells what its texts cost."""

    model: str
    till: Till
    sink: UsageSink

    async def admit(self, payer: Payer, purpose: Purpose, texts: Sequence[str]) -> "Payment":
        """As `libs.embedding.batching.Payments`: a token is a byte of text at least."""
        most = sum(len(text.encode()) + _FRAME for text in texts)
        bill = await self.till.admit(payer, {Kind.EMBEDDING_TOKENS: most})
        return Payment(self, bill, payer.route.tenant, purpose)

    def record(
        self,
        tenant: TenantId,
        purpose: Purpose,
        tier: Tier,
        tokens: Sequence[int],
        *,
        estimated: bool = False,
    ) -> None:
        """Texts with so many tokens each came from the tier."""
        total = sum(tokens)
        amount, currency, prices = self.till.prices.charge(
            Kind.EMBEDDING_TOKENS, self.model, total, datetime.now(UTC)
        )
        if tier is Tier.PROVIDER:
            EMBEDDING_TOKENS.labels(self.model, "estimate" if estimated else "provider").inc(total)
            EMBEDDING_COST.labels(self.model, currency).inc(float(amount or 0))
        else:
            EMBEDDING_SAVED_TOKENS.labels(tier).inc(total)
            EMBEDDING_SAVED_COST.labels(tier, currency).inc(float(amount or 0))
        usage = Usage(
            tenant,
            self.model,
            purpose,
            tier,
            len(tokens),
            total,
            estimated,
            amount,
            currency,
            prices,
        )
        self.sink.record(usage)


@dataclass(frozen=True)
class Payment:
    """Of one call for one payer."""

    meter: Meter
    bill: Bill
    tenant: TenantId
    purpose: Purpose

    async def settle(self, tokens: Sequence[int], *, estimated: bool) -> None:
        """The call was answered."""
        self.meter.record(self.tenant, self.purpose, Tier.PROVIDER, tokens, estimated=estimated)
        await self.bill.settle({Kind.EMBEDDING_TOKENS: sum(tokens)}, estimated=estimated)

    async def void(self) -> None:
        """It was not."""
        await self.bill.void()

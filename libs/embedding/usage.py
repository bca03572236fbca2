"""What embedding costs and what is saved: tokens, money, metrics, and an event for each use.

Knows no provider and no cache. Events and metrics hold no text; metrics name no tenant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import structlog
from pydantic import BaseModel, ConfigDict, Field

from libs.embedding import Purpose
from libs.embedding.batching import Spent
from libs.metrics import (
    EMBEDDING_COST,
    EMBEDDING_SAVED_COST,
    EMBEDDING_SAVED_TOKENS,
    EMBEDDING_TOKENS,
)
from libs.tenancy import TenantId

log = structlog.get_logger(__name__)

_MILLION = 1_000_000


class Tier(StrEnum):
    """Where a vector came from."""

    EXACT = "exact"
    SEMANTIC = "semantic"
    PROVIDER = "provider"


class Prices(BaseModel):
    """A price table: whoever changes a price changes `version`, which every event carries."""

    model_config = ConfigDict(frozen=True)

    version: str = "openai-2024-01"
    currency: str = Field("USD", pattern="^[A-Z]{3}$")
    per_million_tokens: Mapping[str, Decimal] = {
        "text-embedding-3-small": Decimal("0.02"),
        "text-embedding-3-large": Decimal("0.13"),
        "text-embedding-ada-002": Decimal("0.10"),
    }

    def amount(self, model: str, tokens: int) -> Decimal | None:
        """What so many tokens cost, exactly; None when the table does not know the model."""
        price = self.per_million_tokens.get(model)
        return None if price is None else price * tokens / _MILLION


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
    """Counts and tells what the texts of one model cost."""

    model: str
    prices: Prices
    sink: UsageSink

    def spent(self, spent: Spent) -> None:
        """A call to the provider was answered."""
        tenant, purpose, tokens, estimated = spent
        self.record(tenant, purpose, Tier.PROVIDER, tokens, estimated=estimated)

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
        amount, currency = self.prices.amount(self.model, total), self.prices.currency
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
            self.prices.version,
        )
        self.sink.record(usage)

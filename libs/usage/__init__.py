"""What tenants use and what that costs: who pays, what was used, and how that is counted.

`prices` knows what things cost, `recorder` writes usage down in batches, `budgets` keeps spending
within what a tenant allows, `till` puts the three around the calls of a provider. Money is
decimal, and what has no price is unknown, never free.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from libs.tenancy import Route
from libs.usage.attribution import NOBODY, Attribution

__all__ = ["NOBODY", "Attribution", "Kind", "Payer", "Use"]


class Kind(StrEnum):
    """What can be used; the values are stored."""

    EMBEDDING_TOKENS = "embedding_tokens"
    INPUT_TOKENS = "input_tokens"  # that a language model read
    OUTPUT_TOKENS = "output_tokens"  # that it wrote
    REQUESTS = "requests"
    VECTOR_HOURS = "vector_hours"  # vectors stored, each for an hour
    BYTE_HOURS = "byte_hours"  # bytes stored, each for an hour
    EXTERNAL = "external"  # calls that others made, and settled here


class Payer(NamedTuple):
    """In whose name a provider is called."""

    route: Route
    attribution: Attribution = NOBODY


@dataclass(frozen=True, slots=True)
class Use:
    """Something that was used.

    Attributes:
        service: Which of ours did it.
        model: "" where none is involved.
        estimated: Whether nobody counted the quantity.
        amount: What it cost; None when its price is not known.
        prices: The version of the price table.
    """

    at: datetime
    service: str
    kind: Kind
    model: str
    attribution: Attribution
    quantity: Decimal
    amount: Decimal | None
    currency: str
    prices: str
    estimated: bool = False

    def fields(self) -> Mapping[str, Any]:
        """As `aeterna.record_usage` takes it."""
        return {
            "used_at": self.at.isoformat(),
            "service": self.service,
            "kind": self.kind.value,
            "model": self.model,
            **self.attribution._asdict(),
            "quantity": f"{self.quantity:f}",
            "estimated": self.estimated,
            "amount": None if self.amount is None else f"{self.amount:f}",
            "currency": self.currency,
            "prices": self.prices,
        }

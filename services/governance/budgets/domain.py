"""What a budget is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from libs.usage.attribution import NOBODY, Attribution
from services.governance.budgets.errors import BudgetVersionMismatch

THRESHOLDS = (Decimal(80), Decimal(90), Decimal(100))  # percent
CALLS_PER_MINUTE = 6
MUTABLE = ("limit", "threshold_percents", "action", "calls_per_minute")


class Period(StrEnum):
    """When a budget begins anew; the values are stored."""

    MONTH = "month"
    DAY = "day"
    ROLLING = "rolling"


class Action(StrEnum):
    """What happens when it is spent; the values are stored."""

    NOTIFY = "notify"
    THROTTLE = "throttle"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Budget:
    """So much money for a time.

    Attributes:
        attribution: Whom it is for; "" for any.
        model: "" for any, and what involves none.
        window_hours: Of a rolling one, the present hour included; else 0.
        thresholds: Percent, ascending.
    """

    id: str
    limit: Decimal
    currency: str
    attribution: Attribution = NOBODY
    model: str = ""
    period: Period = Period.MONTH
    window_hours: int = 0
    thresholds: Sequence[Decimal] = THRESHOLDS
    action: Action = Action.NOTIFY
    calls_per_minute: int = CALLS_PER_MINUTE
    version: int = 1
    number: int = 0  # of the change that made this version

    def changed(self, expected: int, values: dict[str, Any]) -> "Budget":
        """The next version; `expected`: 0 for any. Raises BudgetVersionMismatch."""
        self.check(expected)
        return replace(self, **values, version=self.version + 1)

    def check(self, expected: int) -> None:
        """Raises BudgetVersionMismatch unless this is the version that is expected."""
        if expected not in (0, self.version):
            raise BudgetVersionMismatch(self.id, expected, self.version)


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget, and how far it is spent."""

    budget: Budget
    spent: Decimal
    held: Decimal
    since: datetime
    reached: Decimal
    created_at: datetime
    updated_at: datetime

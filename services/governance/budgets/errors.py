"""What is refused about budgets, and why; about spending: `libs.usage.errors`."""

from libs.errors import AppError, Kind


class BudgetNotFound(AppError):
    """There is no such budget."""

    kind, reason = Kind.NOT_FOUND, "BUDGET_NOT_FOUND"

    def __init__(self, budget: str) -> None:
        super().__init__(f"There is no budgets/{budget}.", budget=f"budgets/{budget}")


class BudgetAlreadyExists(AppError):
    """The id is taken."""

    kind, reason = Kind.ALREADY_EXISTS, "BUDGET_ALREADY_EXISTS"

    def __init__(self, budget: str) -> None:
        super().__init__(f"budgets/{budget} exists already.", budget=f"budgets/{budget}")


class TooManyBudgets(AppError):
    """Every reservation looks at all of a tenant's budgets."""

    kind, reason = Kind.PRECONDITION, "TOO_MANY_BUDGETS"

    def __init__(self, most: int) -> None:
        super().__init__(f"A tenant has {most} budgets at most.", most=str(most))


class BudgetVersionMismatch(AppError):
    """The budget has changed since the version that the caller saw."""

    kind, reason = Kind.CONFLICT, "VERSION_MISMATCH"

    def __init__(self, budget: str, expected: int, current: int) -> None:
        super().__init__(
            f"budgets/{budget} has version {current}, not {expected}.",
            budget=f"budgets/{budget}",
            expectedVersion=str(expected),
            currentVersion=str(current),
        )

"""What is refused, and why."""

from uuid import UUID

from libs.constraints.stored import COLLECTION
from libs.errors import AppError, Kind


class PolicyExists(AppError):
    """The layer and scope have a policy of this key."""

    kind, reason = Kind.ALREADY_EXISTS, "CONSTRAINT_POLICY_ALREADY_EXISTS"

    def __init__(self, policy: UUID) -> None:
        name = f"{COLLECTION}/{policy}"
        super().__init__(f"{name} has the same key, layer and scope.", constraintPolicy=name)


class PolicyVersionMismatch(AppError):
    """The policy has changed since the version that the caller saw."""

    kind, reason = Kind.CONFLICT, "VERSION_MISMATCH"

    def __init__(self, policy: UUID, current: str) -> None:
        name = f"{COLLECTION}/{policy}"
        super().__init__(
            f"{name} has the etag {current} now.", constraintPolicy=name, currentEtag=current
        )


class PoliciesChanged(AppError):
    """Another policy changed while this one was judged; it is judged anew."""

    kind, reason = Kind.CONFLICT, "CONSTRAINT_POLICIES_CHANGED"

    def __init__(self) -> None:
        super().__init__("Other policies have changed meanwhile; try again.")


class PolicyOfItem(AppError):
    """A knowledge item says what the policy is: it changes by that item's own life."""

    kind, reason = Kind.PRECONDITION, "POLICY_OF_ITEM"

    def __init__(self, policy: UUID, source: UUID) -> None:
        name, item = f"{COLLECTION}/{policy}", f"knowledgeItems/{source}"
        message = f"{name} is what {item} says: deprecate or supersede that."
        super().__init__(message, constraintPolicy=name, knowledgeItem=item)


class CheckTooLarge(AppError):
    """The rules would have to look at too much."""

    kind, reason = Kind.PRECONDITION, "CHECK_TOO_LARGE"

    def __init__(self, what: str, size: int, most: int) -> None:
        super().__init__(
            f"The rules would look at {size} {what}, at most {most} at once.",
            what=what,
            size=str(size),
            most=str(most),
        )


class ReportNotFound(AppError):
    """There is no such report in the tenant."""

    kind, reason = Kind.NOT_FOUND, "DRIFT_REPORT_NOT_FOUND"

    def __init__(self, report: UUID) -> None:
        name = f"driftReports/{report}"
        super().__init__(f"There is no {name}.", driftReport=name)


class SuppressionNotFound(AppError):
    """There is no such suppression in the tenant."""

    kind, reason = Kind.NOT_FOUND, "DRIFT_SUPPRESSION_NOT_FOUND"

    def __init__(self, suppression: UUID) -> None:
        name = f"driftSuppressions/{suppression}"
        super().__init__(f"There is no {name}.", driftSuppression=name)

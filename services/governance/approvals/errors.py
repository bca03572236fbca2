"""What is refused, and why."""

from uuid import UUID

from libs.approvals import COLLECTION, State
from libs.errors import AppError, Kind


def _name(request: UUID) -> str:
    return f"{COLLECTION}/{request}"


class RequestNotFound(AppError):
    """There is no such request in the tenant."""

    kind, reason = Kind.NOT_FOUND, "APPROVAL_REQUEST_NOT_FOUND"

    def __init__(self, request: UUID) -> None:
        super().__init__(f"There is no {_name(request)}.", approvalRequest=_name(request))


class RequestPending(AppError):
    """The same thing waits for a decision already."""

    kind, reason = Kind.ALREADY_EXISTS, "APPROVAL_REQUEST_PENDING"

    def __init__(self, request: UUID) -> None:
        name = _name(request)
        super().__init__(f"{name} asks for the same.", approvalRequest=name)


class TargetNotFound(AppError):
    """Nothing of this name was ever written."""

    kind, reason = Kind.NOT_FOUND, "APPROVAL_TARGET_NOT_FOUND"

    def __init__(self, target: str) -> None:
        super().__init__(f"There is no {target}.", target=target)


class NotPending(AppError):
    """The request has ended: nothing is left to decide."""

    kind, reason = Kind.PRECONDITION, "APPROVAL_NOT_PENDING"

    def __init__(self, request: UUID, state: State) -> None:
        name = _name(request)
        super().__init__(f"{name} is {state}.", approvalRequest=name, state=state.value)


class NotApproved(AppError):
    """Only what was approved can be carried out, and once."""

    kind, reason = Kind.PRECONDITION, "NOT_APPROVED"

    def __init__(self, request: UUID, state: State) -> None:
        name = _name(request)
        super().__init__(f"{name} is {state}.", approvalRequest=name, state=state.value)


class AppliedByService(AppError):
    """The service that owns the thing carries the request out by itself."""

    kind, reason = Kind.PRECONDITION, "APPLIED_BY_SERVICE"

    def __init__(self, request: UUID) -> None:
        name = _name(request)
        message = f"{name} is carried out by the service that owns its target."
        super().__init__(message, approvalRequest=name)


class PayloadMismatch(AppError):
    """What is to be carried out is not what was approved."""

    kind, reason = Kind.PRECONDITION, "PAYLOAD_MISMATCH"

    def __init__(self, request: UUID) -> None:
        name = _name(request)
        super().__init__(f"{name} was approved for another payload.", approvalRequest=name)


class SelfApproval(AppError):
    """Nobody decides on what he asked for or wrote, nor does an agent or a delegate for him."""

    kind, reason = Kind.DENIED, "SELF_APPROVAL"

    def __init__(self, request: UUID) -> None:
        name = _name(request)
        super().__init__(
            f"{name} is about the caller's own: somebody else has to decide.", approvalRequest=name
        )


class AgentMayNotDecide(AppError):
    """People decide."""

    kind, reason = Kind.DENIED, "AGENT_MAY_NOT_DECIDE"

    def __init__(self) -> None:
        super().__init__("Approvals are decided and delegated by people, not by their agents.")


class NotAnApprover(AppError):
    """The caller has no right to decide, of his own or delegated."""

    kind, reason = Kind.DENIED, "NOT_AN_APPROVER"

    def __init__(self, request: UUID) -> None:
        name = _name(request)
        super().__init__(f"The caller may not decide on {name}.", approvalRequest=name)


class NotTheRequester(AppError):
    """Only who asked, or an administrator, may take it back or carry it out."""

    kind, reason = Kind.DENIED, "NOT_THE_REQUESTER"

    def __init__(self, request: UUID) -> None:
        name = _name(request)
        super().__init__(f"{name} was asked for by somebody else.", approvalRequest=name)


class AlreadyDecided(AppError):
    """A person decides once, and each right to decide is used once."""

    kind, reason = Kind.ALREADY_EXISTS, "ALREADY_DECIDED"

    def __init__(self, request: UUID) -> None:
        name = _name(request)
        super().__init__(f"The caller's decision on {name} is made.", approvalRequest=name)


class TooFewApprovers(AppError):
    """The configuration names fewer people who may decide than have to approve."""

    kind, reason = Kind.PRECONDITION, "TOO_FEW_APPROVERS"

    def __init__(self, found: int, needed: int) -> None:
        super().__init__(
            f"{found} people may decide on this, and {needed} have to.",
            approvers=str(found),
            needed=str(needed),
        )


class DelegationNotFound(AppError):
    """There is no such delegation, or it is somebody else's."""

    kind, reason = Kind.NOT_FOUND, "APPROVAL_DELEGATION_NOT_FOUND"

    def __init__(self, delegation: UUID) -> None:
        name = f"approvalDelegations/{delegation}"
        super().__init__(f"There is no {name}.", approvalDelegation=name)


class ConfigNotFound(AppError):
    """The scope has no configuration of its own."""

    kind, reason = Kind.NOT_FOUND, "APPROVAL_CONFIG_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("The scope has no configuration of its own.")


class ConfigVersionMismatch(AppError):
    """The configuration has changed since the version that the caller saw."""

    kind, reason = Kind.CONFLICT, "VERSION_MISMATCH"

    def __init__(self, current: str) -> None:
        super().__init__(
            f"The configuration has the etag {current or '(none)'} now.", currentEtag=current
        )

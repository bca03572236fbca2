"""What is refused, and why."""

from uuid import UUID

from libs.auth.roles import Role
from libs.errors import AppError, Kind


class RoleBindingNotFound(AppError):
    """There is no such binding in the tenant."""

    kind, reason = Kind.NOT_FOUND, "ROLE_BINDING_NOT_FOUND"

    def __init__(self, binding: UUID) -> None:
        super().__init__(f"There is no roleBindings/{binding}.", roleBinding=str(binding))


class RoleAboveOwn(AppError):
    """Somebody wants to give or take a role that is above all that he has in the scope."""

    kind, reason = Kind.DENIED, "ROLE_ABOVE_OWN"

    def __init__(self, role: Role) -> None:
        super().__init__(f"The role {role} is above every role of yours here.", role=role)


class OwnSuspension(AppError):
    """Whoever suspends himself could not take it back."""

    kind, reason = Kind.PRECONDITION, "OWN_SUSPENSION"

    def __init__(self) -> None:
        super().__init__("Nobody suspends himself.")


class UserNotSuspended(AppError):
    """There is no suspension to end."""

    kind, reason = Kind.NOT_FOUND, "USER_NOT_SUSPENDED"

    def __init__(self) -> None:
        super().__init__("The user is not suspended.")


class AgentNotFound(AppError):
    """No agent has this id in the tenant."""

    kind, reason = Kind.NOT_FOUND, "AGENT_NOT_FOUND"

    def __init__(self, agent: str) -> None:
        super().__init__(f"There is no agents/{agent}.", agent=agent)


class AgentAlreadyExists(AppError):
    """The id is taken, be it by an agent that was revoked."""

    kind, reason = Kind.ALREADY_EXISTS, "AGENT_ALREADY_EXISTS"

    def __init__(self, agent: str) -> None:
        super().__init__(f"agents/{agent} exists already.", agent=agent)


class AgentRevoked(AppError):
    """What was revoked stays so."""

    kind, reason = Kind.PRECONDITION, "AGENT_REVOKED"

    def __init__(self, agent: str) -> None:
        super().__init__(f"agents/{agent} was revoked.", agent=agent)


class NotOwner(AppError):
    """Only its owner and administrators change an agent."""

    kind, reason = Kind.DENIED, "NOT_AGENT_OWNER"

    def __init__(self, agent: str) -> None:
        message = f"agents/{agent} is changed by its owner and by administrators."
        super().__init__(message, agent=agent)


class BeyondOwn(AppError):
    """An agent wants to give what it does not have."""

    kind, reason = Kind.DENIED, "BEYOND_OWN_GRANT"

    def __init__(self, what: str) -> None:
        super().__init__(f"An agent gives nothing that is not its own: {what}.", beyond=what)


class EtagMismatch(AppError):
    """The thing has changed since the caller saw it."""

    kind, reason = Kind.CONFLICT, "ETAG_MISMATCH"

    def __init__(self, name: str, current: str) -> None:
        super().__init__(f"{name} has changed: its etag is {current}.", name=name, etag=current)


class TooMany(AppError):
    """A tenant has as many as it may."""

    kind, reason = Kind.PRECONDITION, "LIMIT_REACHED"

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"A tenant has at most {most} {what}.", kind=what, limit=str(most))


class PolicyNotFound(AppError):
    """No policy has this id in the tenant."""

    kind, reason = Kind.NOT_FOUND, "AUTHORIZATION_POLICY_NOT_FOUND"

    def __init__(self, policy: str) -> None:
        super().__init__(f"There is no authorizationPolicies/{policy}.", policy=policy)


class PolicyVersionNotFound(AppError):
    """The policy has no such version."""

    kind, reason = Kind.NOT_FOUND, "AUTHORIZATION_POLICY_VERSION_NOT_FOUND"

    def __init__(self, policy: str, version: int) -> None:
        message = f"authorizationPolicies/{policy} has no version {version}."
        super().__init__(message, policy=policy, version=str(version))


class PolicyAlreadyExists(AppError):
    """The id is taken."""

    kind, reason = Kind.ALREADY_EXISTS, "AUTHORIZATION_POLICY_ALREADY_EXISTS"

    def __init__(self, policy: str) -> None:
        super().__init__(f"authorizationPolicies/{policy} exists already.", policy=policy)


class PolicyNotValid(AppError):
    """What was valid once is not for this release."""

    kind, reason = Kind.PRECONDITION, "POLICY_NOT_VALID"

    def __init__(self, policy: str, version: int) -> None:
        message = f"Version {version} of authorizationPolicies/{policy} is not valid: validate it."
        super().__init__(message, policy=policy, version=str(version))


class NothingToRollBackTo(AppError):
    """No version was active before."""

    kind, reason = Kind.PRECONDITION, "NOTHING_TO_ROLL_BACK_TO"

    def __init__(self, policy: str) -> None:
        message = f"No version of authorizationPolicies/{policy} was active before."
        super().__init__(message, policy=policy)

"""Whether a policy can stand beside those that a tenant has. Pure."""

from collections.abc import Iterable, Sequence

from libs.constraints import ORDER, Merge, Policy
from libs.constraints.conflicts import Conflict, conflicts_with
from libs.constraints.stored import MOST, MOST_RULES, Stored
from libs.errors import AppError, Kind


class TooManyPolicies(AppError):
    """The tenant has as many as can be resolved."""

    kind, reason = Kind.PRECONDITION, "TOO_MANY_CONSTRAINT_POLICIES"

    def __init__(self, most: int) -> None:
        super().__init__(f"A tenant has at most {most} policies.", most=str(most))


class TooManyRules(AppError):
    """The policies of the tenant have as many rules as can be held against each other."""

    kind, reason = Kind.PRECONDITION, "TOO_MANY_CONSTRAINT_RULES"

    def __init__(self, most: int) -> None:
        super().__init__(f"The policies of a tenant have at most {most} rules.", most=str(most))


class MandatoryPolicy(AppError):
    """The policy would change what a mandatory one in a broader layer says."""

    kind, reason = Kind.PRECONDITION, "MANDATORY_POLICY"

    def __init__(self, policy: str, rules: Sequence[str]) -> None:
        about = f"its rules {', '.join(rules)}" if rules else "what it says"
        super().__init__(
            f"{policy} is mandatory: lower layers cannot change {about}.",
            constraintPolicy=policy,
            rules=", ".join(rules),
        )


class ConstraintConflict(AppError):
    """The policy contradicts itself or a mandatory one."""

    kind, reason = Kind.PRECONDITION, "CONSTRAINT_CONFLICT"

    def __init__(self, conflict: Conflict) -> None:
        other = conflict.other
        super().__init__(
            f"Rule {conflict.one.rule.id} and rule {other.rule.id} of {other.policy.name} cannot"
            f" both be kept: {conflict.kind}.",
            conflict=conflict.kind.value,
            rule=conflict.one.rule.id,
            otherRule=other.rule.id,
            otherPolicy=other.policy.name,
        )


def check_room(policies: Iterable[Stored], policy: Stored) -> None:
    """Raises TooManyPolicies or TooManyRules when there is no room for one more, or for what one of
    them becomes."""
    others = [each for each in policies if each.id != policy.id]
    if len(others) >= MOST:
        raise TooManyPolicies(MOST)
    if sum(each.rules for each in others) + policy.rules > MOST_RULES:
        raise TooManyRules(MOST_RULES)


def check_policy(policy: Policy, others: Sequence[Policy]) -> list[Conflict]:
    """The conflicts to warn of.

    Raises:
        MandatoryPolicy, ConstraintConflict: The policy cannot stand beside the others.
    """
    for other in others:
        if _is_above(other, policy):
            _check_mandatory(other, policy)
    found = conflicts_with(policy, others)
    for conflict in found:
        other = conflict.other.policy
        if conflict.certain and (other is policy or _rules_over(other, policy)):
            raise ConstraintConflict(conflict)
    return found


def _rules_over(other: Policy, policy: Policy) -> bool:
    """Whether the other is mandatory, and not one that the new policy itself would rule over."""
    return other.mandatory and ORDER[other.layer] <= ORDER[policy.layer]


def _is_above(other: Policy, policy: Policy) -> bool:
    return (
        other.mandatory
        and other.key == policy.key
        and ORDER[other.layer] < ORDER[policy.layer]
        and other.meets(policy)
    )


def _check_mandatory(above: Policy, policy: Policy) -> None:
    shared = sorted({rule.id for rule in above.rules} & {rule.id for rule in policy.rules})
    if shared or policy.merge is not Merge.MERGE:
        raise MandatoryPolicy(above.name, shared)

"""Whether a policy can stand beside others: room, mandatory ones, contradictions."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from libs.constraints import Layer, Merge, Mode, Operator
from libs.constraints.standing import (
    ConstraintConflict,
    MandatoryPolicy,
    TooManyPolicies,
    TooManyRules,
    check_policy,
    check_room,
)
from libs.constraints.stored import MOST, MOST_RULES, Stored
from libs.scope import Scope
from tests.unit.constraints.factories import policy, rule

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stored(number: int, rules: int = 1) -> Stored:
    return Stored(
        id=UUID(int=number),
        key=f"k{number}",
        layer=Layer.COMPANY,
        scope=Scope(),
        mode=Mode.OPTIONAL,
        merge=Merge.MERGE,
        source=None,
        rules=rules,
        author="ann",
        version=1,
        number=1,
        document=b"",
        created_at=NOW,
        updated_at=NOW,
    )


def test_there_is_room_for_so_many_policies_and_rules() -> None:
    full = [stored(number) for number in range(1, MOST + 1)]

    check_room(full, stored(1))  # one of them, as it will be
    with pytest.raises(TooManyPolicies):
        check_room(full, stored(MOST + 1))
    check_room(full[:1], stored(2, MOST_RULES - 1))
    with pytest.raises(TooManyRules):
        check_room(full[:1], stored(2, MOST_RULES))


FIRM = policy(rule(), mode=Mode.MANDATORY, name="firm")
DEMAND = rule(id="use", operator=Operator.MUST_USE)


@pytest.mark.parametrize("merge", Merge)
def test_what_is_mandatory_above_is_not_changed(merge: Merge) -> None:
    below = policy(rule(id="other", pattern="x"), layer=Layer.TEAM, merge=merge)

    if merge is Merge.MERGE:
        assert check_policy(below, [FIRM]) == []
        return
    with pytest.raises(MandatoryPolicy):
        check_policy(below, [FIRM])


def test_a_rule_of_the_same_id_as_a_mandatory_one_is_refused() -> None:
    with pytest.raises(MandatoryPolicy) as raised:
        check_policy(policy(rule(pattern="x"), layer=Layer.TEAM), [FIRM])

    assert raised.value.metadata == {"constraintPolicy": "firm", "rules": "r"}


def test_scopes_that_never_meet_do_not_bind_each_other() -> None:
    firm = policy(rule(), mode=Mode.MANDATORY, layer=Layer.ORG, scope=Scope(org_id="o"))
    below = policy(
        rule(pattern="x"), DEMAND, layer=Layer.TEAM, scope=Scope(org_id="p", team_id="t")
    )

    assert check_policy(below, [firm]) == []


def test_a_contradiction_is_refused_where_the_other_rules_over_it() -> None:
    demanding = policy(DEMAND, key="clients", layer=Layer.TEAM)

    with pytest.raises(ConstraintConflict):
        check_policy(demanding, [FIRM])
    assert len(check_policy(demanding, [policy(rule())])) == 1
    assert len(check_policy(FIRM, [demanding])) == 1  # that one gives way
    with pytest.raises(ConstraintConflict):
        check_policy(policy(rule(), DEMAND), [])

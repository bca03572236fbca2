"""What holds in a scope: properties over any set of policies."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from libs.constraints import Layer, Merge, Mode, Policy
from libs.constraints.resolution import Fate, resolve
from libs.scope import Scope
from tests.unit.constraints.factories import HERE, policy, rule

RULES = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True)


@st.composite
def chains(draw: st.DrawFn) -> list[Policy]:
    """Policies of two keys in any layers; each rule's pattern tells whose it is."""
    count = draw(st.integers(1, 8))
    found = []
    for place in range(count):
        rules = [rule(id=each, pattern=f"{each}{place}") for each in draw(RULES)]
        found.append(
            policy(
                *rules,
                name=f"constraintPolicies/{place}",
                key=draw(st.sampled_from("kl")),
                layer=draw(st.sampled_from(Layer)),
                mode=draw(st.sampled_from(Mode)),
                merge=draw(st.sampled_from(Merge)),
            )
        )
    return found


@given(chains())
def test_every_rule_holds_or_is_dropped_with_a_reason(policies: list[Policy]) -> None:
    found = resolve(policies, HERE)

    held = [(each.policy.name, each.rule.id) for each in found.held]
    dropped = [(each.policy.name, each.rule.id) for each in found.dropped]
    given_rules = [(each.name, rule.id) for each in policies for rule in each.rules]
    assert sorted(held + dropped) == sorted(given_rules)


@given(chains())
def test_one_rule_of_an_id_holds(policies: list[Policy]) -> None:
    ids = [(each.policy.key, each.rule.id) for each in resolve(policies, HERE).held]

    assert len(ids) == len(set(ids))


@given(chains(), st.data())
def test_nothing_below_changes_what_a_mandatory_policy_says(
    policies: list[Policy], data: st.DataObject
) -> None:
    """Take the policies apart at any layer: what is mandatory above holds with and without."""
    layer = data.draw(st.sampled_from(Layer))
    layers = list(Layer)
    above = [each for each in policies if layers.index(each.layer) < layers.index(layer)]
    before = {each for each in _held(above) if each[2]}

    assert before <= set(_held(policies))


@given(chains(), st.randoms())
def test_the_order_in_which_policies_are_given_does_not_matter(
    policies: list[Policy], random: Random
) -> None:
    shuffled = list(policies)
    random.shuffle(shuffled)

    assert _held(shuffled) == _held(policies)


def _held(policies: list[Policy]) -> list[tuple[str, str, bool]]:
    return [
        (each.policy.name, each.rule.pattern, each.policy.mandatory)
        for each in resolve(policies, HERE).held
    ]


def _pair(merge: Merge, mode: Mode = Mode.OPTIONAL) -> list[Policy]:
    above = policy(rule(id="a", pattern="up"), rule(id="b", pattern="up"), name="up", mode=mode)
    below = policy(
        rule(id="b", pattern="down"),
        rule(id="c", pattern="down"),
        name="down",
        layer=Layer.TEAM,
        merge=merge,
    )
    return [above, below]


def _patterns(policies: list[Policy]) -> dict[str, str]:
    return {each.rule.id: each.rule.pattern for each in resolve(policies, HERE).held}


def test_the_merges() -> None:
    assert _patterns(_pair(Merge.OVERRIDE)) == {"b": "down", "c": "down"}
    assert _patterns(_pair(Merge.MERGE)) == {"a": "up", "b": "down", "c": "down"}
    assert _patterns(_pair(Merge.INTERSECT)) == {"b": "down"}


def test_the_merges_below_a_mandatory_policy() -> None:
    mode = Mode.MANDATORY

    assert _patterns(_pair(Merge.OVERRIDE, mode)) == {"a": "up", "b": "up", "c": "down"}
    assert _patterns(_pair(Merge.MERGE, mode)) == {"a": "up", "b": "up", "c": "down"}
    assert _patterns(_pair(Merge.INTERSECT, mode)) == {"a": "up", "b": "up"}
    fates = {each.rule.id: each.fate for each in resolve(_pair(Merge.MERGE, mode), HERE).dropped}
    assert fates == {"b": Fate.MANDATORY}


def test_a_policy_applies_where_its_ids_are_the_scope_s_own() -> None:
    team = policy(rule(), layer=Layer.TEAM, scope=Scope(team_id="t"))
    in_org = policy(rule(), layer=Layer.TEAM, scope=Scope(org_id="o", team_id="t"))

    assert team.applies_in(HERE)
    assert not team.applies_in(Scope(org_id="o"))
    assert not team.applies_in(Scope(team_id="u"))
    assert in_org.applies_in(HERE)
    assert not in_org.applies_in(Scope(org_id="p", team_id="t"))

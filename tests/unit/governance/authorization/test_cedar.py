"""Which texts a tenant may have as policies, and what is said of the others."""

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.governance.authorization.domain.cedar import Grammar, Problem, annotations

SCHEMA = """
namespace Aeterna {
  entity Role;
  entity Tenant;
  entity User in [Role] { tenant: String };
  entity Memory { layer: String, status: String };
  action "memory:read", "memory:write", "platform:administer";
  action GetMemory in ["memory:read"] appliesTo { principal: [User], resource: [Memory] };
  action CreateMemory in ["memory:write"] appliesTo { principal: [User], resource: [Memory] };
  action CreateTenant in ["platform:administer"]
    appliesTo { principal: [User], resource: [Tenant] };
}
"""
GRAMMAR = Grammar(
    cedarpy.Schema.from_str(SCHEMA),
    {
        "memory:read": frozenset({"GetMemory"}),
        "memory:write": frozenset({"CreateMemory"}),
        "platform:administer": frozenset({"CreateTenant"}),
    },
    frozenset({"platform:administer"}),
)
GOOD = """@advice("not in the company layer")
forbid (
  principal,
  action == Aeterna::Action::"CreateMemory",
  resource
)
when { resource.layer == "company" };
"""
PERMIT = 'permit (principal, action in Aeterna::Action::"memory:read", resource);'


def examine(text: str) -> list[Problem]:
    return GRAMMAR.examine(text, "acme")


@pytest.mark.parametrize("text", [GOOD, PERMIT, "forbid (principal, action, resource);"])
def test_a_policy_that_a_tenant_may_have(text: str) -> None:
    assert examine(text) == []


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD.replace("resource.layer", "resource.layr"), 7, "`layr`"),
        (GOOD.replace("CreateMemory", "WriteMemory"), 4, "unrecognized action"),
        (GOOD.replace('"company"', "3"), 7, "types"),
        (GOOD.replace("==", "=", 1), 4, "not a valid operator"),
        (GOOD.replace("layer ==", "layer ="), 7, "not a valid operator"),
        (GOOD.replace("forbid", "forbit"), 2, "invalid policy effect"),
        (GOOD.replace("};", ""), 8, "unexpected end of input"),
        (GOOD.replace("  action", "  ;"), 4, "unexpected token `;`"),
        ("", 1, "one statement"),
        (GOOD + GOOD, 1, "one statement"),
        ("permit (principal == ?principal, action, resource);", 1, "slots"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, says: str) -> None:
    problem = examine(text)[0]

    assert says in problem.message
    assert problem.line == line
    assert "policy0" not in problem.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("permit (principal, action, resource);", "must name the actions"),
        (
            'permit (principal, action == Aeterna::Action::"CreateTenant", resource);',
            "no tenant may permit CreateTenant",
        ),
        (
            'permit (principal, action in Aeterna::Action::"platform:administer", resource);',
            "no tenant may permit platform:administer",
        ),
        (
            'permit (principal, action in [Aeterna::Action::"GetMemory",'
            ' Aeterna::Action::"CreateTenant"], resource);',
            "no tenant may permit CreateTenant",
        ),
        (
            'forbid (principal, action, resource == Aeterna::Tenant::"bolt");',
            "names another tenant",
        ),
        (
            'forbid (principal, action, resource) when { resource == Aeterna::Tenant::"bolt" };',
            "names another tenant",
        ),
    ],
)
def test_nobody_widens_what_belongs_to_the_platform_or_to_others(text: str, says: str) -> None:
    assert any(says in each.message for each in examine(text))


def test_a_policy_may_name_the_tenant_itself() -> None:
    assert examine('forbid (principal, action, resource == Aeterna::Tenant::"acme");') == []


@given(st.text(max_size=200))
def test_any_text_is_examined(text: str) -> None:
    for problem in examine(text):
        assert 1 <= problem.line <= text.count("\n") + 1


@given(st.lists(st.sampled_from(GOOD.split()), max_size=20), st.data())
def test_words_in_any_order_are_examined(words: list[str], data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(["\n", " "])).join(words)

    for problem in examine(text):
        assert 1 <= problem.line <= text.count("\n") + 1


def test_annotations_are_read() -> None:
    assert annotations(GOOD) == {"advice": "not in the company layer"}
    assert annotations(PERMIT) == {}

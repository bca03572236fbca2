"""What an audience hears of is what each of its people would be told, asked one by one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.auth import Role
from libs.authorization.asking import principal_of
from libs.authorization.engine import Engine
from libs.authorization.rules import Binding, TenantRules
from libs.spine.changes import LoggedChange
from services.sync.domain.sight import reading
from services.sync.live.audience import Audience
from tests.unit.sync.live.fakes import NOW, TENANT, identity

_PEOPLE = ("ann", "bob", "cid")
_FORBID = "forbid (principal, action, resource is Aeterna::Memory) when"
ENGINES = {
    name: Engine({"own": text} if text else {})
    for name, text in {
        "none": "",
        "by place": f'{_FORBID} {{ resource.layer == "team" }};',
        "of others": f"{_FORBID} {{ resource.user != principal.person }};",
        "by person": f'{_FORBID} {{ principal.person == "bob" }};',
        "to one": 'forbid (principal == Aeterna::User::"bob", action, resource);',
        "by role": 'forbid (principal in Aeterna::Role::"viewer", action, resource is '
        'Aeterna::Memory) when { resource.layer == "user" };',
    }.items()
}
people = st.sampled_from(_PEOPLE)
roles = st.sampled_from([Role.VIEWER, Role.DEVELOPER, Role.TENANT_ADMIN])
rows = st.builds(
    LoggedChange,
    number=st.just(1),
    resource=st.sampled_from(["memories/1", "knowledgeItems/1", "roleBindings/1", "budgets/b"]),
    operation=st.sampled_from(["created", "recorded"]),
    actor=st.just("user:ann"),
    subject=st.sampled_from(["", *_PEOPLE]),
    layer=st.sampled_from(["user", "team", "company"]),
    trace_id=st.just(""),
    request_id=st.just(""),
    event=st.just(""),
    committed_at=st.just(NOW),
    hash=st.just(b""),
    details=st.sampled_from([{}, {"org": "", "team": "red", "project": ""}]),
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(ENGINES)),
    st.dictionaries(people, roles, min_size=1),
    st.sets(people),
    st.lists(rows, min_size=1, max_size=4),
)
def test_an_audience_hears_what_each_would(
    policies: str, given_roles: dict[str, Role], bound: set[str], changes: list[LoggedChange]
) -> None:
    binding = (Binding(Role.VIEWER, team_id="red"),)
    rules = TenantRules(bindings=dict.fromkeys(bound, binding))
    audiences: dict[object, Audience] = {}
    for person, role in given_roles.items():
        own = identity(person, *([] if person in bound else [role]))
        asker = ENGINES[policies].of(principal_of(own, rules, NOW))
        audience = audiences.setdefault(asker.rights, Audience(TENANT, asker))
        for change in changes:
            alone = asker.decide(*reading(change, TENANT, person)).allowed
            assert audience.shows(change, person) is alone


def test_people_of_equal_rights_are_one_audience_unless_policies_name_people() -> None:
    def number(policies: str) -> int:
        engine = ENGINES[policies]
        known = (identity(each, Role.VIEWER) for each in _PEOPLE)
        return len({engine.of(principal_of(each, TenantRules(), NOW)).rights for each in known})

    assert {policies: number(policies) for policies in ENGINES} == {
        "none": 1,
        "by place": 1,
        "of others": 1,
        "by role": 1,
        "by person": 3,
        "to one": 3,
    }

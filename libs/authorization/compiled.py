"""Cedar policies, read once: which requests each one can be about. Pure.

A policy is looked at only where its scope and one of its conditions may hold. What is left out
would have evaluated to false or to an error, and neither decides anything: answers are those that
Cedar gives for all policies.
"""

import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import cedarpy

from libs.errors import AppError, Kind

Json = Mapping[str, Any]
Uid = tuple[str, str]  # type and id
_ROLE = "Aeterna::Role"


class PoliciesUnusable(AppError):
    """Policies cannot be read: nothing is allowed until they can."""

    kind, reason = Kind.PRECONDITION, "POLICIES_UNUSABLE"

    def __init__(self, policy: str) -> None:
        super().__init__(f"The policy {policy} cannot be read.", policy=policy)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy.

    Attributes:
        json: By its id, for any action: it is asked for those that its scope admits only.
        actions: Those that its scope admits; None for all.
        principals: What it needs of the principal: ("==", uid), ("in", uid), ("is", (type, "")).
        kind: The type of the resource that its scope admits, "" for all.
        guards: Attributes of the resource, each with the one text for which it can hold.
        reads: Attributes of the resource that its conditions read.
        about_resource: Whether it says anything of the resource.
        about_action: Whether its conditions say anything of the action.
        about_people: Whether it tells people or agents apart otherwise than by their attributes but
            `person`, their roles, and whether they are the user of the resource.
        tenant: Whether it is a tenant's, or else the suite's own.
    """

    id: str
    permits: bool
    json: str
    actions: frozenset[str] | None
    principals: tuple[tuple[str, Uid], ...]
    kind: str
    guards: tuple[tuple[str, str], ...]
    reads: frozenset[str]
    about_resource: bool
    about_action: bool
    about_people: bool
    tenant: bool

    def fits(self, kind: str, name: str, roles: Set[str]) -> bool:
        """Whether it can hold for a principal."""
        for operator, uid in self.principals:
            if operator == "is":
                if uid[0] != kind:
                    return False
            elif uid != (kind, name) and not (operator == "in" and _is_one_of(uid, roles)):
                return False
        return True

    def meets(self, kind: str, attributes: Mapping[str, object]) -> bool:
        """Whether it can hold for a resource with these attributes."""
        if self.kind not in ("", kind):
            return False
        for name, value in self.guards:  # noqa: SIM110 - asked often: a generator costs as much
            if attributes.get(name) != value:
                return False
        return True


def _is_one_of(uid: Uid, roles: Set[str]) -> bool:
    return uid[0] == _ROLE and uid[1] in roles


def read_policies(
    texts: Mapping[str, str], members: Mapping[str, frozenset[str]], *, tenant: bool
) -> list[Policy]:
    """The policies of texts by id; a text of several statements gives them ids of their own.

    Args:
        members: The actions of each group.
        tenant: Whether they are a tenant's, or else the suite's own.

    Raises:
        PoliciesUnusable: One is no Cedar policy, or is of a kind that is not supported.
    """
    return [
        _policy(name, body, members, tenant=tenant)
        for given, text in texts.items()
        for name, body in _read(given, text)
    ]


def _read(name: str, text: str) -> Iterator[tuple[str, Json]]:
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as exc:
        raise PoliciesUnusable(name) from exc
    bodies = parsed["staticPolicies"].values()
    if parsed["templates"] or not bodies:
        raise PoliciesUnusable(name)
    for number, body in enumerate(bodies):
        yield name if len(bodies) == 1 else f"{name}.{number}", body


def base_texts(text: str) -> dict[str, str]:
    """The statements of the suite's own file, by the id that each is annotated with."""
    parsed = json.loads(cedarpy.policies_to_json_str(text))
    return {
        body["annotations"]["id"]: cedarpy.policies_from_json_str(
            json.dumps({"staticPolicies": {"one": body}, "templates": {}, "templateLinks": []})
        )
        for body in parsed["staticPolicies"].values()
    }


def _policy(
    name: str, body: Json, members: Mapping[str, frozenset[str]], *, tenant: bool
) -> Policy:
    clauses = [(each["kind"] == "when", each["body"]) for each in body["conditions"]]
    needed = [part for when, clause in clauses if when for part in _conjuncts(clause)]
    named = [*_named(body["principal"]), *filter(None, map(_principal, needed))]
    named.sort(key=lambda each: ("==", "in", "is").index(each[0]))
    scope = body["resource"]
    return Policy(
        id=name,
        permits=body["effect"] == "permit",
        json=f"{json.dumps(name)}: {json.dumps({**body, 'action': {'op': 'All'}})}",
        actions=_actions(body["action"], members),
        principals=tuple(dict.fromkeys(named)),
        kind=scope.get("entity_type", ""),
        guards=tuple(filter(None, map(_guard, needed))),
        reads=frozenset(_reads(body["conditions"])),
        tenant=tenant,
        about_action=_mentions(body["conditions"], "action"),
        about_people=any(map(_is_somebody, named)) or _names_people(body["conditions"]),
        about_resource=scope["op"] != "All" or _mentions(body["conditions"], "resource"),
    )


def _actions(scope: Json, members: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    if scope["op"] == "All":
        return None
    named = scope["entities"] if "entities" in scope else [scope["entity"]]
    ids = {each["id"] for each in named if each["type"] == "Aeterna::Action"}
    if scope["op"] == "==":
        return frozenset(ids)
    return frozenset(ids).union(*(members.get(each, frozenset()) for each in ids))


def _named(scope: Json) -> Iterator[tuple[str, Uid]]:
    """What a scope demands of the principal."""
    match scope:
        case {"op": "==" | "in", "entity": entity}:
            yield scope["op"], _uid(entity)
        case {"op": "is", "entity_type": kind, **rest}:
            inside = rest.get("in")
            yield "is", (kind, "")
            if inside:
                yield "in", _uid(inside["entity"])


def _conjuncts(expression: Any) -> Iterator[Any]:
    match expression:
        case {"&&": {"left": left, "right": right}}:
            yield from _conjuncts(left)
            yield from _conjuncts(right)
        case _:
            yield expression


def _principal(expression: Any) -> tuple[str, Uid] | None:
    """`principal == ...` and the like as a condition."""
    for operator in ("==", "in"):
        if isinstance(expression, dict) and operator in expression:
            return _compared(operator, expression[operator])
    return None


def _compared(operator: str, sides: Any) -> tuple[str, Uid] | None:
    match sides:
        case {"left": {"Var": "principal"}, "right": {"Value": {"__entity": entity}}}:
            return operator, _uid(entity)
    return None


def _guard(expression: Any) -> tuple[str, str] | None:
    """`resource.attribute == "text"` as a condition."""
    match expression:
        case {
            "==": {
                "left": {".": {"left": {"Var": "resource"}, "attr": str(attribute)}},
                "right": {"Value": str(value)},
            }
        }:
            return attribute, value
    return None


def _uid(entity: Json) -> Uid:
    return entity["type"], entity["id"]


def _reads(expression: Any) -> Iterator[str]:
    """Attributes of the resource; "*" for what needs all of it."""
    match expression:
        case {".": {"left": {"Var": "resource"}, "attr": str(attribute)}}:
            yield attribute
        case {"has": {"left": {"Var": "resource"}, "attr": str(attribute)}}:
            yield attribute
        case {"Var": "resource"}:
            yield "*"
        case dict():
            for value in expression.values():
                yield from _reads(value)
        case list():
            for value in expression:
                yield from _reads(value)


def _is_somebody(named: tuple[str, Uid]) -> bool:
    """Whether a demand on the principal is met by who it is, not by a role or by its kind."""
    operator, uid = named
    return operator == "==" or (operator == "in" and uid[0] != _ROLE)


_PERSON = {".": {"left": {"Var": "principal"}, "attr": "person"}}
_USER = {".": {"left": {"Var": "resource"}, "attr": "user"}}
_OF_THE_USER = (
    {"left": _PERSON, "right": _USER},
    {"left": _USER, "right": _PERSON},
)


def _names_people(expression: Any) -> bool:
    """Whether a condition tells people apart as `Policy.about_people` says."""
    match expression:
        case {"==": sides} | {"!=": sides} if sides in _OF_THE_USER:
            return False
        case {".": {"left": {"Var": "principal"}, "attr": str(attribute)}}:
            return attribute == "person"
        case {
            "in": {
                "left": {"Var": "principal"},
                "right": {"Value": {"__entity": {"type": "Aeterna::Role"}}},
            }
        }:
            return False
        case {"Var": "principal"}:
            return True
        case dict():
            return any(_names_people(value) for value in expression.values())
        case list():
            return any(_names_people(value) for value in expression)
    return False


def _mentions(expression: Any, variable: str) -> bool:
    match expression:
        case {"Var": name}:
            return bool(name == variable)
        case dict():
            return any(_mentions(value, variable) for value in expression.values())
        case list():
            return any(_mentions(value, variable) for value in expression)
    return False

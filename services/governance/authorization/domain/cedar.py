"""Whether a text is a policy that a tenant may have, and if not, which line is wrong and why. Pure.

Cedar says what is wrong, but not where: lines are found by what a message names, or by where the
text can no longer be completed.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

_INCOMPLETE = "unexpected end of input"
_SYNTAX = ("unexpected", "invalid token")
_NAMED = re.compile(r"`([^`]+)`|'([^']+)'|: (\S+)$")
_ABOUT = re.compile(r"^(Policy parse error: |for policy `[^`]*`, )+")
_CONDITION = re.compile(r"\b(when|unless)\b")
_TENANT = "Aeterna::Tenant"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong; `line` counts from 1."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """What policies are held against.

    Attributes:
        members: The actions of each group.
        closed: Groups that no policy of a tenant may permit anything of.
    """

    schema: Any  # cedarpy.Schema
    members: Mapping[str, frozenset[str]]
    closed: frozenset[str]

    def examine(self, text: str, tenant: str) -> list[Problem]:
        """All that is wrong with the text as a policy of the tenant, in the order of lines."""
        try:
            parsed = json.loads(cedarpy.policies_to_json_str(text))
        except ValueError as exc:
            message = _ABOUT.sub("", str(exc))
            return [Problem(_line(text, message), message)]
        statements = [*parsed["staticPolicies"].values()]
        if len(statements) != 1 or parsed["templates"]:
            return [Problem(1, "must be one statement, without slots such as ?principal")]
        found = [*self._mistakes(text), *self._trespasses(text, statements[0], tenant)]
        return sorted(dict.fromkeys(found), key=lambda each: each.line)

    def _mistakes(self, text: str) -> Iterator[Problem]:
        for error in cedarpy.validate_policies(text, self.schema).errors:
            message = _ABOUT.sub("", error.error)
            yield Problem(_line(text, message), message)

    def _trespasses(
        self, text: str, statement: Mapping[str, Any], tenant: str
    ) -> Iterator[Problem]:
        """What only the platform may do, and what is about others."""
        for entity in _entities(statement):
            if entity["type"] == _TENANT and entity["id"] != tenant:
                yield Problem(_line_of(text, entity["id"]), "names another tenant")
        if statement["effect"] != "permit":
            return
        scope = statement["action"]
        named = [each["id"] for each in _entities(scope)]
        if not named:
            yield Problem(_line_of(text, "action"), "a permit must name the actions that it is for")
        for action in named:
            if self._is_closed(action):
                message = f"no tenant may permit {action}: it belongs to the platform"
                yield Problem(_line_of(text, action), message)

    def _is_closed(self, action: str) -> bool:
        """Whether it is a closed group, is in one, or has one of its actions."""
        actions = self.members.get(action, frozenset()) | {action}
        shut = self.closed.union(*(self.members.get(each, frozenset()) for each in self.closed))
        return bool(actions & shut)


def annotations(text: str) -> Mapping[str, str]:
    """The annotations of a policy."""
    (statement,) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
    found: Mapping[str, str] = statement.get("annotations", {})
    return {name: value or "" for name, value in found.items()}


def _entities(expression: Any) -> Iterator[Mapping[str, str]]:
    """The entities that it names."""
    match expression:
        case {"type": str(), "id": str()}:
            yield expression
        case dict():
            for value in expression.values():
                yield from _entities(value)
        case list():
            for value in expression:
                yield from _entities(value)


def _line(text: str, message: str) -> int:
    """Where a message is about."""
    if message.startswith(_SYNTAX):
        return _broken(text)
    for match in _NAMED.finditer(message):
        if line := _line_of(text, next(filter(None, match.groups()))):
            return line
    condition = _CONDITION.search(text)
    return _number(text, condition.start()) if condition else 1


def _line_of(text: str, name: str) -> int:
    """The line of the first mention of a name or an operator; 0: none."""
    around = r"\w" if name[0].isalnum() or name[0] in "_@" else r"=!<>&|"
    found = re.search(rf"(?<![{around}]){re.escape(name)}(?![{around}])", text)
    return _number(text, found.start()) if found else 0


def _number(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _broken(text: str) -> int:
    """The first line with which the text can no longer be completed to a policy."""
    lines = text.split("\n")
    first, last = 1, len(lines)
    while first < last:
        middle = (first + last) // 2
        if _completable("\n".join(lines[:middle])):
            first = middle + 1
        else:
            last = middle
    return first


def _completable(text: str) -> bool:
    try:
        cedarpy.policies_to_json_str(text)
    except ValueError as exc:
        return str(exc) == _INCOMPLETE
    return True

"""Rules that are written in the text of a knowledge item: a fenced block of TOML. Pure.

```constraints
key = "http-clients"
mode = "mandatory"

[[rule]]
id = "no-requests"
operator = "must_not_use"
target = "import"
pattern = "requests"
severity = "block"
```
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from libs.constraints import (
    Merge,
    Mode,
    Operator,
    PatternKind,
    Rule,
    Severity,
    Target,
    default_kind,
)
from libs.constraints.validation import check_rules
from libs.errors import FieldViolation, InvalidRequest, invalid

_FENCE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})constraints[ \t]*\n(?P<body>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_OPENING = re.compile(r"^(`{3,}|~{3,})constraints[ \t]*$", re.MULTILINE)
_KEY = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_TOP = frozenset({"key", "mode", "merge", "rule"})
_TEXTS = ("id", "pattern", "versions", "value", "message")
_RULE = frozenset({*_TEXTS, "operator", "target", "severity", "pattern_kind", "applies_to"})
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Block:
    """What a block says; the layer and scope are those of the item around it."""

    key: str
    mode: Mode
    merge: Merge
    rules: tuple[Rule, ...]


def parse(text: str, field: str) -> Block | None:
    """The block of a Markdown text, None if it has none; `field` is the path of the text.

    Raises:
        InvalidRequest: There is more than one, or it is wrong; the field and the line are named.
    """
    blocks = list(_FENCE.finditer(text))
    if len(_OPENING.findall(text)) > len(blocks):
        raise invalid(field, "a block of constraints is not closed")
    if not blocks:
        return None
    if len(blocks) > 1:
        raise invalid(field, "may hold one block of constraints only")
    (block,) = blocks
    try:
        values = tomllib.loads(block["body"])
    except tomllib.TOMLDecodeError as exc:
        raise invalid(field, f"the block of constraints is no TOML: {_place(exc)}") from exc
    path = f"{field}.constraints"
    read = _block(values, path)
    check_rules(read.rules, f"{path}.rule")
    return read


def _place(exc: tomllib.TOMLDecodeError) -> str:
    """Where in the block: the rest of the message may hold what was written."""
    match = re.search(r"\(at (.*)\)$", str(exc))
    return f"at {match[1]} of the block" if match else "it cannot be read"


def _block(values: Mapping[str, Any], path: str) -> Block:
    _known(values, _TOP, path)
    key = _text(values, "key", path)
    if not _KEY.fullmatch(key):
        raise invalid(f"{path}.key", "must be a DNS label")
    rules = values.get("rule", [])
    if not isinstance(rules, list) or not all(isinstance(each, dict) for each in rules):
        raise invalid(f"{path}.rule", "must be written [[rule]]")
    return Block(
        key,
        _enum(Mode, values, "mode", path, Mode.OPTIONAL),
        _enum(Merge, values, "merge", path, Merge.MERGE),
        tuple(_rule(each, f"{path}.rule[{place}]") for place, each in enumerate(rules)),
    )


def _rule(values: Mapping[str, Any], path: str) -> Rule:
    _known(values, _RULE, path)
    texts = {name: _text(values, name, path) for name in _TEXTS}
    globs = values.get("applies_to", [])
    if not isinstance(globs, list) or not all(isinstance(each, str) for each in globs):
        raise invalid(f"{path}.applies_to", "must be a list of globs")
    operator = _enum(Operator, values, "operator", path)
    target = _enum(Target, values, "target", path)
    return Rule(
        **texts,
        operator=operator,
        target=target,
        kind=_enum(PatternKind, values, "pattern_kind", path, default_kind(operator, target)),
        severity=_enum(Severity, values, "severity", path),
        applies_to=tuple(globs),
    )


def _known(values: Mapping[str, Any], names: frozenset[str], path: str) -> None:
    if unknown := values.keys() - names:
        message = f"may hold {', '.join(sorted(names))} only"
        raise InvalidRequest([FieldViolation(path, message) for _ in sorted(unknown)[:1]])


def _text(values: Mapping[str, Any], name: str, path: str) -> str:
    text = values.get(name, "")
    if not isinstance(text, str) or "\0" in text:
        raise invalid(f"{path}.{name}", "must be a text")
    return text


def _enum(
    kind: type[E], values: Mapping[str, Any], name: str, path: str, default: E | None = None
) -> E:
    value = values.get(name, default)
    if not isinstance(value, str) or value not in set(kind):
        raise invalid(f"{path}.{name}", f"must be one of {', '.join(kind)}")
    return kind(value)

"""What finds a person in PostgreSQL's texts and JSON: as `libs.erasure.texts` does. Pure."""

import json
from collections.abc import Sequence

from services.governance.erasure.domain import escaped


def sql_pattern(identifiers: Sequence[str]) -> str:
    """A regular expression of PostgreSQL; "" for none."""
    if not identifiers:
        return ""
    longest_first = sorted(identifiers, key=len, reverse=True)
    return rf"(?<![0-9A-Za-z_])(?:{'|'.join(map(_escaped, longest_first))})(?![0-9A-Za-z_])"


def resource_pattern(names: Sequence[str]) -> str:
    """Finds one of the names after the collection in the name of a resource."""
    return rf"/(?:{'|'.join(map(_escaped, names))})(?=/|$)"


def json_pattern(names: Sequence[str]) -> str:
    """Finds a text of JSON that is one of the names; keys are words of ours."""
    return rf'"(?:{"|".join(_escaped(_within_json(name)) for name in names)})"(?!:)'


def actor_pattern(names: Sequence[str]) -> str:
    """Finds a part of an actor in JSON; its first group is what stays of it."""
    found = "|".join(_escaped(_within_json(escaped(name))) for name in names)
    return rf'(user:|agent:)(?:{found})(?= for |")'


def _within_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _escaped(text: str) -> str:
    """Every character that could mean something stands for itself."""
    return "".join(each if each.isalnum() or each in " _" else f"\\{each}" for each in text)

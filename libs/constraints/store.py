"""Policies in PostgreSQL: their rows, and what is sealed in them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import asyncpg

from libs.constraints import (
    POLICY_IDS,
    Layer,
    Merge,
    Mode,
    Operator,
    PatternKind,
    Policy,
    Rule,
    Severity,
    Target,
)
from libs.constraints.stored import COLLECTION, MOST, PolicyNotFound, Stored
from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.registry import CONSTRAINT_POLICY_DOCUMENT as _DOCUMENT
from libs.scope import Scope
from libs.spine import Write, read
from libs.spine.versioned import Shape, VersionedTable
from libs.tenancy import Route


@dataclass(frozen=True, slots=True)
class Opened:
    """A policy with what is sealed in it."""

    stored: Stored
    title: str
    rules: tuple[Rule, ...]

    @property
    def policy(self) -> Policy:
        """What is resolved and checked."""
        stored = self.stored
        return Policy(
            name=f"{COLLECTION}/{stored.id}",
            version=stored.version,
            key=stored.key,
            layer=stored.layer,
            scope=stored.scope,
            mode=stored.mode,
            merge=stored.merge,
            rules=self.rules,
        )


def policy_from(row: asyncpg.Record) -> Stored:
    """A policy from a row with its columns."""
    return Stored(
        id=row["id"],
        key=row["key"],
        layer=Layer(row["layer"]),
        scope=Scope(**{name: row[name] for name in POLICY_IDS}),
        mode=Mode(row["mode"]),
        merge=Merge(row["merge"]),
        source=row["source"],
        rules=row["rules"],
        author=row["author"],
        version=row["version"],
        number=row["number"],
        document=row["document"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _to_row(policy: Stored) -> tuple[object, ...]:
    return (
        policy.id,
        policy.key,
        policy.layer.value,
        *(getattr(policy.scope, name) for name in POLICY_IDS),
        policy.mode.value,
        policy.merge.value,
        policy.source,
        policy.rules,
        policy.author,
        policy.version,
        policy.number,
        policy.document,
        policy.created_at,
        policy.updated_at,
    )


POLICIES = Shape(
    collection=COLLECTION,
    table="aeterna.constraint_policy",
    versions="aeterna.constraint_policy_version",
    columns={
        "id": "uuid",
        "key": "text",
        "layer": "text",
        **dict.fromkeys(POLICY_IDS, "text"),
        "mode": "text",
        "merge": "text",
        "source": "uuid",
        "rules": "int",
        "author": "text",
        "version": "bigint",
        "number": "bigint",
        "document": "bytea",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
    },
    from_row=policy_from,
    to_row=_to_row,
    missing=PolicyNotFound,
)
_ALL = f"""
    SELECT {", ".join(POLICIES.columns)} FROM aeterna.constraint_policy WHERE tenant_id = $1
    ORDER BY id LIMIT {2 * MOST}
"""


class PolicyTable(VersionedTable[Stored]):
    """Policies, read all together: what holds in a scope depends on all of them."""

    def __init__(self) -> None:
        super().__init__(POLICIES)

    async def load(self, write: Write, ids: Sequence[UUID]) -> Mapping[UUID, Stored]:
        """All of the tenant, whichever are asked for, under its lock."""
        rows = await write.conn.fetch(_ALL, write.route.tenant)
        return {row["id"]: policy_from(row) for row in rows}

    async def all(self, route: Route) -> list[Stored]:
        """All of the tenant, oldest first."""
        return [policy_from(row) for row in await read(route, _ALL)]


async def seal(
    keyring: Keyring, route: Route, policy: UUID, title: str, rules: Sequence[Rule]
) -> bytes:
    """The document of a policy."""
    text = json.dumps({"title": title, "rules": [asdict(rule) for rule in rules]})
    (blob,) = await keyring.seal(route, [Plain("", _DOCUMENT, policy, text.encode())])
    return blob


async def opened(keyring: Keyring, route: Route, stored: Sequence[Stored]) -> list[Opened]:
    """Policies with what is sealed in them."""
    sealed = [Sealed(_DOCUMENT, each.id, each.document) for each in stored]
    texts = await keyring.open(route, sealed)
    documents = [json.loads(text) for text in texts]
    return [
        Opened(each, document["title"], tuple(map(_rule, document["rules"])))
        for each, document in zip(stored, documents, strict=True)
    ]


def _rule(values: dict[str, Any]) -> Rule:
    return Rule(
        id=values["id"],
        operator=Operator(values["operator"]),
        target=Target(values["target"]),
        pattern=values["pattern"],
        kind=PatternKind(values["kind"]),
        severity=Severity(values["severity"]),
        versions=values["versions"],
        value=values["value"],
        applies_to=tuple(values["applies_to"]),
        message=values["message"],
    )

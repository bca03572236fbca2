"""Taking a person out of sealed texts that no service erases by itself: the registry says where.

Opens every one of them; what names the person is rewritten, sealed anew, and put in the place of
the bytes that were read, if they are still there.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.registry import ENCRYPTED_FIELDS, Field
from libs.erasure import Erasure
from libs.erasure.registry import TABLES, Store
from libs.erasure.texts import is_named, mentions, of_others
from libs.spine import read, writing
from libs.tenancy import Route

_BATCH = 200
_ROUNDS = 3  # of reading again what changed meanwhile
_VERSION = "_version"
_IDS = """
    SELECT DISTINCT {row} AS id FROM aeterna.{table}
    WHERE tenant_id = $1 AND {row} > $2 ORDER BY {row} LIMIT $3
"""
_BLOBS = """
    SELECT DISTINCT {row} AS id, {column} AS blob FROM aeterna.{table}
    WHERE tenant_id = $1 AND {row} = ANY($2::uuid[]) AND {column} <> ''
"""
_PUT = """
    UPDATE aeterna.{table} AS t SET {column} = n.after
    FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS n (id, before, after)
    WHERE t.tenant_id = $1 AND t.{row} = n.id AND t.{column} = n.before
"""

Naming = tuple[Sealed, bytes]  # a value, and what it is to be


async def rewrite(route: Route, keyring: Keyring, erasure: Erasure) -> dict[str, int]:
    """How many values named the person, by store; `route` has the role of governance."""
    counts: dict[str, int] = {}
    for _ in range(_ROUNDS):
        found = 0
        for name, store in _sealing():
            for column in store.sealed:
                count = await _each(route, keyring, erasure, name, column, store, write=True)
                counts[name] = counts.get(name, 0) + count
                found += count
        if not found:
            break
    return counts


async def look(route: Route, keyring: Keyring, erasure: Erasure) -> dict[str, int]:
    """How many still do."""
    return {
        name: sum(
            [
                await _each(route, keyring, erasure, name, column, store, write=False)
                for column in store.sealed
            ]
        )
        for name, store in _sealing()
    }


def _sealing() -> Iterator[tuple[str, Store]]:
    return ((name, store) for name, store in TABLES.items() if store.sealed)


async def _each(
    route: Route,
    keyring: Keyring,
    erasure: Erasure,
    table: str,
    column: str,
    store: Store,
    *,
    write: bool,
) -> int:
    """How many values of a column name the person; rewrites them if it is to."""
    names = {"table": table, "column": column, "row": store.row}
    after, count = UUID(int=0), 0
    while ids := [row["id"] for row in await read(route, _IDS.format(**names), after, _BATCH)]:
        after = ids[-1]
        rows = await read(route, _BLOBS.format(**names), ids)
        sealed = [Sealed(field_of(table, column), row["id"], row["blob"]) for row in rows]
        texts = await keyring.open(route, sealed)
        naming = [
            (each, replaced)
            for each, text in zip(sealed, texts, strict=True)
            if (replaced := without(text, erasure)) is not None
        ]
        count += len(naming)
        if write and naming:
            await _replace(route, keyring, _PUT.format(**names), naming)
    return count


async def _replace(route: Route, keyring: Keyring, sql: str, naming: Sequence[Naming]) -> None:
    plain = [Plain("", each.field, each.row_id, text) for each, text in naming]
    blobs = await keyring.seal(route, plain)
    ids, before = [each.row_id for each, _ in naming], [each.blob for each, _ in naming]
    async with writing(route) as write:
        await write.conn.execute(sql, route.tenant, ids, before, blobs)


def field_of(table: str, column: str) -> Field:
    """What a column is sealed as: a version keeps the bytes of what it is a version of."""
    own = Field(table, column)
    return own if own in ENCRYPTED_FIELDS else Field(table.removesuffix(_VERSION), column)


def without(data: bytes, erasure: Erasure) -> bytes | None:
    """A text, or JSON, without the person; None: it does not name them."""
    text = data.decode()
    value, dump = _parsed(text)
    if not (is_named(value, erasure.names) or mentions(value, erasure.identifiers)):
        return None
    return dump(of_others(erasure)(value)).encode()


def _parsed(text: str) -> tuple[Any, Callable[[Any], str]]:
    try:
        value = json.loads(text)
    except ValueError:
        return text, str
    if not isinstance(value, dict | list):
        return text, str
    return value, lambda after: json.dumps(after, ensure_ascii=False)

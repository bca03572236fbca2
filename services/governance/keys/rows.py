"""Rows that hold sealed values, of every table that the registry of encryption names, by the batch.

Generic: the key of a table is asked of the database. Knows nothing of what the values are about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg

from libs.encryption.envelope import KEY_ID
from libs.encryption.keyring import Sealed
from libs.encryption.registry import SealedTable, sealed_tables
from libs.operations import Fields
from libs.spine import read, writing
from libs.tenancy import Route

NAME_END = KEY_ID.stop  # of the bytes of a sealed value that name its key

Key = tuple[str, ...]  # the values of a row's key but for the tenant, as texts

_KEY = """
    SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_index AS i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indisprimary AND i.indrelid = ('aeterna.' || $2::text)::regclass AND $1::text <> ''
        AND a.attname <> 'tenant_id'
    ORDER BY k.place
"""
_COUNT = "SELECT count(*) FROM aeterna.{table} WHERE tenant_id = $1"
_PAGE = """
    SELECT {keys}, {names} FROM aeterna.{table} AS t
    WHERE t.tenant_id = $1{after} ORDER BY {order} LIMIT {limit}
"""
_VALUES = """
    SELECT {keys}, t.{row_id} AS row_id, {columns} FROM aeterna.{table} AS t
    JOIN unnest({arrays}) AS w ({wanted}) ON {same} WHERE t.tenant_id = $1
"""
# A value that somebody else replaced stays as it is; so does one whose key is gone: it is erased.
_REPLACE = """
    UPDATE aeterna.{table} AS t SET {changes} FROM unnest({arrays}) AS n ({given})
    WHERE t.tenant_id = $1 AND {same} AND ({any_old}) RETURNING {counts} AS replaced
"""
_FRESH = """CASE WHEN t.{column} = n.old_{place} AND EXISTS (
    SELECT FROM aeterna.subject_key AS k WHERE k.tenant_id = $1
        AND k.id = encode(substring(n.old_{place} FROM 2 FOR 16), 'hex')::uuid
) THEN n.new_{place} ELSE t.{column} END"""


@dataclass(frozen=True, slots=True)
class Named:
    """A row, and the key that each of its sealed values names; None where there is no value."""

    key: Key
    keys: tuple[UUID | None, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one table, and where the next ones begin; None after the last."""

    table: SealedTable
    rows: Sequence[Named]
    next: Fields | None

    def named(self) -> set[UUID]:
        """The keys that their values name."""
        return {key for row in self.rows for key in row.keys if key}

    def count(self) -> int:
        """How many values they hold."""
        return sum(key is not None for row in self.rows for key in row.keys)


@dataclass(frozen=True, slots=True)
class Values:
    """The sealed values of a row, by the places of their columns."""

    key: Key
    row_id: UUID
    blobs: tuple[bytes, ...]

    def sealed(self, table: SealedTable, place: int) -> Sealed:
        """One of them, to be opened."""
        return Sealed(table.fields[place], self.row_id, self.blobs[place])


# Of a row's value at a place: what it was, and what it is to be.
Replacement = tuple[Values, Mapping[int, bytes]]


def key_of(blob: bytes) -> UUID:
    """The key that a sealed value names."""
    return UUID(bytes=blob[KEY_ID])


async def count(route: Route) -> int:
    """How many rows there are."""
    total = 0
    for table in sealed_tables():
        (row,) = await read(route, _COUNT.format(table=table.name))
        total += row[0]
    return total


async def batch(route: Route, cursor: Fields, limit: int) -> Batch:
    """The rows from a place on, those of the first table with an empty cursor."""
    tables = sealed_tables()
    names = [table.name for table in tables]
    place = names.index(cursor["table"]) if cursor.get("table") in names else 0
    table, after = tables[place], cursor.get("after", []) if cursor else []
    key = await _key(route, table.name)
    rows = await read(route, _page(table, key, bool(after)), *after, limit)
    named = [Named(_row_key(row, key), _names(row, table)) for row in rows]
    if len(rows) == limit:
        following: Fields | None = {"table": table.name, "after": list(named[-1].key)}
    elif place + 1 < len(tables):
        following = {"table": names[place + 1], "after": []}
    else:
        following = None
    return Batch(table, named, following)


async def values(route: Route, table: SealedTable, keys: Sequence[Key]) -> list[Values]:
    """The values of these rows, as far as they are still there."""
    key = await _key(route, table.name)
    columns = ", ".join(f"t.{field.column}" for field in table.fields)
    sql = _VALUES.format(
        keys=_texts(key),
        row_id=table.row_id,
        columns=columns,
        table=table.name,
        arrays=_arrays(key, 2),
        wanted=", ".join(name for name, _ in key),
        same=_same(key, "w"),
    )
    rows = await read(route, sql, *map(list, zip(*keys, strict=True)))
    fields = [field.column for field in table.fields]
    return [
        Values(_row_key(row, key), row["row_id"], tuple(row[name] for name in fields))
        for row in rows
    ]


async def replace(route: Route, table: SealedTable, changed: Sequence[Replacement]) -> int:
    """Writes new values over those that are still as they were read; how many these were."""
    key = await _key(route, table.name)
    places = range(len(table.fields))
    own = zip(*(each.key for each, _ in changed), strict=True)
    columns: list[list[Any]] = [list(each) for each in own]
    for place in places:
        columns.append([v.blobs[place] if place in new else None for v, new in changed])
        columns.append([new.get(place) for _, new in changed])
    async with writing(route) as write:
        rows = await write.conn.fetch(_replace(table, key), route.tenant, *columns)
    return sum(row["replaced"] for row in rows)


def _replace(table: SealedTable, key: "_Columns") -> str:
    columns = [field.column for field in table.fields]
    pairs = [name for place in range(len(columns)) for name in (f"old_{place}", f"new_{place}")]
    given = [*(name for name, _ in key), *pairs]
    blobs = ", ".join(f"${place}::bytea[]" for place in range(len(key) + 2, len(given) + 2))
    fresh = (
        f"{column} = {_FRESH.format(column=column, place=place)}"
        for place, column in enumerate(columns)
    )
    return _REPLACE.format(
        table=table.name,
        changes=", ".join(fresh),
        arrays=f"{_arrays(key, 2)}, {blobs}",
        given=", ".join(given),
        same=_same(key, "n"),
        any_old=" OR ".join(f"t.{column} = n.old_{p}" for p, column in enumerate(columns)),
        counts=" + ".join(
            f"coalesce(t.{column} = n.new_{place}, false)::int"
            for place, column in enumerate(columns)
        ),
    )


_Columns = tuple[tuple[str, str], ...]  # name and type
_KEYS: dict[str, _Columns] = {}  # of tables; they never change


async def _key(route: Route, table: str) -> _Columns:
    """The columns of a table's key, but for the tenant."""
    if table not in _KEYS:
        rows = await read(route, _KEY, table)
        _KEYS[table] = tuple((row["name"], row["type"]) for row in rows)
    return _KEYS[table]


@lru_cache
def _page(table: SealedTable, key: _Columns, after: bool) -> str:
    own = ", ".join(f"t.{name}" for name, _ in key)
    given = ", ".join(f"${n}::text::{kind}" for n, (_, kind) in enumerate(key, 2))
    names = ", ".join(
        f"substring(t.{field.column} FROM 2 FOR 16) AS {field.column}" for field in table.fields
    )
    return _PAGE.format(
        keys=_texts(key),
        names=names,
        table=table.name,
        after=f" AND ({own}) > ({given})" if after else "",
        order=own,
        limit=f"${len(key) + 2 if after else 2}",
    )


def _texts(key: _Columns) -> str:
    return ", ".join(f"t.{name}::text AS key_{name}" for name, _ in key)


def _arrays(key: _Columns, first: int) -> str:
    """The parameters from `first` on, lists of texts."""
    return ", ".join(f"${n}::text[]" for n in range(first, first + len(key)))


def _same(key: _Columns, other: str) -> str:
    return " AND ".join(f"t.{name} = {other}.{name}::{kind}" for name, kind in key)


def _row_key(row: asyncpg.Record, key: _Columns) -> Key:
    return tuple(row[f"key_{name}"] for name, _ in key)


def _names(row: asyncpg.Record, table: SealedTable) -> tuple[UUID | None, ...]:
    """What is too short for a key is no sealed value: the empty one, as a rule."""
    blobs = (row[field.column] for field in table.fields)
    return tuple(UUID(bytes=blob) if len(blob) == 16 else None for blob in blobs)

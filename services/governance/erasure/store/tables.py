"""Renaming a person in columns that the registry names, and looking for the person in every table.

Knows no table: what there is the catalog says, what is to be renamed the registry.
"""

import json
from collections.abc import Mapping
from itertools import groupby

import asyncpg

from libs.erasure import Erasure
from libs.erasure.registry import CONTROL, TABLES, WORDS, Store, none
from libs.postgres import Connection, lend, store_errors
from libs.spine import reading, writing
from libs.tenancy import Route
from services.governance.erasure.domain import CONTROL_PREFIX, actor_parts
from services.governance.erasure.store.patterns import (
    actor_pattern,
    json_pattern,
    resource_pattern,
    sql_pattern,
)

_TENANT = "tenant_id"
_LOG = "change"  # has amendments of its own
_LEAST_BYTES = 6  # of what is looked for in bytes: fewer are there by chance
_COLUMNS = """
    SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, NULL) AS type
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
      AND NOT a.attisdropped ORDER BY c.relname, a.attnum
"""
_PERSON = "UPDATE {table} SET {column} = $3 WHERE tenant_id = $1 AND {column} = ANY($2::text[])"
_LIST = """
    UPDATE {table} SET {column} = ARRAY(
        SELECT CASE WHEN each = ANY($2::text[]) THEN $3 ELSE each END
        FROM unnest({column}) WITH ORDINALITY AS e (each, place) ORDER BY place)
    WHERE tenant_id = $1 AND {column} && $2::text[]
"""
_ROWS = "DELETE FROM {table} WHERE tenant_id = $1 AND {column} = ANY($2::text[])"
# Only the parts of an actor that are the person's, wherever they stand in it.
_ACTOR = """
    UPDATE {table} SET {column} = (
        SELECT string_agg(
            CASE WHEN part = ANY($2::text[]) THEN split_part(part, ':', 1) || ':' || $3
                ELSE part END, ' for ' ORDER BY place)
        FROM unnest(string_to_array({column}, ' for ')) WITH ORDINALITY AS p (part, place))
    WHERE tenant_id = $1 AND string_to_array({column}, ' for ') && $2::text[]
"""
_RESOURCE = """
    UPDATE {table} SET {column} = CASE WHEN {column} = ANY($2::text[]) THEN $3
        ELSE regexp_replace({column}, $4, '/' || $3, 'g') END
    WHERE tenant_id = $1 AND ({column} = ANY($2::text[]) OR {column} ~ $4)
"""
_DOCUMENT = """
    UPDATE {table} SET {column} = regexp_replace({column}::text, $2, $3, 'g')::jsonb
    WHERE tenant_id = $1 AND {column}::text ~ $2
"""
_WITHIN = """
    UPDATE {table} SET {column} = jsonb_set({column}, '{{{key}}}',
        regexp_replace(({column} -> '{key}')::text, $2, $3, 'g')::jsonb)
    WHERE tenant_id = $1 AND ({column} -> '{key}')::text ~ $2
"""
_NEEDLE = """
    WITH needle AS MATERIALIZED (
        SELECT $1::text AS tenant, $2::text[] AS names, $3::text[] AS parts,
            $4::text AS identifiers, $5::jsonb AS json, $6::text AS actors, $7::bytea[] AS bytes,
            $8::text AS resources
    ) SELECT count(*) FROM {table} AS t, needle AS n WHERE {where}
"""
_MENTIONED = "(n.identifiers <> '' AND {c}::text ~ n.identifiers)"
_TEXT = f"({{c}} = ANY(n.names) OR string_to_array({{c}}, ' for ') && n.parts OR {_MENTIONED})"
_OURS = f"'{{{{{','.join(sorted(WORDS))}}}}}'::text[]"
_TOLD = f"CASE jsonb_typeof({{c}}) WHEN 'object' THEN {{c}} - {_OURS} ELSE {{c}} END"
_LOOK: Mapping[str, str] = {
    **dict.fromkeys(("text", "character varying", "name"), _TEXT),
    "text[]": f"({{c}} && n.names OR {{c}} && n.parts OR {_MENTIONED})",
    "jsonb": f"""(jsonb_path_exists({_TOLD}, '$.** ? (@ == $names[*])', n.json)
        OR {{c}}::text ~ n.actors OR {_MENTIONED})""",
    "bytea": """EXISTS (
        SELECT FROM unnest(n.bytes) AS b (needle) WHERE position(b.needle IN {c}) > 0)""",
}


async def rename(route: Route, control: asyncpg.Pool, erasure: Erasure) -> dict[str, int]:
    """Puts the pseudonym where the registry says that ids of people are; how many, by store."""
    counts: dict[str, int] = {}
    async with writing(route) as write:
        for name, store in TABLES.items():
            if name != _LOG and _names_people(store):
                counts[name] = await _rename(write.conn, f"aeterna.{name}", store, route, erasure)
    with store_errors():
        async with lend(control) as conn:
            for name, store in CONTROL.items():
                if _names_people(store):
                    table = f"{CONTROL_PREFIX}{name}"
                    counts[table] = await _rename(conn, table, store, route, erasure)
    return counts


async def look(route: Route, control: asyncpg.Pool, erasure: Erasure) -> dict[str, int]:
    """How many rows name the person, by store; those without any are left out."""
    async with reading(route) as conn:
        left = await _look(conn, "aeterna", "", route, erasure)
    with store_errors():
        async with lend(control) as other:
            left |= await _look(other, "control", CONTROL_PREFIX, route, erasure)
    return {name: count for name, count in left.items() if count}


def _names_people(store: Store) -> bool:
    named = store.people or store.actors or store.documents or store.rows or store.lists
    return bool(named or store.resources)


async def _rename(
    conn: Connection, table: str, store: Store, route: Route, erasure: Erasure
) -> int:
    names, parts = list(erasure.names), actor_parts(erasure)
    target = (route.tenant,)
    changes: list[tuple[object, ...]] = [
        (_ROWS.format(table=table, column=each), names) for each in store.rows
    ]
    changes += [
        (_PERSON.format(table=table, column=each), names, erasure.pseudonym)
        for each in store.people
    ]
    changes += [
        (_LIST.format(table=table, column=each), names, erasure.pseudonym) for each in store.lists
    ]
    changes += [
        (_ACTOR.format(table=table, column=each), parts, erasure.pseudonym) for each in store.actors
    ]
    found = resource_pattern(names)
    changes += [
        (_RESOURCE.format(table=table, column=each), names, erasure.pseudonym, found)
        for each in store.resources
    ]
    done = [await conn.execute(str(sql), *target, *values) for sql, *values in changes]
    for each in store.documents:
        column, _, key = each.partition(".")
        sql = (_WITHIN if key else _DOCUMENT).format(table=table, column=column, key=key)
        done += [await conn.execute(sql, *target, *how) for how in _in_documents(erasure)]
    return sum(int(each.split()[1]) for each in done)


def _in_documents(erasure: Erasure) -> list[tuple[str, str]]:
    """Regular expressions, and what takes the place of what they find."""
    pseudonym = erasure.pseudonym
    found = [
        (json_pattern(erasure.names), f'"{pseudonym}"'),
        (actor_pattern(erasure.names), rf"\1{pseudonym}"),
    ]
    if erasure.identifiers:
        found.append((sql_pattern(erasure.identifiers), pseudonym))
    return found


async def _look(
    conn: Connection, schema: str, prefix: str, route: Route, erasure: Erasure
) -> dict[str, int]:
    rows = await conn.fetch(_COLUMNS, schema)
    values = _needle(route, erasure)
    counts = {}
    for table, columns in groupby(rows, key=lambda row: row["table"]):
        store = TABLES.get(table) if schema == "aeterna" else None
        types = {row["column"]: row["type"] for row in columns}
        sql = _looking(f"{schema}.{table}", types, store)
        if sql:
            counts[f"{prefix}{table}"] = int(await conn.fetchval(sql, *values))
    return counts


def _looking(table: str, columns: Mapping[str, str], store: Store | None) -> str:
    """Counts the rows that name the person in any column; "" where none could."""
    known = store or none("not in the registry")
    keys = dict(each.split(".") for each in known.documents if "." in each)
    words = WORDS - {*known.people, *known.lists}
    where = [
        (_MENTIONED if column in words else _LOOK[kind]).format(
            c=_looked_at(column, keys.get(column))
        )
        for column, kind in columns.items()
        if kind in _LOOK and column != _TENANT
    ]
    where += [f't."{column}" ~ n.resources' for column in known.resources]
    if not where:
        return ""
    own = f"t.{_TENANT} = n.tenant AND " if _TENANT in columns else ""
    return _NEEDLE.format(table=table, where=f"{own}({' OR '.join(where)})")


def _looked_at(column: str, key: str | None) -> str:
    """Of a column that holds people under one key only, what is there: the rest are our words."""
    return f"(t.\"{column}\" -> '{key}')" if key else f't."{column}"'


def _needle(route: Route, erasure: Erasure) -> tuple[object, ...]:
    """The parameters of `_NEEDLE`."""
    names = list(erasure.names)
    return (
        route.tenant,
        names,
        actor_parts(erasure),
        sql_pattern(erasure.identifiers),
        json.dumps({"names": names}, ensure_ascii=False),
        actor_pattern(names),
        [each.encode() for each in names if len(each.encode()) >= _LEAST_BYTES],
        resource_pattern(names),
    )

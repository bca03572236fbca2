"""What somebody who may write to the database could try: every trick is refused when it is read.

The tables are altered as a superuser, with the guard of sealed values off; the reads are RPCs.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from aeterna.memory.v1 import memory_pb2
from libs.encryption.envelope import KEY_ID, NONCE
from tests.errors import fails_with
from tests.integration.governance.administering_keys import Keys
from tests.suite import Suite, open_suite

Trick = Callable[[asyncpg.Connection, str, str], Awaitable[object]]


@pytest.fixture
async def keys(suite: Suite) -> Keys:
    return Keys(suite, "acme", await suite.create_tenant("acme"))


@asynccontextmanager
async def tampering(suite: Suite) -> AsyncIterator[asyncpg.Connection]:
    async with suite.database.connect() as superuser:
        await superuser.execute("SET session_replication_role = replica")
        yield superuser


async def refused(keys: Keys, memory: str, folder: Path) -> None:
    """By a process that starts now: the others may have the true keys in memory."""
    async with open_suite(keys.suite.database, folder) as fresh:
        with fails_with("DECRYPTION_FAILED"):
            await replace(keys, suite=fresh).get(memory)


async def swap_rows(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.memory AS m SET content = o.content FROM aeterna.memory AS o"
        " WHERE m.id = $1 AND o.id = $2",
        one,
        other,
    )


async def swap_columns(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.memory SET content = metadata, metadata = content WHERE id = $1", one
    )


async def swap_tables(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.memory SET content = (SELECT title FROM aeterna.knowledge_item LIMIT 1)"
        " WHERE id = $1",
        one,
    )


async def truncate_the_tag(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.memory SET content = substring(content FROM 1 FOR length(content) - 4)"
        " WHERE id = $1",
        one,
    )


async def flip_a_bit(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.memory SET content = set_bit(content, 8 * 30, 1 - get_bit(content, 8 * 30))"
        " WHERE id = $1",
        one,
    )


async def downgrade_the_format(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.memory SET content = set_byte(content, 0, 160) WHERE id = $1", one
    )


async def leave_plain_text(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.memory SET content = convert_to(repeat('trust me ', 9), 'UTF8')"
        " WHERE id = $1",
        one,
    )


async def name_another_key(superuser: asyncpg.Connection, one: str, other: str) -> object:
    """Another subject's key, of the same version, in the header."""
    return await superuser.execute(
        "UPDATE aeterna.memory AS m SET content = overlay(m.content PLACING"
        " substring(o.content FROM 2 FOR 16) FROM 2) FROM aeterna.memory AS o"
        " WHERE m.id = $1 AND o.id = $2",
        one,
        other,
    )


async def raise_the_version(superuser: asyncpg.Connection, one: str, other: str) -> object:
    """As if the key were one of another version: it is in what is authenticated."""
    return await superuser.execute(
        "UPDATE aeterna.subject_key SET version = version + 1 WHERE subject_id = 'ann'"
    )


async def swap_wrapped_keys(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.subject_key SET wrapped = (SELECT wrapped FROM aeterna.subject_key"
        " WHERE subject_id = 'bob') WHERE subject_id = 'ann'"
    )


async def alter_a_wrapped_key(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.subject_key SET wrapped = set_byte(wrapped, 9, get_byte(wrapped, 9) # 1)"
    )


@pytest.mark.parametrize(
    "trick",
    [
        swap_rows,
        swap_columns,
        swap_tables,
        truncate_the_tag,
        flip_a_bit,
        downgrade_the_format,
        leave_plain_text,
        name_another_key,
        raise_the_version,
        swap_wrapped_keys,
        alter_a_wrapped_key,
    ],
    ids=lambda trick: trick.__name__,
)
async def test_what_was_tampered_with_does_not_open(
    keys: Keys, trick: Trick, suite: Suite, tmp_path: Path
) -> None:
    one, other = await keys.remember("Tea at four."), await keys.remember("Coffee.", "bob")
    await keys.decide("Tea or coffee")
    async with tampering(suite) as superuser:
        await trick(superuser, _id(one), _id(other))

    await refused(keys, one.name, tmp_path)


async def take_over(superuser: asyncpg.Connection, one: str, other: str) -> object:
    return await superuser.execute(
        "UPDATE aeterna.memory AS m SET content = o.content, metadata = o.metadata,"
        " author = o.author, source = o.source FROM aeterna.memory AS o"
        " WHERE m.id = $1 AND o.id = $2",
        one,
        other,
    )


async def test_a_row_of_another_tenant_does_not_open(
    keys: Keys, suite: Suite, tmp_path: Path
) -> None:
    """Moved with its keys, but for the tenant's own: these stay wrapped for their tenant."""
    stranger = Keys(suite, "globex", await suite.create_tenant("globex"))
    mine, theirs = await keys.remember("Tea at four."), await stranger.remember("A secret.")
    async with tampering(suite) as superuser:
        await superuser.execute("DELETE FROM aeterna.subject_key WHERE tenant_id = 'acme'")
        await superuser.execute(
            "UPDATE aeterna.subject_key SET tenant_id = 'acme' WHERE tenant_id = 'globex'"
        )
        await take_over(superuser, _id(mine), _id(theirs))

    await refused(keys, mine.name, tmp_path)


async def test_a_tenant_key_of_another_tenant_does_not_unwrap(
    keys: Keys, suite: Suite, tmp_path: Path
) -> None:
    """Moved with everything: the key management service checks whose key it was."""
    stranger = Keys(suite, "globex", await suite.create_tenant("globex"))
    mine, theirs = await keys.remember("Tea at four."), await stranger.remember("A secret.")
    async with tampering(suite) as superuser:
        for table in ("subject_key", "tenant_key"):
            await superuser.execute(f"DELETE FROM aeterna.{table} WHERE tenant_id = 'acme'")
            await superuser.execute(
                f"UPDATE aeterna.{table} SET tenant_id = 'acme' WHERE tenant_id = 'globex'"
            )
        await take_over(superuser, _id(mine), _id(theirs))

    await refused(keys, mine.name, tmp_path)


async def test_a_value_of_a_destroyed_key_is_not_stored(keys: Keys, suite: Suite) -> None:
    """Put back from a copy, as a superuser could: the database itself refuses."""
    await keys.remember("Tea at four.")
    async with suite.database.connect() as superuser:
        await superuser.execute("DELETE FROM aeterna.subject_key WHERE subject_id = 'ann'")
        with pytest.raises(asyncpg.PostgresError) as refused:
            await superuser.execute(
                "INSERT INTO aeterna.memory_version SELECT * FROM aeterna.memory"
            )
        await superuser.execute("UPDATE aeterna.memory SET importance = 0.1")  # what is lost stays
    assert refused.value.sqlstate == "AE005"


async def test_no_nonce_is_used_twice(keys: Keys, suite: Suite) -> None:
    """Over equal texts, their versions, and all of them sealed anew."""
    for _ in range(2):
        memory = await keys.remember("The same again.")
        for _ in range(10):
            await keys.update(memory.name, "The same again.")
    seen: Counter[tuple[bytes, bytes]] = Counter()
    for _ in range(2):
        async with suite.database.connect() as superuser:
            for table in ("memory", "memory_version"):
                rows = await superuser.fetch(f"SELECT content FROM aeterna.{table}")
                seen.update((row[0][KEY_ID], row[0][NONCE]) for row in rows)
        await keys.rotate("ann")
        await keys.reencrypt()

    assert len({nonce for _, nonce in seen}) == len(seen) == 44
    assert max(seen.values()) == 1


def _id(memory: memory_pb2.Memory) -> str:
    return memory.name.removeprefix("memories/")

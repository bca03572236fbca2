"""kill -9 of one of two replicas: its people are gone after its lease, and nobody else is."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.crash.replicas import sync_replica
from tests.databases import Database, add_tenant
from tests.integration.sync.presence.people import OFFLINE, listed, new_room, present, sees

_SETTINGS = {"PRESENCE__LEASE": "PT5S", "PRESENCE__RENEWAL": "PT0.5S"}
_CROWD = 20


async def test_who_was_at_a_killed_replica_is_gone_and_nobody_else(
    database: Database, tmp_path: Path, redis_url: str
) -> None:
    await add_tenant(database, "acme")
    room = new_room()
    async with AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(sync_replica(database, tmp_path, redis_url, _SETTINGS))
            for _ in range(2)
        ]
        ann = await stack.enter_async_context(present(here, room, "ann"))
        names = [f"bob-{number}" for number in range(_CROWD)]
        for name in names:
            await stack.enter_async_context(present(there, room, name))
        own = await stack.enter_async_context(present(there, room, "ann"))
        await ann.until(sees("ann", "ann", *names))
        lost = {each.connection for each in own.seen.values() if each.user != "ann"}
        assert ann.people == 1 + _CROWD

        await there.kill()
        returned = await stack.enter_async_context(present(here, room, "bob-0"))
        for each in (ann, returned):
            await each.until(sees("ann", "bob-0"))
            assert (each.people, each.partial) == (2, False)
        gone = {each.connection for each in ann.told if each.state == OFFLINE}
        assert lost < gone
        assert len(gone) == _CROWD + 1
        assert (await listed(here, room)).connections == 2

        late = sync_replica(database, tmp_path, redis_url, _SETTINGS)
        new = await stack.enter_async_context(late)
        cleo = await stack.enter_async_context(present(new, room, "cleo"))
        await asyncio.gather(
            *[each.until(sees("ann", "bob-0", "cleo")) for each in (ann, returned, cleo)]
        )

"""What becomes of the others of a tenant when one thing goes wrong, or is slow, or large."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from libs.auth import Role
from libs.postgres import StoreUnavailable
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from services.sync.live import house
from services.sync.live.ports import Documents
from services.sync.live.settings import LiveSettings
from tests.eventually import eventually
from tests.unit.sync.live.fakes import TENANT, opened

NOTE = "documents/0198c0de-0000-7000-8000-000000000001"


class Unreadable:
    """`Documents` whose keys are out of reach."""

    async def edits(self, tenant: TenantId, document: str, numbers: Sequence[int]) -> Any:
        raise StoreUnavailable


async def until(holds: Callable[[], bool]) -> None:
    async def held() -> bool:
        return holds()

    await eventually(held)


async def test_an_edit_that_cannot_be_read_is_told_without_what_was_typed() -> None:
    async with opened() as place:
        place.means.documents = cast(Documents, Unreadable())
        place.log.append(NOTE, "company")
        connection, client = await place.connect(role=Role.DEVELOPER)
        await place.enter(connection, "changes")
        await place.enter(connection, NOTE, since=0)
        await until(lambda: client.numbers(NOTE) == [1])
        place.log.append(NOTE, "company", did="updated")
        place.tell()

        await until(lambda: client.numbers(NOTE) == [1, 2])
        assert client.numbers("changes") == [2]
        assert client.ending is None


async def test_a_room_that_cannot_be_read_is_left_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as place:
        place.log.append("memories/1", "team")

        async def fails(*_: Any) -> Sequence[LoggedChange]:
            raise KeyError("a bug")

        monkeypatch.setattr(place.log, "existing", fails)
        one, of_one = await place.connect()
        two, of_two = await place.connect()
        await place.enter(two, "changes")
        await place.enter(one, "changes")
        await place.enter(one, "memories", snapshot=True)
        await until(lambda: "unsubscribed" in of_one.messages)
        place.log.append("memories/1", "team")
        place.tell()

        await until(lambda: of_one.numbers("changes") == of_two.numbers("changes") == [2])
        assert of_one.frames[0].message.unsubscribed.error.reason == "INTERNAL"


async def test_where_to_resume_is_told_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "_TURN", 3)
    async with opened() as place:
        clients = []
        for _ in range(10):
            connection, client = await place.connect()
            await place.enter(connection, "memories")
            clients.append(client)
        place.log.append("budgets/b")
        place.tell()
        await until(lambda: place.house.position == 1)

        confirming = asyncio.create_task(place.house.confirm())
        await asyncio.sleep(0)
        assert sum("checkpoint" in each.messages for each in clients) == 3
        await confirming
        assert [each.messages for each in clients] == [["checkpoint"]] * 10


async def test_short_messages_do_not_wait_for_the_bytes_of_others() -> None:
    slow = LiveSettings(tenant_bytes_per_second=1000, tenant_bytes_at_once=1000)
    async with opened(slow) as place:
        one, _ = await place.connect()
        two, _ = await place.connect()
        floods = asyncio.create_task(place.hub.paced(one, TENANT, 1, 1_000_000))
        await asyncio.sleep(0)

        async with asyncio.timeout(20):  # of a thousand
            await place.hub.paced(two, TENANT, 1, 100)
        assert not floods.done()
        floods.cancel()


@pytest.mark.parametrize(("taken", "ends"), [(0, True), (90, True), (110, False)])
async def test_who_takes_too_little_is_sent_away(taken: int, ends: bool) -> None:
    """Of 1000 bytes, of which 200 may wait: 100 at least within its patience."""
    async with opened(LiveSettings().model_copy(update={"waiting_bytes": 200})) as place:
        connection, client = await place.connect()
        member = await place.enter(connection, "memories", since=0)
        client.waiting = 1000
        place.house.hold(member)
        client.waiting -= taken

        later = place.means.clock() + place.means.settings.patience.total_seconds() + 1
        assert bool(list(place.house.reader.impatient(later))) is ends

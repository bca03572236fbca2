"""What a subscriber gets: everything of its tenant that it asked for, once and in order."""

import asyncio
from datetime import timedelta

import pytest

from libs.wakeups.settings import WakeupSettings
from tests.integration.sync.conftest import OpenReplica
from tests.integration.sync.replicas import Replica, checkpoint, numbers, take


async def test_first_a_checkpoint_then_what_was_missed_then_what_is_new(replica: Replica) -> None:
    await replica.append("acme", 3)

    call = replica.subscribe("acme", since=1)

    assert await checkpoint(call) == 1
    assert await numbers(call, 2) == [2, 3]
    await replica.append("acme", 2)
    assert await numbers(call, 2) == [4, 5]


async def test_without_a_number_it_begins_now(replica: Replica) -> None:
    await replica.append("acme", 3)

    call = replica.subscribe("acme")

    assert await checkpoint(call) == 3
    await replica.append("acme")
    assert await numbers(call, 1) == [4]


async def test_a_change_says_what_happened_but_not_the_content(replica: Replica) -> None:
    await replica.append("acme", collection="policies")

    call = replica.subscribe("acme", since=0)
    await checkpoint(call)
    (change,) = await take(call, 1)

    assert (change.resource, change.actor, change.trace_id) == ("policies/1", "user:ann", "0" * 32)
    assert change.HasField("commit_time")
    assert list((await replica.list("acme", 0)).changes) == [change]


async def test_nothing_is_lost_or_doubled_under_concurrent_writers(replica: Replica) -> None:
    calls = [replica.subscribe("acme", since=0) for _ in range(3)]
    for call in calls:
        await checkpoint(call)

    async def write(count: int) -> None:
        for _ in range(20):
            await replica.append("acme", count)

    writing = asyncio.gather(*(write(count) for count in (1, 2, 3, 4)))
    late = replica.subscribe("acme", since=0)
    await checkpoint(late)
    seen = await asyncio.gather(*(numbers(call, 200) for call in [*calls, late]))

    await writing
    assert seen == [list(range(1, 201))] * 4


async def test_who_is_far_behind_catches_up_while_others_are_live(replica: Replica) -> None:
    await replica.append("acme", 2700)
    live = replica.subscribe("acme")
    await checkpoint(live)

    behind = replica.subscribe("acme", since=0)
    await checkpoint(behind)
    first = await numbers(behind, 10)
    await replica.append("acme", 1200)  # more than is kept for those who are not far behind

    assert await numbers(live, 1200) == list(range(2701, 3901))
    assert first + await numbers(behind, 3890) == list(range(1, 3901))


async def test_only_the_wanted_collections_and_how_far_they_are(replica: Replica) -> None:
    call = replica.subscribe("acme", since=0, collections=["policies", "knowledgeItems"])
    assert await checkpoint(call) == 0

    await replica.append("acme", 2)
    assert await checkpoint(call) == 2
    await replica.append("acme", 1, "policies")
    assert await numbers(call, 1) == [3]
    await replica.append("acme", 4)
    assert await checkpoint(call) == 7
    await replica.append("acme", 1, "knowledgeItems")
    assert await numbers(call, 1) == [8]


async def test_a_quiet_tenant_is_confirmed_to_be_quiet(opened: OpenReplica) -> None:
    async with opened(quiet=timedelta(milliseconds=10)) as replica:
        await replica.append("acme", 2)

        call = replica.subscribe("acme", since=1)

        assert await checkpoint(call) == 1
        assert await numbers(call, 1) == [2]
        assert [await checkpoint(call) for _ in range(3)] == [2, 2, 2]


async def test_tenants_do_not_see_each_other(replica: Replica) -> None:
    acme, bolt = replica.subscribe("acme", since=0), replica.subscribe("bolt", since=0)
    await checkpoint(acme)
    await checkpoint(bolt)

    await replica.append("acme", 5, "memories")
    await replica.append("bolt", 2, "policies")
    await replica.append("acme", 1, "memories")

    assert {change.resource for change in await take(acme, 6)} == {"memories/1"}
    assert {change.resource for change in await take(bolt, 2)} == {"policies/1"}
    assert (await replica.list("bolt", 0)).head == 2


@pytest.fixture(params=["redis", "postgres"])
def wakeups(request: pytest.FixtureRequest) -> WakeupSettings:
    if request.param == "postgres":
        return WakeupSettings(transport="postgres")
    return WakeupSettings(transport="redis", redis_url=request.getfixturevalue("redis_url"))


async def test_what_one_replica_wrote_reaches_the_subscribers_of_another(
    opened: OpenReplica, wakeups: WakeupSettings
) -> None:
    async with opened(wakeups) as here, opened(wakeups) as there:
        call = there.subscribe("acme")
        await checkpoint(call)

        for number in range(1, 11):  # one by one: each has to be announced
            await here.append("acme")
            assert await numbers(call, 1) == [number]


async def test_a_lost_wakeup_only_delays(opened: OpenReplica) -> None:
    async with opened() as here, opened(poll=timedelta(milliseconds=10)) as there:
        call = there.subscribe("acme")
        await checkpoint(call)

        for number in range(1, 11):
            await here.append("acme")
            assert await numbers(call, 1) == [number]


async def test_the_last_to_leave_and_the_next_to_come_miss_nothing(replica: Replica) -> None:
    for number in range(1, 11):
        call = replica.subscribe("acme", since=number - 1)
        assert await checkpoint(call) == number - 1
        await replica.append("acme")
        assert await numbers(call, 1) == [number]
        call.cancel()


async def test_list_pages_through_the_log(replica: Replica) -> None:
    await replica.append("acme", 1100)

    first = await replica.list("acme", 0)
    rest = await replica.list("acme", 100, page_size=10_000)
    last = await replica.list("acme", 1100)

    assert [change.number for change in first.changes] == list(range(1, 101))
    assert [change.number for change in rest.changes] == list(range(101, 1101))
    assert (first.head, rest.head, last.head, len(last.changes)) == (1100, 1100, 1100, 0)

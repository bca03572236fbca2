"""Any interleaving of writers, slow clients, windows, and people who come, come again and go:
everybody gets everything of its room, once and in order."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.authorization.asking import principal_of
from libs.authorization.rules import TenantRules
from libs.spine.changes import LoggedChange
from services.sync import tails
from services.sync.domain.sight import reading
from services.sync.live import house, reader, rooms
from services.sync.live.domain.rooms import rooms_of
from services.sync.live.members import Connection, Member
from services.sync.live.settings import LiveSettings
from tests.unit.sync.live.fakes import NOW, TENANT, Client, Place, opened

_TIGHT = LiveSettings().model_copy(update={"waiting_bytes": 200})  # three events or so
_PEOPLE = ("ann", "bob")
_ROOMS = ("changes", "memories", "memories/1", "layers/user", "layers/team")


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Little is kept and read at once, so that there are many pages and turns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tails, "_WINDOW", 30)
        for module in (tails, reader, house):
            patch.setattr(module, "PAGE", 12)
        patch.setattr(house, "_TURN", 3)
        patch.setattr(house, "_ROUND", 20)
        patch.setattr(reader, "_AT_ONCE", 5)
        patch.setattr(rooms, "_WEIGH_EVERY", 200)
        yield


@dataclass
class Follower:
    """Somebody in a room, and since when it has been so."""

    connection: Connection
    client: Client
    person: str
    room: str
    start: int
    member: Member
    before: int = 0  # events that it had got before it entered anew

    @property
    def seen(self) -> list[int]:
        return self.client.numbers(self.room)

    def acknowledge(self, place: Place) -> None:
        for number in self.seen[-1:]:
            self.member.acknowledge(number)
            place.house.reader.resume(self.member)

    def take(self, place: Place) -> None:
        self.client.stalled, self.client.waiting = False, 0
        for member in self.connection.rooms.values():
            place.house.reader.resume(member)


@dataclass(frozen=True)
class Append:
    count: int
    resource: str
    layer: str
    subject: str


@dataclass(frozen=True)
class Join:
    person: str
    room: str
    share: float  # of the log that it has seen already
    window: int


@dataclass(frozen=True)
class Do:
    what: str
    who: int


@dataclass(frozen=True)
class Wait:
    turns: int


joins = st.builds(
    Join,
    st.sampled_from(_PEOPLE),
    st.one_of(st.just("changes"), st.sampled_from(_ROOMS)),
    st.one_of(st.just(1.0), st.floats(0, 1)),
    st.sampled_from([0, 0, 0, 1, 7]),
)
steps = st.one_of(
    st.builds(
        Append,
        st.one_of(st.integers(1, 5), st.integers(15, 60)),  # beyond pages and the tail, too
        st.sampled_from(["memories/1", "memories/2", "budgets/b"]),
        st.sampled_from(["user", "team"]),
        st.sampled_from(["", *_PEOPLE]),
    ),
    joins,
    st.builds(
        Do,
        st.sampled_from(["stall", "take", "acknowledge", "enter anew", "leave", "go"]),
        st.integers(0, 5),
    ),
    st.builds(Wait, st.integers(0, 15)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(joins, max_size=8), st.lists(steps, max_size=20))
def test_everybody_gets_everything_once_and_in_order(
    first: list[Join], steps: list[Append | Join | Do | Wait]
) -> None:
    asyncio.run(_play([*first, *steps]))


async def _play(steps: Sequence[Append | Join | Do | Wait]) -> None:
    async with asyncio.timeout(120), opened(_TIGHT) as place:
        place.log.append("memories/1", "team")  # of a resource of which there is nothing
        followers: list[Follower] = []  # a viewer might not enter the room
        for step in steps:
            match step:
                case Append(count, resource, layer, subject):
                    for _ in range(count):
                        place.log.append(resource, layer, subject)
                    place.tell()
                case Join(person, room, share, window):
                    if await _may_enter(place, person, room):
                        followers.append(await _join(place, person, room, share, window))
                case Do(what, who) if followers:
                    await _do(place, followers, what, who % len(followers))
                case Wait(turns):
                    for _ in range(turns):
                        await asyncio.sleep(0)
        await _finish(place, followers)
        for each in followers:
            assert each.seen[each.before :] == _expected(place, each)


async def _may_enter(place: Place, person: str, room: str) -> bool:
    if room != "memories/1":
        return True
    latest = await place.log.latest(TENANT, room)
    assert latest is not None
    return latest.layer == "team" or latest.subject == person


async def _join(place: Place, person: str, room: str, share: float, window: int) -> Follower:
    connection, client = await place.connect(person)
    since = int(share * len(place.log.rows))
    member = await place.enter(connection, room, since, window=window)
    return Follower(connection, client, person, room, since, member)


async def _do(place: Place, followers: list[Follower], what: str, who: int) -> None:
    each = followers[who]
    match what:
        case "stall":
            each.client.stalled = True
        case "take":
            each.take(place)
        case "acknowledge":
            each.acknowledge(place)
        case "enter anew" if await _may_enter(place, each.person, each.room):
            seen = each.seen[each.before :]
            since = seen[-1] if seen else each.start
            each.member = await place.enter(each.connection, each.room, since)
            each.start, each.before = since, len(each.seen)
        case "leave" | "go":
            if what == "go":
                place.hub.part(each.connection, place.house)
            else:
                place.house.leave(each.connection, each.room)
            got = len(each.seen)
            await asyncio.sleep(0)
            assert len(each.seen) == got
            del followers[who]


def _expected(place: Place, each: Follower) -> list[int]:
    """By a decision for each change, as a reader of the log would make it."""
    assert each.connection.identity is not None
    asker = place.rights.engine.of(principal_of(each.connection.identity, TenantRules(), NOW))

    def hears(row: LoggedChange) -> bool:
        return asker.decide(*reading(row, TENANT, each.person)).allowed

    rows = place.log.rows[each.start :]
    return [row.number for row in rows if each.room in rooms_of(row) and hears(row)]


async def _finish(place: Place, followers: list[Follower]) -> None:
    """Everybody takes and acknowledges until nothing more comes."""
    while any(each.seen[each.before :] != _expected(place, each) for each in followers):
        for each in followers:
            assert each.client.ending is None
            assert "unsubscribed" not in each.client.messages
            assert len(each.seen) - each.before <= len(_expected(place, each))
            each.take(place)
            each.acknowledge(place)
        await asyncio.sleep(0.001)
    for _ in range(20):  # what is doubled would come now
        await asyncio.sleep(0)

"""`Store` in Redis; all of it may be lost, and is then written anew."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from heapq import merge
from itertools import islice
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from libs.wakeups.redis_pubsub import RedisTransport
from services.sync.presence.domain.members import Counts, Placed, Room, State
from services.sync.presence.ports import News, Renewal, StoreAway, Swept, Write, Written
from services.sync.presence.store import scripts
from services.sync.presence.store.records import line_of, member_of

ANSWER_SECONDS = 2.0
_PREFIX = "aeterna:presence:"
_ROOMS = 200  # that one script looks at


@dataclass(frozen=True)
class RedisStore:
    """`Store` of one replica.

    Attributes:
        lease: In seconds.
        prefix: Of all keys.
        clock: In seconds; the server's own when None.
    """

    client: redis.asyncio.Redis
    replica: str
    lease: float = 15.0
    prefix: str = _PREFIX
    clock: Callable[[], float] | None = None

    async def renew(self, versions: Mapping[Room, int]) -> Renewal:
        head = [self._now, self._lease, self.replica]
        calls: list[_Call] = [(scripts.RENEW, head)]
        for part in _parts(versions.items()):
            asked = [text for room, version in part for text in (_name(room), str(version))]
            calls.append((scripts.TOUCH, [*head, *asked]))
        answers = await self._run(calls)
        flat = [value for answer in answers[1:] for value in answer]
        stale = {room for room, old in zip(versions, flat[::2], strict=True) if old}
        heads = zip(versions, flat[1::2], strict=True)
        return Renewal(stale, {room: head.decode() for room, head in heads})

    async def write(self, writes: Sequence[Write]) -> Sequence[Written | None]:
        return [_written(each) for each in await self._run([self._write(each) for each in writes])]

    def _write(self, write: Write) -> "_Call":
        lines = [line_of(member) for member in write.present]
        args = [self._now, self._lease, self.replica, _name(write.room), write.before]
        return scripts.WRITE, [*args, int(write.anew), len(lines), *lines, *write.gone]

    async def held(self, room: Room) -> Set[str]:
        with _reaching():
            key = f"{self.prefix}members:{self.replica}:{_name(room)}"
            lines: Any = await self.client.zrange(key, 0, -1)
        return {line.partition(b"\n")[0].decode() for line in lines}

    async def news(self, positions: Mapping[Room, str]) -> Mapping[Room, News]:
        calls: list[_Call] = []
        for part in _parts(positions.items()):
            asked = [text for room, since in part for text in (_name(room), since)]
            calls.append((scripts.NEWS, [self._now, *asked]))
        answers = [each for answer in await self._run(calls) for each in answer]
        return {room: _news(each) for room, each in zip(positions, answers, strict=True)}

    async def counts(self, room: Room) -> Counts:
        (answer,) = await self._run([(scripts.COUNT, [self._now, _name(room)])])
        return Counts(*answer)

    async def page(
        self, room: Room, after: str, limit: int, *, lapsed: bool = False
    ) -> Sequence[Placed]:
        args = [self._now, _name(room), after, limit, int(lapsed)]
        (answer,) = await self._run([(scripts.PAGE, args)])
        names, lists = answer[::2], answer[1::2]
        ordered = merge(*([(line, name) for line in each] for name, each in _pairs(names, lists)))
        return [Placed(member_of(line), name) for line, name in islice(ordered, limit)]

    async def sweep(self) -> Swept:
        return await self._sweep("")

    async def leave(self) -> None:
        await self._run([(scripts.LEAVE, [self.replica])])
        while (await self._sweep(self.replica)).more:
            pass

    async def _sweep(self, dead: str) -> Swept:
        (answer,) = await self._run([(scripts.SWEEP, [self._now, self.replica, dead])])
        more, name = answer
        return Swept(_room(name.decode()) if name else None, bool(more))

    async def listen(self, ready: Callable[[], None], hear: Callable[[Room], None]) -> None:
        def heard(hint: str) -> None:
            replica, _, name = hint.partition(" ")
            if replica != self.replica:
                hear(_room(name))

        with _reaching():
            await RedisTransport(self.client, channel=f"{self.prefix}hints").listen(ready, heard)

    async def _run(self, calls: Sequence["_Call"]) -> list[Any]:
        with _reaching():
            try:
                return await self._ask(calls)
            except NoScriptError:  # a server that was restarted
                for script in scripts.EVERY:
                    await self.client.script_load(script)
                return await self._ask(calls)

    async def _ask(self, calls: Sequence["_Call"]) -> list[Any]:
        async with self.client.pipeline(transaction=False) as pipeline:
            for script, args in calls:
                pipeline.evalsha(scripts.NAMES[script], 0, self.prefix, *args)
            answers: list[Any] = await pipeline.execute()
        return answers

    @property
    def _now(self) -> str:
        """In milliseconds; the server's own when empty."""
        return str(int(self.clock() * 1000)) if self.clock else ""

    @property
    def _lease(self) -> int:
        return int(self.lease * 1000)


_Call = tuple[str, list[Any]]  # a script and its arguments


@contextmanager
def _reaching() -> Iterator[None]:
    """Whatever goes wrong on the way to the server is StoreAway."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as exc:
        raise StoreAway from exc


def _name(room: Room) -> str:
    """Unambiguous: a tenant is a DNS label."""
    return f"{room.tenant}:{room.name}"


def _room(name: str) -> Room:
    tenant, _, room = name.partition(":")
    return Room(tenant, room)


def _parts(items: Iterable[tuple[Room, Any]]) -> Iterator[Sequence[tuple[Room, Any]]]:
    every = list(items)
    return (every[start : start + _ROOMS] for start in range(0, len(every), _ROOMS))


def _pairs(names: Sequence[bytes], lists: Sequence[list[bytes]]) -> Iterable[Any]:
    return [(name.decode(), each) for name, each in zip(names, lists, strict=True)]


def _written(answer: Sequence[Any]) -> Written | None:
    if not answer:
        return None
    version, connections, people, since, position = answer
    return Written(version, Counts(connections, people), since.decode(), position.decode())


def _news(answer: Sequence[Any]) -> News:
    connections, people, position, complete, entries = answer
    changes = [_change(*each) for each in zip(*[iter(entries)] * 3, strict=True)]
    return News(Counts(connections, people), position.decode(), changes, bool(complete))


def _change(replica: bytes, line: bytes, gone: bytes) -> Placed:
    member = member_of(line)
    if gone == b"1":
        member = replace(member, state=State.OFFLINE)
    return Placed(member, replica.decode())

"""All live connections of this process: who is let in, who is sent away, and how it ends."""

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta

from libs.auth import TokenExpired
from libs.buckets import Buckets
from libs.errors import AppError
from libs.metrics import LIVE_WAITED
from libs.service.pipeline import SlowConsumer
from libs.tenancy import TenantId
from services.sync.errors import ServerStopping
from services.sync.live.domain.endings import Ending
from services.sync.live.errors import (
    AuthenticationLate,
    HeartbeatMissed,
    TooManyConnections,
)
from services.sync.live.house import House
from services.sync.live.means import Means
from services.sync.live.members import Connection
from services.sync.live.ports import Frame

_SWEEP = 1.0  # seconds
_JOINING = 10  # tokens: as many messages as one who comes is worth
_SHORT = 4096  # bytes of a message that does not wait for those that others have sent
_DRAIN_STEP = 0.1  # seconds: clients that leave in one of these are told the same time


class Hub:
    """The houses of all tenants that somebody is connected for. `run` looks after time."""

    def __init__(self, means: Means, quiet: timedelta) -> None:
        """`quiet`: how often everybody is told from where to resume."""
        self._means, self._quiet = means, quiet.total_seconds()
        self.houses: dict[TenantId, House] = {}
        self._strangers: dict[Connection, None] = {}
        self._draining: asyncio.Task[None] | None = None
        self._confirmed_at = means.clock()
        self._stopping = False
        settings = means.settings
        self._rate = settings.tenant_messages_per_second
        self._tokens = Buckets(self._rate, settings.tenant_messages_at_once, means.clock)
        self._bytes = Buckets(
            settings.tenant_bytes_per_second, settings.tenant_bytes_at_once, means.clock
        )

    def meet(self, connection: Connection) -> None:
        """Waits for somebody to say who it is.

        Raises:
            ServerStopping: As it says.
        """
        if self._stopping:
            raise ServerStopping
        within = self._means.settings.authenticate_within.total_seconds()
        connection.ends_at = self._means.clock() + within
        self._strangers[connection] = None

    async def join(self, connection: Connection, tenant: TenantId) -> House:
        """Lets somebody in who has an identity.

        Raises:
            ServerStopping, TooManyConnections, PermissionDenied: Not.
            TenantNotFound, TenantSuspended, StoreUnavailable: As they say.
        """
        self._strangers.pop(connection, None)
        await self.paced(connection, tenant, _JOINING)
        house = await self._house(tenant)
        most = self._means.settings.connections_per_tenant
        if len(house.connections) >= most:
            raise TooManyConnections(most)
        await house.join(connection)
        return house

    def part(self, connection: Connection, house: House | None) -> None:
        """The connection is gone."""
        connection.ended = True
        self._strangers.pop(connection, None)
        if house and connection in house.connections:
            house.part(connection)

    def end(self, connection: Connection, house: House | None, error: AppError) -> None:
        """Sends somebody away."""
        self._strangers.pop(connection, None)
        if house:
            house.end(connection, Ending(error))
        else:
            connection.dismiss(Ending(error))

    async def paced(
        self, connection: Connection, tenant: TenantId, tokens: float, size: int = 0
    ) -> None:
        """Waits until the rates of all connections of the tenant allow for a message."""
        if not self._rate:
            return
        needed = self._tokens.reserve(tenant, tokens)
        for_bytes = self._bytes.reserve(tenant, size)
        if not 0 < size <= _SHORT:
            needed = max(needed, for_bytes)
        if wait := needed.total_seconds():
            LIVE_WAITED.labels("tenant").inc(wait)
            await connection.rest(wait)

    def tell(self, tenant: TenantId, room: str, frame: Frame) -> None:
        """Sends something to those in a room who entered it with presence."""
        if house := self.houses.get(tenant):
            house.tell(room, frame)

    async def run(self) -> None:
        """Until cancelled: ends who is late, silent or slow, and says from where to resume."""
        while True:
            await asyncio.sleep(_SWEEP)
            self.sweep()
            await self._confirm(self._means.clock())

    def sweep(self) -> None:
        """Looks at everybody once."""
        now = self._means.clock()
        for stranger in [each for each in self._strangers if now >= each.ends_at]:
            self.end(stranger, None, AuthenticationLate())
        for house in list(self.houses.values()):
            self._sweep(house, now)

    def stop(self) -> None:
        """Tells everybody to leave, each at another time, and ends who has not left by then."""
        self._stopping = True
        for stranger in list(self._strangers):
            self.end(stranger, None, ServerStopping())
        leaving = [each for house in self.houses.values() for each in self._told(house)]
        self._draining = asyncio.create_task(self._drain(leaving))

    async def drained(self) -> None:
        """After `stop`: returns when everybody has left."""
        if self._draining:
            await self._draining

    def _told(self, house: House) -> Iterator[tuple[float, Connection, House]]:
        """Tells everybody of a tenant when to come again; those, and when it is."""
        now, frames = self._means.clock(), dict[int, Frame]()
        steps = int(self._means.settings.drain.total_seconds() / _DRAIN_STEP)
        for connection in house.connections:
            step = random.randint(0, steps)
            after = step * _DRAIN_STEP
            if step not in frames:
                frames[step] = self._means.frames.draining(timedelta(seconds=after))
            connection.peer.send(frames[step])
            yield now + after, connection, house

    async def _drain(self, leaving: list[tuple[float, Connection, House]]) -> None:
        for due, connection, house in sorted(leaving, key=lambda each: each[0]):
            if connection in house.connections:
                await asyncio.sleep(max(0.0, due - self._means.clock()))
                house.end(connection, Ending(ServerStopping()))

    async def _house(self, tenant: TenantId) -> House:
        """The tenant's house, opened for whoever comes first."""
        head = 0
        if tenant not in self.houses:
            _, head = await self._means.log.after(tenant, 0, 0)
        if self._stopping:
            raise ServerStopping
        if tenant not in self.houses:
            house = House(tenant, self._means, self._closed)
            house.open(head)
            self.houses[tenant] = house
        return self.houses[tenant]

    def _closed(self, house: House) -> None:
        if self.houses.get(house.tenant) is house:
            del self.houses[house.tenant]

    async def _confirm(self, now: float) -> None:
        """Says from where to resume, now and then."""
        if now - self._confirmed_at >= self._quiet:
            self._confirmed_at = now
            for house in list(self.houses.values()):
                await house.confirm()

    def _sweep(self, house: House, now: float) -> None:
        silence = self._means.settings.silence.total_seconds()
        for connection in list(house.connections):
            if now >= connection.ends_at:
                house.end(connection, Ending(TokenExpired()))
            elif now - connection.heard_at >= silence:
                house.end(connection, Ending(HeartbeatMissed()))
        for member in house.reader.impatient(now):
            connection = member.connection
            house.end(connection, slow(connection))


def slow(connection: Connection) -> Ending:
    """What ends somebody who does not take what it is sent: with the number up to which it has
    everything for sure, by what it acknowledged, in all of its rooms."""
    number = min((each.acknowledged for each in connection.rooms.values()), default=None)
    metadata = {} if number is None else {"lastNumber": str(number)}
    return Ending(SlowConsumer(**metadata), number)

"""Connections to the master that Sentinels know, which leave one that another has replaced."""

from typing import Any

from redis.asyncio.sentinel import SentinelManagedConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

_TOO_FEW = "NOREPLICAS"


class MasterConnection(SentinelManagedConnection):
    """Asks the Sentinels again when its master has too few replicas.

    A master that was frozen or cut off does not know of the failover, and Sentinels tell it only
    some ten seconds after it is back. Until then it refuses writes (`min-replicas-to-write`), and
    whoever kept to it would wait as long.
    """

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ResponseError as refusal:
            if not str(refusal).startswith(_TOO_FEW):
                raise
            await self.disconnect()
            raise RedisConnectionError("The master has too few replicas.") from None

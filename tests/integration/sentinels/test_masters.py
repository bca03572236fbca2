"""A master that was frozen, and does not know of the failover when it is back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis.asyncio
from pydantic import SecretStr
from redis.exceptions import ResponseError

from libs.redis import RedisSettings, open_redis
from tests.eventually import eventually
from tests.sentinels import MASTER, PASSWORD, Group, sentinel_group


@asynccontextmanager
async def replaced(group: Group) -> AsyncIterator[redis.asyncio.Redis]:
    """A client that is connected to a master which was replaced and refuses writes."""
    settings = RedisSettings(sentinels=group.addresses, master=MASTER, password=SecretStr(PASSWORD))
    port = group.master()
    async with (
        open_redis(settings, answer_seconds=5) as client,
        redis.asyncio.Redis(port=port, password=PASSWORD) as old,
    ):
        await client.set("key", "before")
        await old.config_set("min-replicas-to-write", 1)
        with group.frozen(port):
            group.until_another_than(port)
        await eventually(lambda: refuses(old))
        yield client


async def refuses(server: redis.asyncio.Redis) -> bool:
    try:
        await server.set("probe", "")
    except ResponseError as refusal:
        return str(refusal).startswith("NOREPLICAS")
    return False


async def test_a_master_that_was_replaced_is_left_with_its_first_refusal() -> None:
    with sentinel_group() as group:
        async with replaced(group) as client:
            with pytest.raises(redis.ConnectionError):
                await client.set("key", "after")
            await client.set("key", "after")
            assert await client.get("key") == b"after"

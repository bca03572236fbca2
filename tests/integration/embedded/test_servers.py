import asyncio

import asyncpg
import pytest
import redis

from tests.servers import postgres_server, redis_server, stoppable_postgres


async def settings_of(dsn: str) -> dict[str, str]:
    conn = await asyncpg.connect(dsn)
    rows = await conn.fetch("SELECT name, setting FROM pg_settings")
    await conn.execute("CREATE EXTENSION vector")
    await conn.close()
    return {row["name"]: row["setting"] for row in rows}


def test_the_shared_postgres_is_fit_for_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AETERNA_TEST_POSTGRES", raising=False)
    with postgres_server() as dsn:
        settings = asyncio.run(settings_of(dsn))

    assert (settings["wal_level"], settings["max_connections"]) == ("logical", "200")
    assert settings["fsync"] == "off"


def test_the_shared_redis_is_new_empty_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AETERNA_TEST_REDIS", raising=False)
    with redis_server() as url, redis.Redis.from_url(url) as client:
        assert int(client.info("server")["redis_version"].split(".")[0]) >= 7
        assert client.dbsize() == 0

    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_given_servers_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETERNA_TEST_REDIS", "redis://cache.example/1")
    monkeypatch.setenv("AETERNA_TEST_POSTGRES", "postgresql://admin@db.example/postgres")

    with redis_server() as url, postgres_server() as dsn:
        assert url == "redis://cache.example/1"
        assert dsn == "postgresql://admin@db.example/postgres"


async def test_a_server_comes_back_with_its_address_and_data() -> None:
    async with stoppable_postgres() as server:
        conn = await asyncpg.connect(server.dsn())
        await conn.execute("CREATE TABLE kept AS SELECT 7 AS value")
        await server.stop()
        with pytest.raises(OSError, match=r"No such file|refused"):
            await asyncpg.connect(server.dsn())
        assert conn.is_closed()

        await server.start()
        conn = await asyncpg.connect(server.dsn())
        assert await conn.fetchval("SELECT value FROM kept") == 7
        await conn.close()

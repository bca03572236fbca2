"""What is Qdrant's own: collections that are made when needed, and every way of being down."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from libs.tenancy import Route
from libs.vectors import Collection, IndexUnavailable, Point, VectorIndex
from libs.vectors.qdrant import open_qdrant
from tests.contract.vectors.builders import DIMENSIONS, EAST, RUN, make_point, make_route
from tests.fakes.qdrant_server import QdrantServer


@pytest.fixture
def fresh() -> Collection:
    """One that no server has."""
    return Collection(f"{RUN}-{uuid4()}", "model", DIMENSIONS)


@pytest.fixture
def acme() -> Route:
    return make_route()


async def calls_fail(index: VectorIndex, route: Route, collection: Collection) -> bool:
    for call in (
        index.apply(route, collection, [make_point()]),
        index.search(route, collection, EAST, {}, 5),
    ):
        with pytest.raises(IndexUnavailable):
            await call
    return True


async def made(client: AsyncQdrantClient, collection: Collection) -> list[str]:
    """The names of the server's collections for a collection of the port."""
    every = (await client.get_collections()).collections
    return [each.name for each in every if each.name.startswith(collection.name)]


@pytest.fixture
async def admin(qdrant_url: str) -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(url=qdrant_url, check_compatibility=False)
    yield client
    await client.close()


async def test_processes_that_race_make_one_collection(
    qdrant_url: str, admin: AsyncQdrantClient, acme: Route, fresh: Collection
) -> None:
    points = [make_point() for _ in range(8)]
    async with open_qdrant(qdrant_url, None) as one, open_qdrant(qdrant_url, None) as other:
        await asyncio.gather(
            *((one, other)[n % 2].apply(acme, fresh, [point]) for n, point in enumerate(points))
        )
        hits = await one.search(acme, fresh, EAST, {}, 20)

    assert {hit.id for hit in hits} == {point.id for point in points}
    assert len(await made(admin, fresh)) == 1


async def test_what_is_filtered_by_is_indexed(
    qdrant_url: str, admin: AsyncQdrantClient, acme: Route, fresh: Collection
) -> None:
    async with open_qdrant(qdrant_url, None) as index:
        await index.apply(acme, fresh, [make_point()])

    (name,) = await made(admin, fresh)
    indexes = (await admin.get_collection(name)).payload_schema
    tenant = indexes.pop("tenant").params
    assert isinstance(tenant, models.KeywordIndexParams)
    assert tenant.is_tenant
    ids = ("org", "team", "project", "session", "user", "agent")
    times = {"ids.valid_from", "ids.valid_until"}
    assert indexes.keys() == {"ids.layer", *(f"ids.{name}_id" for name in ids), *times}


async def test_a_lost_collection_is_empty_and_made_again(
    qdrant_url: str, admin: AsyncQdrantClient, acme: Route, fresh: Collection
) -> None:
    point = make_point()
    async with open_qdrant(qdrant_url, None) as index:
        await index.apply(acme, fresh, [make_point()])
        (name,) = await made(admin, fresh)
        await admin.delete_collection(name)

        assert await index.search(acme, fresh, EAST, {}, 5) == []
        with pytest.raises(IndexUnavailable):
            await index.apply(acme, fresh, [point])
        await index.apply(acme, fresh, [point])
        (hit,) = await index.search(acme, fresh, EAST, {}, 5)

    assert hit.id == point.id
    assert (await admin.get_collection(name)).payload_schema["tenant"].params


async def test_a_server_that_is_down_is_unavailable_until_it_is_back(
    qdrant_server: QdrantServer, acme: Route, fresh: Collection
) -> None:
    point = make_point()
    async with open_qdrant(qdrant_server.url, None) as index:
        await index.apply(acme, fresh, [point])
        qdrant_server.stop()
        assert await calls_fail(index, acme, fresh)

        qdrant_server.start()
        (hit,) = await index.search(acme, fresh, EAST, {}, 5)
        await index.apply(acme, fresh, [Point(point.id, None, {})])

        assert hit.id == point.id
        assert await index.search(acme, fresh, EAST, {}, 5) == []


async def test_an_update_that_is_not_visible_in_time_is_to_be_repeated(
    qdrant_server: QdrantServer, acme: Route, fresh: Collection
) -> None:
    qdrant_server.lag()
    async with open_qdrant(qdrant_server.url, None) as index:
        with pytest.raises(IndexUnavailable):
            await index.apply(acme, fresh, [make_point()])


async def test_a_wrong_request_is_not_taken_for_an_outage(
    qdrant_url: str, acme: Route, fresh: Collection
) -> None:
    async with open_qdrant(qdrant_url, None) as index:
        await index.apply(acme, fresh, [make_point()])
        with pytest.raises(UnexpectedResponse):
            await index.search(acme, fresh, EAST[:-1], {}, 5)


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that says the same to everyone, or nothing; yields its URL and what it was asked."""
    asked: list[bytes] = []
    handlers = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = re.findall(rb"content-length: (\d+)", head.lower())
        asked.append(head + await reader.readexactly(int(length)))
        writer.write(reply)
        if not reply:
            await reader.read()  # until the client gives up
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    await asyncio.gather(*filter(None, handlers))


def failure(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    "reply",
    [
        failure("500 Internal Server Error"),
        failure("503 Service Unavailable"),
        failure("429 Too Many Requests"),
        failure("429 Too Many Requests", "Retry-After: 1"),
        failure("429 Too Many Requests", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"),
        failure("401 Unauthorized"),
        failure("403 Forbidden"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ok>",
        b"what?\r\n\r\n",
    ],
)
async def test_a_server_that_fails_is_unavailable(
    acme: Route, fresh: Collection, reply: bytes
) -> None:
    async with answering(reply) as (url, _), open_qdrant(url, None) as index:
        assert await calls_fail(index, acme, fresh)


async def test_a_server_that_is_silent_is_unavailable_in_time(
    acme: Route, fresh: Collection
) -> None:
    patience = timedelta(seconds=1)
    async with (
        answering(b"") as (url, asked),
        open_qdrant(url, None, patience=patience) as index,
        asyncio.timeout(8),
    ):
        assert await calls_fail(index, acme, fresh)

    assert len(asked) == 2


async def test_the_key_and_the_replicas_are_sent(acme: Route, fresh: Collection) -> None:
    async with (
        answering(failure("401 Unauthorized")) as (url, asked),
        open_qdrant(url, "s3cret", replication_factor=2) as index,
    ):
        assert await calls_fail(index, acme, fresh)

    creation, search = asked
    assert b'"replication_factor":2' in creation
    assert all(b"api-key: s3cret" in request for request in (creation, search))

"""WebSockets through the service's own front door: who is let in, what is told to whom, and how it
ends. Frames and floods of them are tested in `web`."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from aeterna.sync.v1 import live_pb2 as pb
from libs.auth import LocalIssuer, Role
from libs.auth.clock import utc_now
from libs.encryption.kms_local import LocalKms
from libs.tenancy import TenantId
from tests.integration.sync.conftest import OpenReplica
from tests.integration.sync.replicas import SOON, Replica
from tests.integration.sync.web.peer import (
    BINARY,
    JSON,
    PROTOBUF,
    TEXT,
    Peer,
    close,
    frame,
    opened,
)

_SECRET = "the launch is on a Tuesday"  # in no answer


def ask(**message: Any) -> bytes:
    return frame(TEXT, json.dumps(message).encode())


def subscribe(room: str, name: str = "s", **more: Any) -> bytes:
    return ask(id=name, subscribe={"room": room, **more})


def token_of(replica: Replica, tenant: str, lifetime: timedelta = timedelta(hours=1)) -> str:
    return replica.auth(tenant, lifetime)[0][1].removeprefix("Bearer ")


@asynccontextmanager
async def socket(
    replica: Replica, token: str, *headers: tuple[bytes, bytes], subprotocol: str = JSON
) -> AsyncIterator[Peer]:
    """A connection that came with a token."""
    given = [(b"Authorization", f"Bearer {token}".encode()), *headers]
    async with opened(replica.web, [subprotocol], given) as peer:
        yield peer


@asynccontextmanager
async def known(replica: Replica, tenant: str) -> AsyncIterator[Peer]:
    """One that was let in."""
    async with socket(replica, token_of(replica, tenant)) as peer:
        assert (await peer.message())["welcome"]["tenant"] == tenant
        yield peer


async def ending(peer: Peer) -> tuple[int, str]:
    """The close code and the reason, whatever is said before."""
    while (got := await peer.next()).kind != "close":
        pass
    return got.content, peer.reason


async def test_events_as_json(replica: Replica) -> None:
    async with known(replica, "acme") as peer:
        await peer.send(subscribe("changes"))
        assert (await peer.message())["subscribed"]["room"] == "changes"
        number = await replica.append("acme")

        event = await message_with(peer, "event")
    assert (event["number"], event["type"]) == (str(number), "MemoryAdded")
    assert event["change"]["resource"] == "memories/1"


async def test_events_as_protobuf(replica: Replica) -> None:
    token = token_of(replica, "acme")
    async with socket(replica, token, subprotocol=PROTOBUF) as peer:
        subscribing = pb.ConnectRequest.Subscribe(room="memories", since=0)
        asked = pb.ConnectRequest(id="s", subscribe=subscribing)
        number = await replica.append("acme")
        await peer.send(frame(BINARY, asked.SerializeToString()))

        kinds = []
        while "event" not in kinds:
            got = pb.ConnectResponse.FromString((await peer.next()).content)
            kinds.append(got.WhichOneof("message"))
    assert kinds[:2] == ["welcome", "subscribed"]
    assert got.event.number == number


async def test_the_first_message_may_say_who_it_is(replica: Replica) -> None:
    async with opened(replica.web) as peer:
        await peer.send(subscribe("changes"))
        assert (await peer.message())["error"]["reason"] == "NOT_AUTHENTICATED"
        await peer.send(ask(id="a", authenticate={"token": token_of(replica, "acme")}))

        answer = await peer.message()
    assert (answer["replyTo"], answer["welcome"]["subject"]) == ("a", "ann")


async def test_who_does_not_say_who_it_is(replicas: OpenReplica) -> None:
    live = {"authenticate_within": timedelta(milliseconds=1)}
    async with replicas(live=live) as replica, opened(replica.web) as peer:
        assert await ending(peer) == (4408, "AUTHENTICATION_LATE")


@pytest.fixture
def replicas(opened: OpenReplica) -> OpenReplica:
    """Opens one; `opened` is a WebSocket here."""
    return opened


@pytest.fixture
async def forged(tmp_path: Path) -> str:
    """Of an issuer that calls itself the same and has another key."""
    folder = tmp_path / "forger"
    folder.mkdir()
    issuer = await LocalIssuer.open(folder, LocalKms.open(folder / "keyring.json"))
    return issuer.mint(TenantId("acme"), "ann", [])


@pytest.fixture
async def expired(replica: Replica, tmp_path: Path) -> str:
    """Of the service's own issuer, a day ago."""
    kms = LocalKms.open(tmp_path / "keyring.json")
    issuer = await LocalIssuer.open(tmp_path, kms, lambda: utc_now() - timedelta(days=1))
    return issuer.mint(TenantId("acme"), "ann", [Role.VIEWER])


@pytest.mark.parametrize("way", ["header", "message"])
@pytest.mark.parametrize("kind", ["expired", "forged", "unsigned", "cut", "garbage"])
async def test_tokens_that_are_none(
    replica: Replica, expired: str, forged: str, kind: str, way: str
) -> None:
    good = token_of(replica, "acme")
    head, body, signature = good.split(".")
    tokens = {
        "expired": expired,
        "forged": forged,
        "unsigned": f"eyJhbGciOiJub25lIn0.{body}.",
        "cut": f"{head}.{body}.{signature[:-4]}AAAA",
        "garbage": "x" * 4000,
    }
    async with socket(replica, tokens[kind]) if way == "header" else opened(replica.web) as peer:
        if way == "message":
            await peer.send(ask(id="a", authenticate={"token": tokens[kind]}))
        await peer.send(subscribe("changes"))
        code, reason = await ending(peer)

    assert code == 4401
    assert reason.isupper()
    assert tokens[kind] not in reason
    async with known(replica, "acme"):
        pass


async def test_another_tenant_than_the_token_s(replica: Replica) -> None:
    header = (b"X-Aeterna-Tenant", b"bolt")
    async with socket(replica, token_of(replica, "acme"), header) as peer:
        assert await ending(peer) == (4403, "FOREIGN_TENANT")


async def test_a_token_that_expires(replica: Replica) -> None:
    async with socket(replica, token_of(replica, "acme", timedelta(seconds=3))) as peer:
        assert "welcome" in await peer.message()

        assert await ending(peer) == (4401, "TOKEN_EXPIRED")


async def test_guesses_of_rooms_tell_nothing(replica: Replica) -> None:
    """What is in another tenant and what is nowhere are answered alike, and hear nothing."""
    await replica.append("acme")
    guesses = ["memories/1", f"memories/{uuid4()}", "memories/2"]
    async with known(replica, "bolt") as peer:
        answers = []
        for name in guesses:
            await peer.send(subscribe(name))
            answers.append(json.dumps(await peer.message()).replace(name, "ROOM"))
        await replica.append("acme")
        await peer.send(ask(id="p", ping={}))
        rest = [await peer.message()]
        while rest[-1].get("replyTo") != "p":
            rest.append(await peer.message())

    assert len(set(answers)) == 1
    assert not [each for each in rest if "event" in each]


@pytest.mark.parametrize(
    "room",
    [
        "",
        "/",
        "memories/",
        "../acme/changes",
        "acme/changes",
        "tenants/acme/changes",
        "documents/'; DROP TABLE x; --",
        "memories/%2e%2e",
        "\u0000",
        "changes\n",
        "x" * 400,
    ],
)
async def test_names_that_are_no_rooms(replica: Replica, room: str) -> None:
    async with known(replica, "bolt") as peer:
        await peer.send(subscribe(room))
        error = (await peer.message())["error"]
        await peer.send(ask(id="p", ping={}))
        assert "pong" in await peer.message()

    assert error["reason"] in ("INVALID_REQUEST", "ROOM_NOT_FOUND")


@pytest.mark.parametrize(
    "text",
    [
        '{"id": "\\ud800", "ping": 1}',
        '{"id": "\\ud800", "ping": {}}',
        '{"id": "u", "\\udfff": {}}',
        '{"id": "u", "subscribe": {"room": "\\ud800"}}',
    ],
)
async def test_half_a_character_is_answered(replica: Replica, text: str) -> None:
    async with known(replica, "acme") as peer:
        await peer.send(frame(TEXT, text.encode()))
        error = (await peer.message())["error"]
        await peer.send(ask(id="p", ping={}))

        assert (await peer.message())["replyTo"] == "p"
    assert error["reason"] == "INVALID_REQUEST"


async def test_a_field_that_is_unknown_is_named(replica: Replica) -> None:
    async with known(replica, "acme") as peer:
        await peer.send(ask(id="u", subscribe={"room": "changes", "sinse": "3"}))

        answer = await peer.message()
    assert answer["replyTo"] == "u"
    assert answer["error"]["fields"] == {
        "subscribe.sinse": "is not a field of aeterna.sync.v1.ConnectRequest.Subscribe"
    }


async def test_a_flood_of_messages_slows_one_connection(replica: Replica) -> None:
    async with known(replica, "acme") as flood, known(replica, "bolt") as other:
        begun = time.monotonic()
        sending = asyncio.create_task(flood.send(*[ask(id=_SECRET, ping={}) * 50] * 400))
        await other.send(subscribe("changes"))
        assert "subscribed" in await other.message()

        number = await replica.append("bolt")
        assert (await message_with(other, "event"))["number"] == str(number)
        for _ in range(600):
            assert "pong" in await flood.message()
        assert time.monotonic() - begun > 0.9  # 500 at once, then 100 a second
        sending.cancel()


async def test_who_goes_is_gone_though_much_of_it_has_not_been_read(replicas: OpenReplica) -> None:
    slow = {"messages_per_second": 10, "messages_at_once": 10}
    async with replicas(live=slow) as replica, known(replica, "acme") as flood:
        await flood.send(ask(id="f", ping={}) * 1000)
        assert "pong" in await flood.message()
        flood.writer.write_eof()

        answers = 0
        while (await flood.next()).kind == "text":
            answers += 1
        assert answers < 100


async def test_garbage_counts_as_messages(replica: Replica) -> None:
    async with known(replica, "acme") as peer:
        sending = asyncio.create_task(peer.send(*[frame(TEXT, b"{]") * 50] * 40))
        begun = time.monotonic()
        for _ in range(150):
            assert (await peer.message())["error"]["reason"] == "INVALID_REQUEST"

        assert time.monotonic() - begun > 1.5
        sending.cancel()


async def test_a_replica_that_stops_sends_its_clients_to_another_one(replicas: OpenReplica) -> None:
    soon = {"drain": timedelta(milliseconds=100)}
    async with replicas() as staying:
        async with replicas(live=soon) as leaving, known(leaving, "acme") as peer:
            await peer.send(subscribe("changes"))
            last = int((await peer.message())["subscribed"].get("number", 0))
            stopping = asyncio.ensure_future(leaving.stop())
            draining = await message_with(peer, "draining")
            assert float(draining["reconnectAfter"].removesuffix("s")) <= 0.1
            assert await ending(peer) == (1001, "SERVER_STOPPING")
            await peer.send(close(1001))
            async with asyncio.timeout(SOON / 2):
                await stopping
        missed = await staying.append("acme", 3)

        async with known(staying, "acme") as again:
            await again.send(subscribe("changes", since=str(last)))
            assert "subscribed" in await again.message()
            found = [int((await message_with(again, "event"))["number"]) for _ in range(3)]
    assert found == [missed, missed + 1, missed + 2]


async def message_with(peer: Peer, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        message = await peer.message()
        if kind in message:
            found: dict[str, Any] = message[kind]
            return found

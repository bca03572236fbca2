"""Clients that mean no good, and those beside them."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aeterna.sync.v1 import live_pb2 as pb
from tests.eventually import eventually
from tests.integration.sync.web.conftest import Web, open_web
from tests.integration.sync.web.peer import (
    BINARY,
    CONTINUATION,
    PING,
    PROTOBUF,
    TEXT,
    TOO_BIG,
    Got,
    answer,
    connected,
    expect,
    frame,
    handshake,
    known,
    opened,
    said,
    status_of,
    text,
)

_SOON, _LATER = timedelta(milliseconds=100), timedelta(seconds=1)  # enough for who is honest
_LONG = b'{"id":"%d","getDocument":{}}'


async def test_a_handshake_that_takes_too_long() -> None:
    """However it drips, it has so long in all."""
    async with open_web(opening_timeout=_LATER) as web, connected(web.address) as slow:
        await slow.send(handshake()[:30])

        assert await slow.closed()
        await works(web)


async def test_who_says_nothing_makes_room_for_others() -> None:
    async with open_web(openings=3) as web, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(connected(web.address)) for _ in range(8)]

        for peer in silent[:5]:
            assert await peer.closed()
        await works(web)


async def test_no_more_connections_than_there_may_be() -> None:
    async with open_web(connections=1) as web:
        async with opened(web.address) as peer:
            status, told = await status_of(web.address, handshake())
            assert status == 503
            assert b"Retry-After: 5" in told
            await peer.send(text("a"))
            assert await said(peer) == answer("a")

        await eventually(lambda: has_room(web))


async def test_no_more_connections_from_one_address_than_there_may_be() -> None:
    async with open_web(connections_per_address=2) as web:
        async with opened(web.address), opened(web.address):
            assert (await status_of(web.address, handshake()))[0] == 429

        await eventually(lambda: has_room(web))


async def test_a_server_that_stops_lets_nobody_in(web: Web) -> None:
    async with connected(web.address) as early, opened(web.address) as peer:
        await peer.send(text("a"))
        assert await said(peer) == answer("a")
        stopping = asyncio.create_task(web.server.close(timedelta(seconds=20)))
        assert await early.closed()
        peer.writer.close()
        await stopping


async def test_pings_without_end(web: Web) -> None:
    """They are answered at the rate of the server; the others wait where they are."""
    async with opened(web.address) as peer:
        begun = asyncio.get_running_loop().time()
        sending = asyncio.create_task(peer.send(*[frame(PING) * 500] * 400))
        for _ in range(700):
            assert await peer.next() == Got("pong", b"")
        await works(web)

        assert asyncio.get_running_loop().time() - begun > 1.0  # 500 at once, then 50 a second
        sending.cancel()


async def test_fragments_without_end(web: Web) -> None:
    async with opened(web.address) as peer:
        begun = asyncio.get_running_loop().time()
        out = frame(TEXT, b'{"id":"f","ping":{}', fin=False) + frame(CONTINUATION, fin=False) * 700
        await peer.send(out, frame(CONTINUATION, b"}"))

        await works(web)
        assert await said(peer) == answer("f")
        assert asyncio.get_running_loop().time() - begun > 1.0


async def test_who_goes_after_half_a_request_leaves_nothing_behind(web: Web) -> None:
    for _ in range(50):
        async with connected(web.address) as peer:
            await peer.send(handshake()[:40])
    async with connected(web.address) as slow:
        for place in range(0, len(handshake()), 16):
            await slow.send(handshake()[place : place + 16])
        assert (await slow.head()).startswith(b"HTTP/1.1 101 ")
    await works(web)


async def test_garbage_is_answered(web: Web) -> None:
    """How much of it is too much is for the hub to say, as of any message."""
    garbage = [b"{]", b"[" * 5000, b"null", b"3", b'{"id":"n","ping":{},"pong":{}}']
    async with opened(web.address) as peer:
        await peer.send(*[frame(TEXT, each) for each in garbage])
        answers = [await peer.message() for _ in garbage]

        assert {each["error"]["reason"] for each in answers} == {"INVALID_REQUEST"}
        assert answers[-1]["replyTo"] == "n"
        await expect(peer, None)


async def test_protobuf_that_is_none_is_answered(web: Web) -> None:
    async with opened(web.address, [PROTOBUF]) as peer:
        await peer.send(frame(BINARY, b"\xff\xff"))

        got = await peer.next()
        answer = pb.ConnectResponse.FromString(got.content)
        assert answer.error.reason == "MALFORMED_MESSAGE"
        await expect(peer, None)


async def test_a_ping_is_a_sign_of_life(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(text("a"))
        assert await said(peer) == answer("a")
        await peer.send(frame(PING, b"x"))
        assert await peer.next() == Got("pong", b"x")
    assert web.hub.heard == 1


async def test_the_hub_hears_when_a_client_has_taken_what_waited(web: Web) -> None:
    async with known(web.address) as peer:
        await peer.send(*[text("x" * 500_000)] * 20)  # more than the sockets of both sides hold
        await eventually(lambda: waits(web))
        assert [await said(peer) for _ in range(20)] == [answer("x" * 500_000)] * 20
        await eventually(lambda: drained(web))


async def waits(web: Web) -> bool:
    return len(web.hub.seen) == 21 and web.hub.peers[0].waiting > 0


async def drained(web: Web) -> bool:
    return web.hub.drains > 0


async def test_a_client_that_reads_nothing() -> None:
    """The hub cuts off whom it knows to be slow; this is for who it does not."""
    async with open_web(buffered_bytes=100_000) as web, opened(web.address) as deaf:
        flood = text("x" * 10_000) * 100
        sending = asyncio.create_task(deaf.send(*[flood] * 30))

        await eventually(lambda: closed(web))
        await asyncio.gather(sending, return_exceptions=True)
        await works(web)


async def test_messages_wait_where_they_are_while_the_hub_is_busy(web: Web) -> None:
    """A client can put no more into the memory of the server than a few of them."""
    async with opened(web.address) as peer, opened(web.address) as other:
        await peer.send(*[frame(TEXT, _LONG % number) for number in range(500)])
        await other.send(text("a"))
        assert await said(other) == answer("a")
        seen = sum(message.HasField("get_document") for message in web.hub.seen)
        assert seen == 1
        web.hub.release.set()

        assert [await said(peer) for _ in range(500)] == [answer(str(n)) for n in range(500)]


async def test_a_bug_of_the_hub_ends_one_connection_and_tells_nothing(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(frame(TEXT, b'{"listDocuments":{}}'))

        await expect(peer, 4503)
        await works(web)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    octets=st.binary(min_size=1, max_size=400), subprotocol=st.sampled_from([PROTOBUF, "", "json"])
)
def test_any_octets(octets: bytes, subprotocol: str) -> None:
    """Whatever comes after a handshake or instead of one: nobody else notices."""

    async def drive() -> None:
        async with open_web(closing_timeout=_SOON, opening_timeout=_LATER) as web:
            if subprotocol == "json":
                async with connected(web.address) as peer:
                    await peer.send(octets)
                    peer.writer.write_eof()
                    await peer.closed()
            else:
                names = [subprotocol] if subprotocol else []
                async with opened(web.address, names) as peer:
                    await peer.send(octets)
                    peer.writer.write_eof()
                    await peer.closed()
            await works(web)

    asyncio.run(drive())


async def test_a_length_that_is_a_lie(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(b"\x81\xff" + b"\x7f" + b"\xff" * 7)

        await expect(peer, TOO_BIG)


async def works(web: Web) -> None:
    """Others are served."""
    async with opened(web.address) as peer:
        await peer.send(text("others"))
        assert await said(peer) == answer("others")


async def closed(web: Web) -> bool:
    return web.hub.closed == 1


async def has_room(web: Web) -> bool:
    async with connected(web.address) as peer:
        await peer.send(handshake())
        return b" 101 " in await peer.head()


@pytest.mark.parametrize("octets", [b"\x81\x80", b"\x81", b"\x88\x82\x00"])
async def test_a_frame_that_is_cut_off(web: Web, octets: bytes) -> None:
    async with opened(web.address) as peer:
        await peer.send(octets)
        peer.writer.write_eof()

        assert await peer.closed()
    await works(web)

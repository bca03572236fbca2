"""Section 7 of the Autobahn test suite: how connections are closed, by either side."""

import asyncio
from datetime import timedelta

import pytest

from libs.errors import AppError, Kind
from services.sync.errors import ServerStopping
from services.sync.live.domain.endings import Ending
from tests.eventually import eventually
from tests.integration.sync.web.conftest import Web, open_web
from tests.integration.sync.web.peer import (
    CLOSE,
    CONTINUATION,
    INVALID,
    MISUSED,
    PING,
    TEXT,
    Got,
    answer,
    chopped,
    close,
    connected,
    expect,
    frame,
    known,
    opened,
    ping_text,
    said,
    text,
)

HELLO = ping_text("hello")


class Slow(AppError):
    kind, reason = Kind.EXHAUSTED, "SLOW_CONSUMER"


async def test_a_message_and_a_close_7_1_1(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(text("a") + close(1000))

        assert await said(peer) == answer("a")
        await expect(peer, 1000)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param([close(1000)], id="7.1.2"),
        pytest.param([frame(PING, b"late")], id="7.1.3"),
        pytest.param([text("late")], id="7.1.4"),
        pytest.param([frame(CONTINUATION, HELLO[9:])], id="7.1.5"),
    ],
)
async def test_nothing_after_a_close_is_heard(web: Web, after: list[bytes]) -> None:
    async with opened(web.address) as peer:
        await peer.send(b"".join([close(1000), *after]))

        await expect(peer, 1000)
    assert web.hub.seen == []


async def test_a_close_in_a_fragmented_message(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(frame(TEXT, HELLO[:9], fin=False), close(1000))

        await expect(peer, MISUSED)


async def test_a_long_message_a_close_and_a_ping_7_1_6(web: Web) -> None:
    async with known(web.address) as peer:
        long = frame(TEXT, ping_text("long", 256 << 10))
        sending = asyncio.create_task(peer.send(long + close(1000) + frame(PING)))

        assert await said(peer) == answer("long")
        await expect(peer, 1000)
        await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(close(), 1005, id="7.3.1"),
        pytest.param(frame(CLOSE, b"\x03"), MISUSED, id="7.3.2"),
        pytest.param(close(1000), 1000, id="7.3.3"),
        pytest.param(close(1000, b"Hello World!"), 1000, id="7.3.4"),
        pytest.param(close(1000, b"*" * 123), 1000, id="7.3.5"),
        pytest.param(close(1000, b"*" * 124), MISUSED, id="7.3.6"),
        pytest.param(close(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), INVALID, id="7.5.1"),
    ],
)
async def test_payloads_of_a_close(web: Web, sent: bytes, code: int) -> None:
    async with opened(web.address) as peer:
        await peer.send(sent)

        await expect(peer, code)


_GOOD = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
_BAD = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)


@pytest.mark.parametrize("code", _GOOD, ids=[f"7.7.{n}" for n in range(1, 14)])
async def test_codes_that_may_be_sent(web: Web, code: int) -> None:
    async with opened(web.address) as peer:
        await peer.send(close(code))

        await expect(peer, code)


@pytest.mark.parametrize("code", _BAD, ids=[f"7.9.{n}" for n in range(1, 10)])
async def test_codes_that_may_not(web: Web, code: int) -> None:
    async with opened(web.address) as peer:
        await peer.send(close(code))

        await expect(peer, MISUSED)


@pytest.mark.parametrize("code", [5000, 65535], ids=["7.13.1", "7.13.2"])
async def test_codes_that_nobody_defines(web: Web, code: int) -> None:
    async with opened(web.address) as peer:
        await peer.send(close(code))

        await expect(peer, MISUSED)


async def test_the_hub_ends_a_connection(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(text("a"))
        assert await said(peer) == answer("a")
        web.hub.peers[0].end(Ending(Slow("Too slow."), 42))
        web.hub.peers[0].end(Ending(ServerStopping()))  # the first counts

        await expect(peer, 4409)
    await eventually(lambda: closed(web, 1))


async def test_a_server_that_goes_away_waits_for_the_other_side(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(text("a"))
        assert await said(peer) == answer("a")
        web.hub.peers[0].end(Ending(ServerStopping()))
        assert await peer.next() == Got("close", 1001)
        assert web.hub.closed == 0
        await peer.send(close(1001))

        assert await peer.closed()


async def test_who_does_not_close_is_cut_off() -> None:
    async with (
        open_web(closing_timeout=timedelta(milliseconds=50)) as web,
        opened(web.address) as peer,
    ):
        await peer.send(text("a"))
        assert await said(peer) == answer("a")
        web.hub.peers[0].end(Ending(ServerStopping()))

        assert await peer.next() == Got("close", 1001)
        assert await peer.closed()


async def test_a_connection_that_is_lost(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(text("a"))
        assert await said(peer) == answer("a")
    await eventually(lambda: closed(web, 1))


async def test_a_server_that_stops_lets_everybody_out() -> None:
    async with open_web() as web, connected(web.address) as silent, opened(web.address) as peer:
        await peer.send(text("a"))
        assert await said(peer) == answer("a")

        stopping = asyncio.create_task(web.server.close(timedelta(milliseconds=50)))

        assert await silent.closed()
        assert await peer.next() == Got("close", 1001)
        await peer.send(close(1001))
        assert await peer.closed()
        await stopping
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*web.address.split(":"))


async def closed(web: Web, count: int) -> bool:
    return web.hub.closed == count


async def test_octets_of_a_close(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(*chopped(close(1000, b"bye"), 1))

        await expect(peer, 1000)

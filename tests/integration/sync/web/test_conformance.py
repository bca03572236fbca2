"""RFC 6455, by the sections of the Autobahn test suite, over real sockets; the peer is wsproto.

Where Autobahn expects an echo, a ping of the live protocol is answered with its id.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from wsproto.extensions import PerMessageDeflate

from services.sync.live.settings import LiveSettings
from tests.integration.sync.web.conftest import Web, open_web
from tests.integration.sync.web.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    JSON,
    MISUSED,
    PING,
    PONG,
    PROTOBUF,
    TEXT,
    TOO_BIG,
    UNSUPPORTED,
    Got,
    answer,
    chopped,
    expect,
    frame,
    known,
    opened,
    ping_binary,
    ping_text,
    said,
    text,
)

MEGABYTE = 1 << 20
HELLO = ping_text("hello")
HALVES = HELLO[:9], HELLO[9:]


class Case(NamedTuple):
    """What goes out, in pieces; what comes back; and the code that the server closes with, None
    if the connection goes on."""

    number: str
    out: Sequence[bytes]
    back: Sequence[Got] = ()
    code: int | None = None
    subprotocol: str = JSON


def framing() -> Iterator[Case]:
    """1: messages of each length that is encoded differently."""
    sizes = (26, 125, 126, 127, 128, 65535, 65536)
    for number, size in enumerate(sizes, 2):
        message = frame(TEXT, ping_text("x", size))
        yield Case(f"1.1.{number}", [message], [answer("x")])
    yield Case("1.1.8", chopped(frame(TEXT, ping_text("x", 65536)), 997), [answer("x")])
    for number, size in enumerate((1, 121, 122, 123, 124, 65529, 65530), 2):
        name = "y" * size
        message = frame(BINARY, ping_binary(name))
        yield Case(f"1.2.{number}", [message], [Got("binary", name)], None, PROTOBUF)
    pieces = chopped(frame(BINARY, ping_binary("y" * 65530)), 997)
    yield Case("1.2.8", pieces, [Got("binary", "y" * 65530)], None, PROTOBUF)


def pings() -> Iterator[Case]:
    """2."""
    binary, longest = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125
    for number, payload in enumerate((b"", b"Hello, world!", binary, longest), 1):
        yield Case(f"2.{number}", [frame(PING, payload)], [Got("pong", payload)])
    yield Case("2.5", [frame(PING, b"\xfe" * 126)], code=MISUSED)
    yield Case("2.6", chopped(frame(PING, longest), 1), [Got("pong", longest)])
    yield Case("2.7", [frame(PONG)])
    yield Case("2.8", [frame(PONG, b"unsolicited pong payload")])
    unsolicited = [frame(PONG, b"unsolicited"), frame(PING, b"ping")]
    yield Case("2.9", unsolicited, [Got("pong", b"ping")])
    ten = [frame(PING, b"%d" % i) for i in range(10)]
    pongs = [Got("pong", b"%d" % i) for i in range(10)]
    yield Case("2.10", ten, pongs)
    yield Case("2.11", chopped(b"".join(ten), 1), pongs)


def reserved_bits() -> Iterator[Case]:
    """3: no extension was agreed on, so none may be set; what came before is answered."""
    yield Case("3.1", [text("a", rsv=1)], code=MISUSED)
    several = [text("a"), text("b", rsv=2), frame(PING)]
    yield Case("3.2", several, [answer("a")], MISUSED)
    together = b"".join([text("a"), text("b", rsv=3), frame(PING)])
    yield Case("3.3", [together], [answer("a")], MISUSED)
    octets = chopped(b"".join([text("a"), text("b", rsv=4), frame(PING)]), 1)
    yield Case("3.4", octets, [answer("a")], MISUSED)
    yield Case("3.5", [frame(BINARY, b"\x00\xff", rsv=5)], code=MISUSED)
    yield Case("3.6", [frame(PING, b"Hello", rsv=6)], code=MISUSED)
    yield Case("3.7", [frame(CLOSE, rsv=7)], code=MISUSED)


def opcodes() -> Iterator[Case]:
    """4: those that nobody has given a meaning."""
    for section, first in ((1, 3), (2, 11)):
        yield Case(f"4.{section}.1", [frame(first)], code=MISUSED)
        yield Case(f"4.{section}.2", [frame(first + 1, b"reserved")], code=MISUSED)
        for case in (3, 4, 5):
            out = [text("a"), frame(first + case - 1, b"reserved" * (case > 3)), frame(PING)]
            pieces = chopped(b"".join(out), 1) if case == 5 else out
            yield Case(f"4.{section}.{case}", pieces, [answer("a")], MISUSED)


def fragments() -> Iterator[Case]:
    """5."""
    begin, end = frame(TEXT, HALVES[0], fin=False), frame(CONTINUATION, HALVES[1])
    go_on, hello = frame(CONTINUATION, HALVES[1], fin=False), [answer("hello")]
    yield Case("5.1", [frame(PING, b"a", fin=False), frame(CONTINUATION, b"b")], code=MISUSED)
    yield Case("5.2", [frame(PONG, b"a", fin=False), frame(CONTINUATION, b"b")], code=MISUSED)
    yield Case("5.3", [begin + end], hello)
    yield Case("5.4", [begin, end], hello)
    yield Case("5.5", chopped(begin + end, 1), hello)
    between = [begin, frame(PING, b"between"), end]
    ponged = [Got("pong", b"between"), *hello]
    yield Case("5.6", [b"".join(between)], ponged)
    yield Case("5.7", between, ponged)
    yield Case("5.8", chopped(b"".join(between), 1), ponged)
    for number, lonely in ((9, end), (12, go_on)):
        yield Case(f"5.{number}", [lonely + text("a")], code=MISUSED)
        yield Case(f"5.{number + 1}", [lonely, text("a")], code=MISUSED)
        yield Case(f"5.{number + 2}", chopped(lonely + text("a"), 1), code=MISUSED)
    yield Case("5.15", [begin, end, go_on, text("a")], hello, MISUSED)
    yield Case("5.16", [go_on, begin, end] * 2, code=MISUSED)
    yield Case("5.17", [end, begin, end] * 2, code=MISUSED)
    yield Case("5.18", [begin, frame(TEXT, HALVES[1])], code=MISUSED)
    parts = chopped(HELLO, 6)
    five = [frame(CONTINUATION if i else TEXT, part, fin=i == 4) for i, part in enumerate(parts)]
    assert b"".join(parts) == HELLO
    mixed = [*five[:2], frame(PING, b"1"), *five[2:4], frame(PING, b"2"), five[4]]
    answers = [Got("pong", b"1"), Got("pong", b"2"), *hello]
    yield Case("5.19", [b"".join(mixed[:3]), b"".join(mixed[3:])], answers)
    yield Case("5.20", mixed, answers)


def lengths() -> Iterator[Case]:
    """9.1 to 9.6: up to the largest message that is taken, whole, in fragments, in pieces."""
    for section, kind in ((1, TEXT), (2, BINARY)):
        for number, size in enumerate((64 << 10, 256 << 10, MEGABYTE), 1):
            yield Case(f"9.{section}.{number}", *sized(kind, size, size))
        whole = [frame(kind, b" " * (MEGABYTE + 1))]
        parts = [frame(kind, b" " * MEGABYTE, fin=False), frame(CONTINUATION, b" ")]
        announced = [frame(kind, b" " * (1 << 24))[:14]]  # the rest never comes
        for number, out in enumerate((whole, parts, announced), 4):
            yield Case(f"9.{section}.{number}", out, (), TOO_BIG, coding(kind))
    for section, kind in ((3, TEXT), (4, BINARY)):
        for number, part in enumerate((256, 1 << 10, 4 << 10, 16 << 10, 64 << 10), 1):
            yield Case(f"9.{section}.{number}", *sized(kind, 128 << 10, part))
    for section, kind in ((5, TEXT), (6, BINARY)):
        for number, piece in enumerate((64, 128, 256, 512, 1024, 2048), 1):
            out, back, code, name = sized(kind, 128 << 10, 128 << 10)
            yield Case(f"9.{section}.{number}", chopped(out[0], piece), back, code, name)


def coding(kind: int) -> str:
    return JSON if kind == TEXT else PROTOBUF


def sized(kind: int, size: int, part: int) -> tuple[list[bytes], list[Got], None, str]:
    """A message of so many bytes in fragments of so many, and its answer."""
    name = "x" if kind == TEXT else "n" * (size - 6)
    content = ping_text(name, size) if kind == TEXT else ping_binary(name)
    assert len(content) == size
    parts = chopped(content, part)
    out = [
        frame(CONTINUATION if place else kind, each, fin=place == len(parts) - 1)
        for place, each in enumerate(parts)
    ]
    return [b"".join(out)], [Got("text" if kind == TEXT else "binary", name)], None, coding(kind)


def all_cases() -> Iterator[Case]:
    for section in (framing, pings, reserved_bits, opcodes, fragments, lengths):
        yield from section()


@pytest.mark.parametrize("case", list(all_cases()), ids=lambda case: case.number)
async def test_frames(web: Web, case: Case) -> None:
    async with known(web.address, case.subprotocol) as peer:
        sending = asyncio.create_task(peer.send(*case.out))

        assert [await said(peer) for _ in case.back] == list(case.back)

        await expect(peer, case.code)
        await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("number", ["1.1.1", "6.1.1"])
async def test_an_empty_text(web: Web, number: str) -> None:
    """It is no message of the protocol, which is said; nothing is wrong with the frame."""
    async with opened(web.address) as peer:
        await peer.send(frame(TEXT))

        assert (await peer.message())["error"]["reason"] == "INVALID_REQUEST"
        await expect(peer, None)


async def test_an_empty_binary_1_2_1(web: Web) -> None:
    """As protobuf it is a message: an empty one."""
    async with opened(web.address, [PROTOBUF]) as peer:
        await peer.send(frame(BINARY))

        assert await said(peer) == Got("binary", "")
        await expect(peer, None)


async def test_an_unmasked_frame(web: Web) -> None:
    """RFC 6455, 5.1."""
    async with opened(web.address) as peer:
        await peer.send(frame(TEXT, HELLO, masked=False))

        await expect(peer, MISUSED)


@pytest.mark.parametrize(("subprotocol", "kind"), [(JSON, BINARY), (PROTOBUF, TEXT)])
async def test_messages_of_the_other_coding(web: Web, subprotocol: str, kind: int) -> None:
    async with opened(web.address, [subprotocol]) as peer:
        await peer.send(frame(kind, HELLO))

        await expect(peer, UNSUPPORTED)


@pytest.mark.parametrize("octets", [1, 7], ids=["9.7", "9.8"])
async def test_many_messages(web: Web, octets: int) -> None:
    """9.7 and 9.8: a thousand of them, one after the other and all at once."""
    async with opened(web.address) as peer:
        for number in range(1000):
            await peer.send(frame(TEXT, ping_text(str(number) * octets)))
            assert await said(peer) == answer(str(number) * octets)
        sending = asyncio.create_task(peer.send(b"".join(text(str(i)) for i in range(1000))))
        assert [await said(peer) for _ in range(1000)] == [answer(str(i)) for i in range(1000)]
        await sending
        await expect(peer, None)


async def test_one_message_in_many_fragments_10_1_1(web: Web) -> None:
    async with known(web.address) as peer:
        parts = chopped(ping_text("x", 65536), 1300)
        for place, part in enumerate(parts):
            opcode = CONTINUATION if place else TEXT
            await peer.send(frame(opcode, part, fin=place == len(parts) - 1))

        assert await said(peer) == answer("x")
        await expect(peer, None)


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "client_no_context_takeover",
        "client_max_window_bits; server_max_window_bits=9",
        "server_no_context_takeover; client_no_context_takeover",
    ],
)
@pytest.mark.parametrize("section", ["12", "13"])
async def test_compression_is_declined(web: Web, section: str, offer: str) -> None:
    """12 and 13: a client that offers it goes on without; compressed frames are refused."""
    extensions = [PerMessageDeflate()] if section == "12" else []
    value = f"permessage-deflate; {offer}".rstrip("; ").encode()
    headers = [] if extensions else [(b"Sec-WebSocket-Extensions", value)]
    async with opened(web.address, [JSON], headers, extensions) as peer:
        await peer.send(text("plain"))
        assert await said(peer) == answer("plain")
        await peer.send(text("compressed", rsv=4))
        await expect(peer, MISUSED)


async def test_the_limit_of_a_message_is_a_setting() -> None:
    limits = LiveSettings(max_message_bytes=1024)
    async with open_web(limits=limits) as web, opened(web.address) as peer:
        await peer.send(frame(TEXT, ping_text("x", 1024)))
        assert await said(peer) == answer("x")
        await peer.send(frame(TEXT, ping_text("x", 1025)))
        await expect(peer, TOO_BIG)


async def test_the_messages_of_strangers_are_short(web: Web) -> None:
    async with opened(web.address) as peer:
        await peer.send(frame(TEXT, ping_text("x", (32 << 10) + 1)))
        await expect(peer, TOO_BIG)

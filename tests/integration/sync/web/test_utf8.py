"""Section 6 of the Autobahn test suite: text is UTF-8, whole, in fragments, octet by octet.

What can be none is refused as soon as that is known."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.integration.sync.web.conftest import Web
from tests.integration.sync.web.peer import (
    CONTINUATION,
    INVALID,
    PING,
    TEXT,
    Got,
    Peer,
    chopped,
    expect,
    frame,
    opened,
)

KOSME = "κόσμε".encode()
HEAD, TAIL = b'{"id":"', b'","ping":{}}'
_FIRST, _LAST = b"\xc0\xe0\xf0\xf8\xfc", b"\xdf\xef\xf7\xfb\xfd"  # of 2 to 6 octets
_REPEATED = "Hello-µ@ßöäüàá-UTF-8!!"


class Text(NamedTuple):
    """Octets that stand in a message, by the number of the case; whether they are UTF-8."""

    number: str
    octets: bytes
    valid: bool


def texts() -> Iterator[Text]:
    yield Text("6.2", _REPEATED.encode(), True)
    yield Text("6.3", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", False)
    for number in range(1, 6):  # the beginning of a word, octet by octet: 6.5
        cut = KOSME[: len("κόσμε"[:number].encode())]
        yield Text(f"6.5.{number}", cut, True)
    for number in range(1, len(KOSME) + 1):
        cut = KOSME[:number]
        yield Text(f"6.6.{number}", cut, _is_utf8(cut))
    first = [0x20, 0x80, 0x800, 0x10000]
    yield from _characters("6.7", first)
    yield from _raw("6.8", [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"])
    yield from _characters("6.9", [0x7F, 0x7FF, 0xFFFF, 0x10FFFF])
    yield from _raw(
        "6.10", [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]
    )
    yield from _characters("6.11", [0xD7FF, 0xE000, 0xFFFD, 0x10FFFF])
    yield Text("6.11.5", b"\xf4\x90\x80\x80", False)  # above the last
    lonely = [b"\x80", b"\xbf", *(bytes([0x80, 0xBF] * 4)[:count] for count in range(2, 8))]
    yield from _raw("6.12", [*lonely, bytes(range(0x80, 0xC0))])
    rows = [range(0xC0, 0xE0), range(0xE0, 0xF0), range(0xF0, 0xF8), range(0xF8, 0xFC)]
    yield from _raw("6.13", [b"".join(bytes([each]) + b" " for each in row) for row in rows])
    unfinished = [
        bytes([first]) + b"\x80" * more for first, more in zip(_FIRST, range(5), strict=True)
    ]
    unfinished += [
        bytes([last]) + b"\xbf" * more for last, more in zip(_LAST, range(5), strict=True)
    ]
    yield from _raw("6.14", unfinished)
    yield Text("6.15.1", b"".join(unfinished), False)
    yield from _raw("6.16", [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"])
    for section, last in (("6.17", b"\xaf"), ("6.19", b"\x80")):  # longer than they may be
        yield from _raw(section, [each + last for each in unfinished[:5]])
    longest = [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf"]
    yield from _raw("6.18", [*longest, b"\xfc\x83\xbf\xbf\xbf\xbf"])
    surrogates = [0xD800, 0xDB7F, 0xDB80, 0xDBFF, 0xDC00, 0xDF80, 0xDFFF]
    yield from _raw("6.20", [_surrogate(each) for each in surrogates])
    pairs = [(high, low) for high in (0xD800, 0xDB7F, 0xDB80, 0xDBFF) for low in (0xDC00, 0xDFFF)]
    yield from _raw("6.21", [_surrogate(high) + _surrogate(low) for high, low in pairs])
    planes = [plane << 16 | end for plane in range(17) for end in (0xFFFE, 0xFFFF)]
    yield from _characters("6.22", planes)  # no characters, but UTF-8
    yield from _characters("6.23", [*range(0xFFF9, 0x10000)])


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _surrogate(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass")


def _raw(section: str, several: list[bytes]) -> Iterator[Text]:
    for number, octets in enumerate(several, 1):
        assert not _is_utf8(octets)
        yield Text(f"{section}.{number}", octets, False)


def _characters(section: str, codes: list[int]) -> Iterator[Text]:
    for number, code in enumerate(codes, 1):
        yield Text(f"{section}.{number}", chr(code).encode(), True)


def whole(message: bytes) -> list[bytes]:
    return [frame(TEXT, message)]


def octet_by_octet(message: bytes) -> list[bytes]:
    """A fragment for each."""
    return [
        frame(CONTINUATION if place else TEXT, part, fin=place == len(message) - 1)
        for place, part in enumerate(chopped(message, 1))
    ]


@pytest.mark.parametrize("fragmented", [whole, octet_by_octet])
@pytest.mark.parametrize("text", list(texts()), ids=lambda text: text.number)
async def test_texts(web: Web, text: Text, fragmented: object) -> None:
    assert callable(fragmented)
    async with opened(web.address) as peer:
        await peer.send(b"".join(fragmented(HEAD + text.octets + TAIL)))

        if text.valid:
            assert (await peer.message())["replyTo"] == text.octets.decode()
        await expect(peer, None if text.valid else INVALID)


@pytest.mark.parametrize("number", ["6.1.2", "6.1.3"])
async def test_empty_fragments(web: Web, number: str) -> None:
    async with opened(web.address) as peer:
        message = HEAD + TAIL if number == "6.1.3" else b""
        out = [frame(TEXT, fin=False), frame(CONTINUATION, message, fin=False), frame(CONTINUATION)]
        await peer.send(*out)

        answer = await peer.message()
        assert ("error" in answer) is (number == "6.1.2")
        await expect(peer, None)


async def test_fragments_between_characters_6_2_2(web: Web) -> None:
    halves = HEAD + "Hello-µ@ßöä".encode(), "üàá-UTF-8!!".encode() + TAIL
    async with opened(web.address) as peer:
        await peer.send(frame(TEXT, halves[0], fin=False), frame(CONTINUATION, halves[1]))

        assert (await peer.message())["replyTo"] == _REPEATED
        await expect(peer, None)


BAD = [  # what is right, what makes it wrong, what is never sent
    pytest.param(KOSME, b"\xf4\x90\x80\x80", id="6.4.1"),  # a complete sequence that is none
    pytest.param(KOSME + b"\xf4", b"\x90", id="6.4.2"),  # no octet may follow the first like that
]


@pytest.mark.parametrize(("right", "wrong"), BAD)
async def test_text_that_can_be_none_is_refused_before_it_ends(
    web: Web, right: bytes, wrong: bytes
) -> None:
    async with opened(web.address) as peer:
        await peer.send(frame(TEXT, HEAD + right, fin=False), frame(PING, b"fine so far"))
        assert await peer.next() == Got("pong", b"fine so far")
        await peer.send(frame(CONTINUATION, wrong, fin=False))

        await refused(peer)


@pytest.mark.parametrize("number", ["6.4.3", "6.4.4"])
async def test_a_frame_in_pieces_is_refused_once_it_is_whole(web: Web, number: str) -> None:
    """Text is judged frame by frame (Autobahn calls that non-strict)."""
    message = HEAD + KOSME + b"\xf4\x90\x80\x80" + TAIL
    async with opened(web.address) as peer:
        await peer.send(*chopped(frame(TEXT, message), 1 if number == "6.4.4" else 8))

        await refused(peer)


async def refused(peer: Peer) -> None:
    await expect(peer, INVALID)

"""One parser serves many connections in turn: it must never keep anything of one of them."""

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from services.sync.web.frames import Parsers, binary_frame, text_frame

_LIMIT = 1 << 20


def client_frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


contents = st.binary(max_size=300)
whole = st.builds(
    client_frame,
    st.sampled_from([Opcode.BINARY, Opcode.PING]),
    contents.filter(lambda data: len(data) <= 125),
)
fragmented = st.lists(contents, min_size=2, max_size=4).map(
    lambda parts: b"".join(
        client_frame(Opcode.CONT if place else Opcode.BINARY, part, place == len(parts) - 1)
        for place, part in enumerate(parts)
    )
)


@given(st.lists(whole | fragmented, min_size=1, max_size=5), st.data())
def test_a_parser_is_between_messages_after_whole_ones_only(
    messages: list[bytes], data: st.DataObject
) -> None:
    parser, octets = Parsers(_LIMIT).take(), b"".join(messages)
    ends = {sum(map(len, messages[: count + 1])) for count in range(len(messages))}
    cuts = data.draw(st.sets(st.integers(1, len(octets)))) | ends

    begin = 0
    for cut in sorted(cuts):
        parser.receive_data(octets[begin:cut])
        parser.events_received()
        begin = cut
        assert parser.between_messages is (cut in ends)


def test_a_parser_that_was_given_back_is_taken_again() -> None:
    parsers = Parsers(_LIMIT)
    parser = parsers.take()
    assert parsers.take() is not parser
    parsers.give(parser)

    assert parsers.take() is parser


def test_a_parser_that_has_failed_is_between_nothing() -> None:
    parser = Parsers(_LIMIT).take()
    parser.receive_data(b"\xff\xff")

    assert not parser.between_messages


@given(st.integers(0, 130) | st.integers(65_530, 65_540))
def test_frames_are_those_of_the_library(size: int) -> None:
    payload = b"x" * size

    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
    assert binary_frame(payload) == Frame(Opcode.BINARY, payload).serialize(mask=False)

"""Messages in frames."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeterna.memory.v1 import memory_pb2
from aeterna.sync.v1 import documents_pb2
from aeterna.sync.v1 import live_pb2 as pb
from libs.live.wire import JSON, PROTOBUF, Malformed, decode, encode, request

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.sampled_from([PROTOBUF, JSON]), _TEXTS.filter(bool), st.integers(0, 2**63 - 1))
def test_what_is_asked_for_is_the_same_in_both_encodings(
    subprotocol: str, room: str, since: int
) -> None:
    message = pb.ConnectRequest(
        id="1", subscribe=pb.ConnectRequest.Subscribe(room=room, since=since)
    )

    frame = encode(message, subprotocol)

    if isinstance(frame, str):
        assert subprotocol == JSON
        assert json.loads(frame)["subscribe"] == {"room": room, "since": str(since)}
    else:
        assert subprotocol == PROTOBUF
        assert pb.ConnectRequest.FromString(frame) == message


@given(_TEXTS.filter(bool), st.integers(1, 2**63 - 1))
def test_what_is_answered_is_the_same_in_both_encodings(room: str, since: int) -> None:
    answer = pb.ConnectResponse(
        reply_to="1", subscribed=pb.ConnectResponse.Subscribed(room=room, number=since)
    )
    as_text = '{"replyTo": "1", "subscribed": {"room": %s, "number": "%d"}, "later": 1}'
    assert decode(answer.SerializeToString()) == answer
    assert decode(as_text % (json.dumps(room), since)) == answer


@pytest.mark.parametrize("frame", ["", "{", '{"event": 1}', b"\xff", b"\x0a\x05a"])
def test_what_is_no_message_is_told_apart(frame: bytes | str) -> None:
    with pytest.raises(Malformed):
        decode(frame)


def test_a_request_is_known_by_its_kind() -> None:
    asked = request("7", documents_pb2.GetDocumentRequest(name="documents/1"))

    assert (asked.id, asked.get_document.name) == ("7", "documents/1")
    with pytest.raises(ValueError, match="not sent over a live connection"):
        request("8", memory_pb2.GetMemoryRequest())

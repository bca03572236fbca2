"""Lines of exported memories: what is written is read back, what makes no sense is told."""

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeterna.common.v1.scope_pb2 import Scope
from aeterna.memory.v1 import memory_pb2 as pb
from cli.bulk.ndjson import BadLine, Line, to_line

GOOD = b'{"layer": "LAYER_COMPANY", "content": "x"}'


def line(text: bytes, number: int = 1) -> Line:
    return Line(number, text, len(text))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
ids = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), max_size=50)
memories = st.builds(
    pb.Memory,
    content=texts.filter(bool),
    layer=st.integers(1, 7),
    scope=st.builds(Scope, user_id=ids, team_id=ids),
    importance=st.floats(0, 1),
    author=texts,
)


@given(memories)
def test_a_memory_survives_its_line(memory: pb.Memory) -> None:
    memory.metadata.update({"a": [1, None, "\n"]})

    text = to_line(memory)

    assert text.count(b"\n") == 1
    assert line(text).request().memory == memory


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"1", "is not a memory"),
        (b"[]", "is not a memory"),
        (b'{"contents": "x"}', 'is not a memory: Message type "aeterna.memory.v1.Memory" has no'),
        (b'{"layer": "LAYER_MOON"}', "is not a memory"),
        (b'{"importance": 2, "content": "x", "layer": 1}', "memory.importance: "),
        (b'{"content": "' + b"x" * 70_000 + b'"}', "memory.content: "),
        (b'{"content": "' + b"x" * 2_000_000 + b'"}', "is longer than 1048576 bytes"),
    ],
)
def test_what_is_no_memory_is_told(text: bytes, why: str) -> None:
    with pytest.raises(BadLine) as raised:
        line(text).request()

    assert str(raised.value).startswith(why)
    assert "xxxx" not in str(raised.value)


def test_a_request_id_is_that_of_the_place_and_the_text() -> None:
    assert line(GOOD).request_id == line(GOOD + b"\r\n").request_id
    others = {line(GOOD, 2).request_id, line(GOOD.replace(b"x", b"y")).request_id}
    assert len({*others, line(GOOD).request_id}) == 3
    assert str(UUID(line(GOOD).request_id)) == line(GOOD).request().request_id


def test_a_line_is_what_the_documentation_says() -> None:
    memory = pb.Memory(content="é", layer=pb.LAYER_TEAM, scope=Scope(team_id="payments"))

    assert json.loads(to_line(memory)) == {
        "layer": "LAYER_TEAM",
        "scope": {"teamId": "payments"},
        "content": "é",
    }

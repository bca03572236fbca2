from datetime import timedelta

import pytest

from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from cli import knowledge, memory
from cli.arguments import duration, enum, name, rates, struct
from libs.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(30)),
    ],
)
def test_durations_have_a_unit(text: str, expected: timedelta) -> None:
    assert duration(text, "lifetime") == expected


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "1w", "1.5h", "12h ", "9999999s"])
def test_other_durations_name_the_field(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        duration(text, "lifetime")

    assert caught.value.violations[0].field == "lifetime"


def test_rates_have_a_layer_each() -> None:
    assert rates(["user=0.03", "org=0"], "decay_rate") == {"user": 0.03, "org": 0.0}
    assert rates(["default"], "decay_rate") == {}


@pytest.mark.parametrize("text", ["", "user", "user=", "user=much", "user=1=2", "default"])
def test_other_rates_name_the_field(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        rates(["org=0", text], "decay_rate")

    assert caught.value.violations[0].field == "decay_rate"


def test_the_collection_of_a_name_may_be_left_out() -> None:
    assert name("memories", "0198") == "memories/0198"
    assert name("memories", "memories/0198") == "memories/0198"
    assert name("memories", "tenants/acme") == "tenants/acme"


def test_a_json_object_becomes_a_struct() -> None:
    assert dict(struct('{"source": "wiki", "page": 3}')) == {"source": "wiki", "page": 3}


@pytest.mark.parametrize("text", ["", "[1]", "3", '"x"', "{", "null"])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        struct(text)


@pytest.mark.parametrize(
    ("choices", "kind"),
    [
        (memory.Layer, memory_pb2.Layer),
        (knowledge.Kind, knowledge_pb2.KnowledgeKind),
        (knowledge.Layer, knowledge_pb2.KnowledgeLayer),
        (knowledge.Status, knowledge_pb2.KnowledgeStatus),
        (knowledge.Link, knowledge_pb2.RelationKind),
    ],
)
def test_choices_are_those_of_the_contract(choices: type, kind: type) -> None:
    offered = sorted(enum(kind, choice) for choice in list(choices))  # type: ignore[call-overload]  # an enum class

    assert offered == sorted(set(kind.values()) - {0})  # type: ignore[attr-defined]  # so is a proto enum

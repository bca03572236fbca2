"""Reasoned searches that a language model plans, over a server that speaks its protocol."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from aeterna.memory.v1 import memory_pb2 as pb
from tests.databases import Database
from tests.fakes.chat_server import SILENT, ChatServer, chat_server
from tests.suite import Metadata, Suite, open_suite

MODEL, KEY = "gpt-4.1", "sk-secret"
FACTS = ("Ann climbs on Tuesdays.", "The hall burned down in May.", "Bob sells umbrellas.")


@pytest.fixture
async def model() -> AsyncIterator[ChatServer]:
    async with chat_server() as server:
        yield server


@pytest.fixture
def patience() -> str:
    """How long the model may take to answer; tests of a silent one have less."""
    return "PT30S"


@pytest.fixture
async def suite(
    database: Database,
    tmp_path: Path,
    model: ChatServer,
    patience: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Suite]:
    """With that model as the planner."""
    monkeypatch.setenv("MEMORY_PLANNER__BASE_URL", model.url)
    monkeypatch.setenv("MEMORY_PLANNER__MODEL", MODEL)
    monkeypatch.setenv("MEMORY_PLANNER__API_KEY", KEY)
    monkeypatch.setenv("MEMORY_PLANNER__TIMEOUT", patience)
    async with open_suite(database, tmp_path) as suite:
        yield suite


@pytest.fixture
async def acme(suite: Suite) -> Metadata:
    """Remembers more than one search brings."""
    metadata = await suite.create_tenant("acme")
    texts = [*FACTS, *(f"Invoice {number} was paid." for number in range(97))]
    requests = [
        pb.CreateMemoryRequest(memory=pb.Memory(layer=pb.LAYER_COMPANY, content=text))
        for text in texts
    ]
    request = pb.BatchCreateMemoriesRequest(requests=requests)
    await suite.memory.BatchCreateMemories(request, metadata=metadata)
    return metadata


async def reason(suite: Suite, metadata: Metadata, question: str) -> list[pb.ReasoningStep]:
    search = pb.SearchMemoriesRequest(query=question)
    search.time_limit.FromTimedelta(timedelta(seconds=30))  # machines may be slow
    request = pb.ReasonMemoriesRequest(search=search)
    events = [each async for each in suite.memory.ReasonMemories(request, metadata=metadata)]
    assert events[-1].answer.results
    return [each.step for each in events[:-1]]


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"model": MODEL, **labels}) or 0.0


async def test_the_model_says_what_is_missing_and_what_to_ask(
    suite: Suite, acme: Metadata, model: ChatServer
) -> None:
    model.will_say(missing=["the hall"], queries=["What happened to the hall?", " "])

    steps = await reason(suite, acme, "Where can Ann climb?")

    assert steps[0].missing == ["the hall"]
    assert (steps[1].planner, list(steps[1].queries)) == (MODEL, ["What happened to the hall?"])
    body = model.requests[0]
    assert body["model"] == MODEL
    assert body["response_format"]["json_schema"]["strict"] is True
    told = json.loads(body["messages"][1]["content"])
    assert told["question"] == "Where can Ann climb?"
    assert told["asked"] == ["Where can Ann climb?"]
    assert FACTS[0] in [each["text"] for each in told["memories"]]
    assert model.keys[0] == f"Bearer {KEY}"


async def test_what_the_model_costs_is_counted(
    suite: Suite, acme: Metadata, model: ChatServer
) -> None:
    before = metric("aeterna_model_cost_total", currency="USD")
    tokens = metric("aeterna_model_tokens_total", kind="read")

    await reason(suite, acme, "Where can Ann climb?")

    calls = len(model.requests)
    cost = metric("aeterna_model_cost_total", currency="USD") - before
    assert cost == pytest.approx(calls * (200 * 2 + 50 * 8) / 1e6)
    assert metric("aeterna_model_tokens_total", kind="read") - tokens == 200 * calls


@pytest.mark.parametrize("patience", ["PT0.5S"])
@pytest.mark.parametrize(
    "reply",
    [
        (500, "{}"),
        (429, "{}"),
        (401, "{}"),
        (200, "not JSON"),
        (200, '{"missing": []}'),
        (200, '{"missing": [], "queries": [1]}'),
        (200, '{"missing": [], "queries": [], "more": 1}'),
        (SILENT, ""),
    ],
)
async def test_rules_plan_while_the_model_fails(
    suite: Suite, acme: Metadata, model: ChatServer, reply: tuple[int, str]
) -> None:
    model.replies.extend([reply] * 3)

    steps = await reason(suite, acme, "Where can Ann juggle?")

    assert "juggle" in steps[0].missing
    assert {step.planner for step in steps} <= {"", "rules"}
    assert len(steps) > 1


async def test_a_model_that_fails_is_left_alone(
    suite: Suite, acme: Metadata, model: ChatServer
) -> None:
    model.replies.extend([(500, "{}")] * 50)

    for number in range(5):
        await reason(suite, acme, f"Where can Ann juggle {number} clubs?")

    assert len(model.requests) == 3

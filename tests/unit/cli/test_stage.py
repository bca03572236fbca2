from io import StringIO

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.demo.stage import DemoFailed, Stage, percentile
from libs.clients import ClientError


@pytest.fixture
def stage() -> Stage:
    return Stage(Console(file=StringIO(), width=100))


def shown(stage: Stage) -> str:
    assert isinstance(stage.console.file, StringIO)
    return stage.console.file.getvalue()


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_the_least_value_that_covers_its_share(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(each <= found for each in values) >= share * len(values)
    assert sum(each < found for each in values) < share * len(values)


def test_another_result_than_expected_ends_the_demo(stage: Stage) -> None:
    with pytest.raises(DemoFailed, match="version: expected 2, got 1"):
        stage.check("version", got=1, expected=2)


async def test_a_call_that_should_have_failed_ends_the_demo(stage: Stage) -> None:
    async def call() -> str:
        return "an answer"

    with pytest.raises(DemoFailed):
        await stage.refused("reading", call(), "MEMORY_NOT_FOUND")


async def test_another_refusal_than_expected_ends_the_demo(stage: Stage) -> None:
    with pytest.raises(DemoFailed, match="MEMORY_NOT_FOUND"):
        await stage.refused("reading", failing("INTERNAL"), "MEMORY_NOT_FOUND")


async def test_refusals_and_latencies_are_counted(stage: Stage) -> None:
    await stage.refused("reading", failing("MEMORY_NOT_FOUND"), "MEMORY_NOT_FOUND")
    stage.took("GetMemory", 0.002)
    stage.took("GetMemory", 0.004)

    stage.summary()

    lines = [" ".join(line.split()) for line in shown(stage).splitlines()]
    assert "refused: MEMORY_NOT_FOUND 1" in lines
    assert "GetMemory 2 2.0 4.0 4.0" in lines


async def failing(reason: str) -> None:
    raise ClientError(grpc.StatusCode.NOT_FOUND, "It does not exist.", reason)

"""The TypeScript client: its own tests under Node, and a client and the real suite."""

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from tests.suite import Suite

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "clients" / "typescript" / "tests"
MODULES = sorted(path.name for path in TESTS.glob("*.test.js"))
_PATIENCE = 240  # seconds


async def node(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Runs Node; its exit status and what it printed. Node 20 has WebSockets behind a flag."""
    process = await asyncio.create_subprocess_exec(
        "node",
        "--experimental-websocket",
        *arguments,
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, output.decode()


def test_there_are_tests() -> None:
    assert len(MODULES) >= 4


@pytest.mark.parametrize("module", MODULES)
async def test_the_client_passes_its_own_tests(module: str) -> None:
    status, output = await node("--test", TESTS / module)
    assert status == 0, output


async def test_clients_write_one_note_on_the_real_suite(suite: Suite) -> None:
    await suite.create_tenant("acme")
    environment = {
        "AETERNA_LIVE_URL": f"ws://{suite.addresses.web}/v1/live",
        "AETERNA_TOKEN_ANN": suite.token("acme", "ann"),
        "AETERNA_TOKEN_BEN": suite.token("acme", "ben"),
    }
    status, output = await node("--test", TESTS / "real" / "suite.js", **environment)
    assert status == 0, output

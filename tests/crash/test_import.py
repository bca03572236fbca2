"""An import while the server is killed: every line is stored, once.

AETERNA_CRASHES sets how often it is killed; 4 unless told.
"""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import json
import os
import sys
from pathlib import Path

from aeterna.memory.v1 import memory_pb2, memory_pb2_grpc
from libs.auth import Role
from libs.tenancy import TenantId
from tests.crash.server import START_SECONDS, Server, running

_KILLS = int(os.environ.get("AETERNA_CRASHES", "4"))
_TENANT = TenantId("bulk")
_LINES = 20_000


async def test_an_import_survives_its_server(folder: Path, tmp_path: Path) -> None:
    source, mark = tmp_path / "source", tmp_path / "source.importing"
    contents = {f"line {number}" for number in range(_LINES)}
    rows = ({"layer": "LAYER_COMPANY", "content": each} for each in sorted(contents))
    source.write_text("\n".join(map(json.dumps, rows)))
    async with running(folder) as server:
        await server.create_tenant(_TENANT)
        process = await _import(server, source)
        seen = 0
        for kill in range(_KILLS):
            seen = await _beyond(mark, seen)
            await server.kill(database_too=kill % 2 == 0)
            await server.start()
        out, err = await process.communicate()

        assert (process.returncode, err.decode()) == (0, "")
        assert out.decode() == f"{_LINES} memories are stored.\n"
        stored = await _stored(server)
        assert len(stored) == _LINES
        assert set(stored) == contents
        assert await server.stop() == 0


async def _import(server: Server, source: Path) -> asyncio.subprocess.Process:
    command = ("-m", "cli.main", "--data", str(server.folder), "--tenant", _TENANT)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *(*command, "--server", f"127.0.0.1:{server.port}", "memory", "import", str(source)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _beyond(mark: Path, number: int) -> int:
    """How many lines are settled once there are more than so many."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            if (settled := _settled(mark)) > number:
                return settled
            await asyncio.sleep(0.01)


def _settled(mark: Path) -> int:
    return int(json.loads(mark.read_text())["number"]) if mark.exists() else 0


async def _stored(server: Server) -> list[str]:
    found: list[str] = []
    request = memory_pb2.ListMemoriesRequest(page_size=1000)
    async with server.channel(0) as channel:
        stub = memory_pb2_grpc.MemoryServiceStub(channel)
        metadata = await server.token(_TENANT, Role.DEVELOPER)
        while True:
            page = await stub.ListMemories(request, metadata=metadata)
            found += [memory.content for memory in page.memories]
            request.page_token = page.next_page_token
            if not request.page_token:
                return found

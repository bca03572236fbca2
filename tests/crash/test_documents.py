"""Documents while the server is killed: no acknowledged edit is lost, each is taken once.

AETERNA_CRASHES sets how often it is killed; 4 unless told.
"""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import grpc

from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import documents_pb2_grpc
from libs.auth import Role
from libs.tenancy import TenantId
from tests.crash.server import START_SECONDS, Server, running
from tests.integration.sync.documents.people import Person, replayed

_KILLS = int(os.environ.get("AETERNA_CRASHES", "4"))
_CLIENTS = 6
_TENANT = TenantId("texts")
_SYNC = 3  # the place of the service
_RETRY_SECONDS = 0.05
_RETRIABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass
class Typing:
    """People who type marks into one document; each sends an edit until it is acknowledged."""

    server: Server
    metadata: tuple[tuple[str, str], ...]
    name: str
    acknowledged: dict[str, pb.DocumentEdit] = field(default_factory=dict)  # by mark
    repeats: int = 0
    stopping: bool = False

    async def client(self, place: int) -> None:
        async with self.server.channel(_SYNC) as channel:
            stub = documents_pb2_grpc.DocumentServiceStub(channel)
            number, version = 0, 0
            while not self.stopping:
                mark, number = f"<{place}:{number}>", number + 1
                insert = pb.TextOperation.Part(insert=mark)
                request = pb.EditDocumentRequest(
                    name=self.name,
                    base_version=random.randint(max(0, version - 30), version),
                    operation=pb.TextOperation(parts=[insert]),
                    request_id=str(uuid4()),
                )
                edit = await self._until_acknowledged(stub, request)
                self.acknowledged[mark], version = edit, edit.version

    async def _until_acknowledged(
        self, stub: documents_pb2_grpc.DocumentServiceAsyncStub, request: pb.EditDocumentRequest
    ) -> pb.DocumentEdit:
        while True:
            try:
                return await stub.EditDocument(request, metadata=self.metadata, timeout=10)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _RETRIABLE:
                    raise
                self.repeats += 1
                await asyncio.sleep(_RETRY_SECONDS)


async def test_no_acknowledged_edit_is_lost_and_none_is_taken_twice(folder: Path) -> None:
    async with running(folder) as server:
        await server.create_tenant(_TENANT)
        metadata = await server.token(_TENANT, Role.ADMIN)
        async with server.channel(_SYNC) as channel:
            person = Person(documents_pb2_grpc.DocumentServiceStub(channel), metadata)
            typing = Typing(server, metadata, (await person.create()).name)
        clients = [asyncio.create_task(typing.client(place)) for place in range(_CLIENTS)]
        for kill in range(_KILLS):
            await _more_acknowledged(typing, clients)
            await server.kill(database_too=kill % 2 == 0)
            await server.start()
        await _more_acknowledged(typing, clients)
        typing.stopping = True
        await asyncio.gather(*clients)

        async with server.channel(_SYNC) as channel:
            person = Person(documents_pb2_grpc.DocumentServiceStub(channel), metadata)
            edits = {each.version: each for each in await person.edits(typing.name)}
            text = (await person.get(typing.name)).text
        assert await server.stop() == 0
    print(
        f"{_KILLS} kills, {len(typing.acknowledged)} acknowledged, {typing.repeats} repeats,"
        f" {len(edits)} versions"
    )
    assert typing.repeats > 0
    assert sorted(edits) == list(range(1, len(typing.acknowledged) + 1))
    assert all(edits[each.version] == each for each in typing.acknowledged.values())
    assert all(text.count(mark) == 1 for mark in typing.acknowledged)
    assert text == replayed("", [edits[version] for version in sorted(edits)])


async def _more_acknowledged(typing: Typing, clients: list[asyncio.Task[None]]) -> None:
    """Returns once some more were acknowledged; raises what a client raises."""
    target = len(typing.acknowledged) + random.randint(1, 10 * _CLIENTS)
    async with asyncio.timeout(START_SECONDS):
        while len(typing.acknowledged) < target:
            done, _ = await asyncio.wait(clients, timeout=0.01, return_when="FIRST_EXCEPTION")
            for client in done:
                client.result()

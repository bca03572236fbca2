"""Approvals while the server is killed: each that was approved is applied, and once.

AETERNA_CRASHES sets how often it is killed; 4 unless told.
"""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import grpc

from aeterna.governance.v1 import approvals_pb2 as pb
from aeterna.governance.v1 import approvals_pb2_grpc
from aeterna.knowledge.v1 import knowledge_pb2 as kb
from aeterna.knowledge.v1 import knowledge_pb2_grpc
from libs.auth import LocalIssuer, Role
from libs.encryption.kms_local import LocalKms
from libs.tenancy import TenantId
from tests.crash.server import START_SECONDS, Server, running
from tests.eventually import eventually

_KILLS = int(os.environ.get("AETERNA_CRASHES", "4"))
_TENANT = TenantId("crash")
_ITEMS = 12  # between two kills
_OUTCOMES = """
    SELECT r.state, i.status, (
        SELECT count(*) FROM aeterna.change AS c WHERE c.tenant_id = i.tenant_id
        AND c.resource = 'knowledgeItems/' || i.id AND c.operation = 'accepted') AS accepted
    FROM aeterna.approval_request AS r
    JOIN aeterna.knowledge_item AS i ON 'knowledgeItems/' || i.id = r.target
"""
_WAITING = "SELECT count(*) FROM aeterna.approval_request WHERE apply_at IS NOT NULL"


async def test_what_was_approved_is_applied_once_whenever_the_server_is_killed(
    folder: Path,
) -> None:
    async with running(folder) as server:
        await server.create_tenant(_TENANT)
        await _configure(server)
        approved: set[str] = set()
        for kill in range(_KILLS):
            asked = [await _ask(server) for _ in range(_ITEMS)]
            deciding = asyncio.create_task(_approve(server, asked, approved))
            if kill == 0:
                await eventually(lambda: _any(approved))
            await asyncio.sleep(random.uniform(0, 1.5))
            await server.kill(database_too=kill % 2 == 0)
            await deciding
            await server.start()
        await eventually(lambda: _all_applied(folder), START_SECONDS)

        async with _superuser(folder) as superuser:
            rows = await superuser.fetch(_OUTCOMES)
        assert await server.stop() == 0
    outcomes = [tuple(row) for row in rows]
    assert set(outcomes) <= {("applied", "accepted", 1), ("pending", "proposed", 0)}
    assert outcomes.count(("applied", "accepted", 1)) >= len(approved) > 0


async def _configure(server: Server) -> None:
    config = pb.ApprovalConfig(
        mode=pb.APPROVAL_MODE_SINGLE, required_kinds=[pb.APPROVAL_KIND_KNOWLEDGE]
    )
    async with server.channel(2) as channel:
        await approvals_pb2_grpc.ApprovalServiceStub(channel).SetApprovalConfig(
            pb.SetApprovalConfigRequest(approval_config=config),
            metadata=await _as(server, "ann"),
            wait_for_ready=True,
        )


async def _ask(server: Server) -> str:
    """A new item that waits for its approval; the name of the request."""
    metadata: Any = await _as(server, "ann")
    async with server.channel(1) as channel:
        stub = knowledge_pb2_grpc.KnowledgeServiceStub(channel)
        item = kb.KnowledgeItem(
            kind=kb.KNOWLEDGE_KIND_ADR,
            layer=kb.KNOWLEDGE_LAYER_COMPANY,
            title="A decision",
            content="We do.",
        )
        create = kb.CreateKnowledgeItemRequest(knowledge_item=item)
        item = await stub.CreateKnowledgeItem(create, metadata=metadata, wait_for_ready=True)
        propose = kb.ProposeKnowledgeItemRequest(name=item.name)
        item = await stub.ProposeKnowledgeItem(propose, metadata=metadata, wait_for_ready=True)
    asked = pb.ApprovalRequest(
        kind=pb.APPROVAL_KIND_KNOWLEDGE,
        target=item.name,
        target_version=item.version,
        title="Please",
    )
    request = pb.CreateApprovalRequestRequest(approval_request=asked)
    async with server.channel(2) as channel:
        service = approvals_pb2_grpc.ApprovalServiceStub(channel)
        made = await service.CreateApprovalRequest(request, metadata=metadata, wait_for_ready=True)
    return made.name


async def _approve(server: Server, asked: list[str], approved: set[str]) -> None:
    """One after the other, until the server is gone."""
    metadata: Any = await _as(server, "bob")
    async with server.channel(2) as channel:
        service = approvals_pb2_grpc.ApprovalServiceStub(channel)
        for name in asked:
            request = pb.ApproveApprovalRequestRequest(name=name)
            try:
                await service.ApproveApprovalRequest(request, metadata=metadata, timeout=10)
            except grpc.aio.AioRpcError:
                return
            approved.add(name)


async def _any(approved: set[str]) -> bool:
    return bool(approved)


async def _as(server: Server, subject: str) -> Any:
    issuer = await LocalIssuer.open(server.folder, LocalKms.open(server.folder / "keyring.json"))
    token = issuer.mint(_TENANT, subject, [Role.TENANT_ADMIN])
    return (("authorization", f"Bearer {token}"),)


async def _all_applied(folder: Path) -> bool:
    async with _superuser(folder) as superuser:
        return bool(await superuser.fetchval(_WAITING) == 0)


@asynccontextmanager
async def _superuser(folder: Path) -> AsyncIterator[asyncpg.Connection]:
    dsn = f"postgresql:///aeterna?host={folder}/postgres/socket&port=5432"
    superuser = await asyncpg.connect(dsn, user="postgres")
    try:
        yield superuser
    finally:
        await superuser.close()

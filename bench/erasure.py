"""Erasing a person with many memories, through gRPC, against a goal: stores, scan, certificate."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc

from aeterna.governance.v1 import erasure_pb2, erasure_pb2_grpc
from bench.client import BATCH, USER, open_clients
from bench.corpus import load_corpus
from bench.measure import chunks, drive
from bench.report import BOUND, Report, Row, Section
from bench.stack import Stack, open_stack

_GOAL = 10.0  # seconds for 10,000 memories that are deleted
_STRATEGIES = {
    "delete": erasure_pb2.ERASURE_STRATEGY_DELETE,
    "anonymize": erasure_pb2.ERASURE_STRATEGY_ANONYMIZE,
}


async def run(*, quick: bool) -> Report:
    """Each strategy in a tenant of its own."""
    memories = 500 if quick else 10_000
    texts = load_corpus().texts(memories)
    rows: list[Row] = []
    seconds: dict[str, float] = {}
    async with open_stack() as stack:
        for name in _STRATEGIES:
            tenant = f"erasure-{name}"
            await stack.add_tenants([tenant])
            await _fill(stack, tenant, texts)
            seconds[name], erasure = await _erase(stack, tenant, name)
            left = sum(each.left for each in erasure.stores)
            counts = {each.store: each.erased for each in erasure.stores}
            rows.append(
                {
                    "strategy": name,
                    "memories": f"{counts['memory']:,}",
                    "rows of the log": f"{counts['change']:,}",
                    "seconds": f"{seconds[name]:.1f}",
                    "goal": f"< {_GOAL:.0f} s" if name == "delete" else "none",
                    "left": str(left),
                }
            )
    facts = [
        "One person's memories of layer `user`, in a tenant that has no others; identifiers given.",
        "From the call to the end of the operation: every store, the scan of every table and text,"
        " report, certificate.",
        BOUND,
    ]
    summary = {
        "memories": memories,
        "delete_seconds": round(seconds["delete"], 2),
        "anonymize_seconds": round(seconds["anonymize"], 2),
        "goal_seconds": _GOAL,
    }
    return Report("erasure", "Erasure", [Section("Erasing a person", rows)], facts, summary)


async def _fill(stack: Stack, tenant: str, texts: Sequence[str]) -> None:
    async with open_clients(stack.addresses.memory, [stack.token(tenant)]) as (client,):
        await drive(client.add_batch, chunks(list(texts), BATCH), clients=4)


async def _erase(stack: Stack, tenant: str, name: str) -> tuple[float, Any]:
    """How long it took, in seconds, and the erasure."""
    metadata = (("authorization", f"Bearer {stack.token(tenant)}"),)
    async with grpc.aio.insecure_channel(stack.addresses.governance) as channel:
        erasures: Any = erasure_pb2_grpc.ErasureServiceStub(channel)
        operations: Any = operations_pb2_grpc.OperationsStub(channel)
        request = erasure_pb2.EraseSubjectRequest(
            subject=USER,
            identifiers=["jane.doe@example.org"],
            strategy=_STRATEGIES[name],
            request_id=str(uuid4()),
        )
        begun = time.perf_counter()
        operation = await erasures.EraseSubject(request, metadata=metadata)
        while not operation.done:
            wait = operations_pb2.WaitOperationRequest(name=operation.name)
            operation = await operations.WaitOperation(wait, metadata=metadata)
        took = time.perf_counter() - begun
        if operation.HasField("error"):
            raise RuntimeError(operation.error)
        response = erasure_pb2.EraseSubjectResponse()
        operation.response.Unpack(response)
        get = erasure_pb2.GetErasureRequest(name=response.erasure)
        return took, await erasures.GetErasure(get, metadata=metadata)

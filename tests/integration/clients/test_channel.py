"""Channels against a server that records what arrives; it stands for any service of the suite."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aeterna.common.v1.change_pb2 import Change
from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc
from aeterna.sync.v1 import sync_pb2, sync_pb2_grpc
from libs.clients import ClientError, Tls, client_errors, open_channel
from libs.clients.channel import TlsUnusable
from libs.clients.subscription import Subscription
from libs.service.errors import abort
from libs.tenancy import TenantNotFound

Context = grpc.aio.ServicerContext[Any, Any]


class Recorder(pb_grpc.MemoryServiceServicer, sync_pb2_grpc.SyncServiceServicer):
    """Keeps requests and metadata; fails `outages` calls with `outage` before it answers."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self.outages, self.outage = 0, grpc.StatusCode.UNAVAILABLE
        self.asked, self.cancelled = asyncio.Event(), asyncio.Event()

    async def CreateMemory(self, request: pb.CreateMemoryRequest, context: Context) -> pb.Memory:
        self._keep(request, context)
        if self.outages:
            self.outages -= 1
            await context.abort(self.outage, "for a moment")
        return request.memory

    async def StreamCreateMemories(
        self, request: AsyncIterator[pb.CreateMemoryRequest], context: Context
    ) -> AsyncIterator[pb.StreamCreateMemoriesResponse]:
        async for each in request:
            self._keep(each, context)
            yield pb.StreamCreateMemoriesResponse(memory=each.memory)

    async def GetMemory(self, request: pb.GetMemoryRequest, context: Context) -> pb.Memory:
        self._keep(request, context)
        await abort(context, TenantNotFound("acme"))

    async def ListMemories(
        self, request: pb.ListMemoriesRequest, context: Context
    ) -> pb.ListMemoriesResponse:
        self._keep(request, context)
        try:
            return await asyncio.Future()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def Subscribe(
        self, request: sync_pb2.SubscribeRequest, context: Context
    ) -> AsyncIterator[sync_pb2.SubscribeResponse]:
        self._keep(request, context)
        since = request.since
        yield sync_pb2.SubscribeResponse(checkpoint=since)
        yield sync_pb2.SubscribeResponse(change=Change(number=since + 1))

    def _keep(self, request: Any, context: Context) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.asked.set()


@pytest.fixture
async def recorder() -> Recorder:
    kind: Any = Recorder  # abstract for type checkers; the methods left out are UNIMPLEMENTED
    recorder: Recorder = kind()
    return recorder


@asynccontextmanager
async def listening(
    recorder: Recorder, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[str]:
    server = grpc.aio.server()
    pb_grpc.add_MemoryServiceServicer_to_server(recorder, server)
    sync_pb2_grpc.add_SyncServiceServicer_to_server(recorder, server)
    if credentials:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.fixture
async def address(recorder: Recorder) -> AsyncIterator[str]:
    async with listening(recorder) as address:
        yield address


@pytest.fixture
def token() -> Callable[[], str]:
    """A new one for each call: token-1, token-2, ..."""
    numbers = iter(range(1, 100))
    return lambda: f"token-{next(numbers)}"


async def test_every_call_carries_a_new_token_and_the_tenant(
    recorder: Recorder, address: str, token: Callable[[], str]
) -> None:
    async with open_channel(address, token, tenant="acme") as channel:
        stub = pb_grpc.MemoryServiceStub(channel)
        await stub.CreateMemory(pb.CreateMemoryRequest())
        await stub.CreateMemory(pb.CreateMemoryRequest(), metadata=(("x-own", "kept"),))

    assert [each["authorization"] for each in recorder.metadata] == [
        "Bearer token-1",
        "Bearer token-2",
    ]
    assert {each["x-aeterna-tenant"] for each in recorder.metadata} == {"acme"}
    assert recorder.metadata[1]["x-own"] == "kept"


async def test_a_call_is_sent_again_under_the_same_request_id(
    recorder: Recorder, address: str, token: Callable[[], str]
) -> None:
    recorder.outages = 2

    async with open_channel(address, token) as channel:
        await pb_grpc.MemoryServiceStub(channel).CreateMemory(pb.CreateMemoryRequest())

    ids = [each.request_id for each in recorder.requests]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert ids[0]


async def test_a_call_that_a_stopping_server_cancelled_is_sent_again_once(
    recorder: Recorder, address: str, token: Callable[[], str]
) -> None:
    recorder.outage = grpc.StatusCode.CANCELLED
    async with open_channel(address, token) as channel:
        stub = pb_grpc.MemoryServiceStub(channel)
        recorder.outages = 1
        await stub.CreateMemory(pb.CreateMemoryRequest())
        recorder.outages = 2
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stub.CreateMemory(pb.CreateMemoryRequest())

    assert ended.value.code() is grpc.StatusCode.CANCELLED
    first, again, *others = [each.request_id for each in recorder.requests]
    assert first == again
    assert len(set(others)) == 1
    assert len(others) == 2


async def test_each_request_of_a_stream_has_an_id_of_its_own(
    recorder: Recorder, address: str, token: Callable[[], str]
) -> None:
    async def endless() -> AsyncIterator[pb.CreateMemoryRequest]:
        for _ in range(3):
            yield pb.CreateMemoryRequest()

    async with open_channel(address, token) as channel:
        stub = pb_grpc.MemoryServiceStub(channel)
        answers = [each async for each in stub.StreamCreateMemories(endless())]
        answers += [
            each async for each in stub.StreamCreateMemories(iter([pb.CreateMemoryRequest()]))
        ]

    assert len(answers) == 4
    assert len({each.request_id for each in recorder.requests} - {""}) == 4
    assert recorder.metadata[0]["authorization"] == "Bearer token-1"


async def test_errors_arrive_as_they_were_meant(
    recorder: Recorder, address: str, token: Callable[[], str]
) -> None:
    async with open_channel(address, token) as channel:
        with pytest.raises(ClientError) as caught, client_errors():
            await pb_grpc.MemoryServiceStub(channel).GetMemory(pb.GetMemoryRequest(name="x"))

    assert (caught.value.code, caught.value.reason) == (
        grpc.StatusCode.NOT_FOUND,
        "TENANT_NOT_FOUND",
    )
    assert caught.value.metadata == {"tenant": "acme"}
    assert len(recorder.requests) == 1


async def test_nobody_there_is_said_without_a_reason(token: Callable[[], str]) -> None:
    async with open_channel("127.0.0.1:1", token) as channel:
        with pytest.raises(ClientError) as caught, client_errors():
            await pb_grpc.MemoryServiceStub(channel).GetMemory(pb.GetMemoryRequest(name="x"))

    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "")


async def test_giving_up_reaches_the_server(
    recorder: Recorder, address: str, token: Callable[[], str]
) -> None:
    async with open_channel(address, token) as channel:
        stub = pb_grpc.MemoryServiceStub(channel)
        asking = asyncio.ensure_future(stub.ListMemories(pb.ListMemoriesRequest()))
        async with asyncio.timeout(30):
            await recorder.asked.wait()
            asking.cancel()
            await recorder.cancelled.wait()

    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_subscription_goes_on_over_such_a_channel(
    recorder: Recorder, address: str, token: Callable[[], str]
) -> None:
    numbers = []
    async with open_channel(address, token) as channel:
        async for change in Subscription(sync_pb2_grpc.SyncServiceStub(channel), since=0):
            numbers.append(change.number)
            if change.number == 3:
                break

    assert numbers == [1, 2, 3]
    assert [each["authorization"] for each in recorder.metadata] == [
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-3",
    ]


async def test_both_sides_prove_who_they_are(
    recorder: Recorder, tmp_path: Path, token: Callable[[], str]
) -> None:
    tls = self_signed(tmp_path)
    key, certificate = (path.read_bytes() for path in (tmp_path / "key", tmp_path / "certificate"))
    mutual = grpc.ssl_server_credentials([(key, certificate)], certificate, True)

    async with listening(recorder, mutual) as address:
        async with open_channel(address, token, tls=tls) as channel:
            await pb_grpc.MemoryServiceStub(channel).CreateMemory(pb.CreateMemoryRequest())
        async with open_channel(address, token, tls=Tls(ca=tls.ca)) as channel:
            with pytest.raises(ClientError), client_errors():
                await pb_grpc.MemoryServiceStub(channel).CreateMemory(pb.CreateMemoryRequest())

    assert len(recorder.requests) == 1


async def test_a_server_may_be_reached_at_another_name_than_its_certificate_has(
    recorder: Recorder, tmp_path: Path, token: Callable[[], str]
) -> None:
    tls = self_signed(tmp_path)
    key, certificate = (path.read_bytes() for path in (tmp_path / "key", tmp_path / "certificate"))

    async with listening(recorder, grpc.ssl_server_credentials([(key, certificate)])) as address:
        elsewhere = address.replace("127.0.0.1", "localhost")
        async with open_channel(elsewhere, token, tls=Tls(ca=tls.ca)) as channel:
            with pytest.raises(ClientError), client_errors():
                await pb_grpc.MemoryServiceStub(channel).CreateMemory(pb.CreateMemoryRequest())
        named = Tls(ca=tls.ca, server_name="127.0.0.1")
        async with open_channel(elsewhere, token, tls=named) as channel:
            await pb_grpc.MemoryServiceStub(channel).CreateMemory(pb.CreateMemoryRequest())

    assert len(recorder.requests) == 1


async def test_a_missing_certificate_is_named(tmp_path: Path, token: Callable[[], str]) -> None:
    with pytest.raises(TlsUnusable, match="nowhere"):
        async with open_channel("127.0.0.1:1", token, tls=Tls(ca=tmp_path / "nowhere")):
            pass


def self_signed(folder: Path) -> Tls:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "certificate").write_bytes(certificate.public_bytes(encoding))
    (folder / "key").write_bytes(private)
    return Tls(folder / "certificate", folder / "certificate", folder / "key")

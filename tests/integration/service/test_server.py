"""What every service offers besides its own methods: health, reflection, identity, traces."""

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import REGISTRY

from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc
from cli.endpoints import SERVICES
from libs.auth import Role
from libs.service.platform import open_platform
from libs.service.server import AddressInUse, serving
from libs.service.settings import ServerSettings, TlsSettings
from services.memory.settings import Settings
from services.memory.wiring import wire
from tests.certificates import make_certificates
from tests.databases import holds_up
from tests.errors import fails_with
from tests.eventually import eventually
from tests.servers import free_ports
from tests.suite import Suite

_NAMES = {
    "memory": ["aeterna.memory.v1.MemoryService"],
    "knowledge": ["aeterna.knowledge.v1.KnowledgeService"],
    "governance": [
        "aeterna.governance.v1.TenantService",
        "aeterna.governance.v1.AuditService",
    ],
    "sync": ["aeterna.sync.v1.SyncService"],
}


@pytest.mark.parametrize("service", SERVICES)
async def test_health_is_told_for_each_service_and_for_the_whole(
    suite: Suite, service: str
) -> None:
    stub: Any = health_pb2_grpc.HealthStub(suite.channels[service])

    for name in ("", *_NAMES[service]):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await stub.Check(health_pb2.HealthCheckRequest(service="nonsense"))
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("service", SERVICES)
async def test_reflection_lists_the_services(suite: Suite, service: str) -> None:
    channel: Any = suite.channels[service]
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    call = stub.ServerReflectionInfo(iter([request]))
    answers = [answer async for answer in call]

    listed = {each.name for each in answers[0].list_services_response.service}
    assert set(_NAMES[service]) <= listed


async def test_without_a_token_nothing_is_served(suite: Suite) -> None:
    await suite.create_tenant("acme")
    bad: list[tuple[str, str]] = [
        ("", "TOKEN_MISSING"),
        ("Basic YTpi", "TOKEN_MISSING"),
        ("Bearer ", "TOKEN_MISSING"),
        ("Bearer nonsense", "TOKEN_INVALID"),
        (f"Bearer {suite.token('acme')}x", "TOKEN_INVALID"),
    ]
    for header, reason in bad:
        with fails_with(reason, code=grpc.StatusCode.UNAUTHENTICATED):
            await suite.memory.ListMemories(
                pb.ListMemoriesRequest(), metadata=(("authorization", header),)
            )


async def test_an_unknown_tenant_is_told_so(suite: Suite) -> None:
    with fails_with("TENANT_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await suite.memory.ListMemories(pb.ListMemoriesRequest(), metadata=suite.auth("ghost"))


async def test_only_a_platform_administrator_names_another_tenant(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    await suite.create_tenant("bolt")
    header = (("x-aeterna-tenant", "bolt"),)
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="from above")

    with fails_with("FOREIGN_TENANT", code=grpc.StatusCode.PERMISSION_DENIED):
        await suite.memory.ListMemories(pb.ListMemoriesRequest(), metadata=(*acme, *header))
    admin = suite.auth("acme", "root", [Role.PLATFORM_ADMIN])
    created = await suite.memory.CreateMemory(
        pb.CreateMemoryRequest(memory=memory), metadata=(*admin, *header)
    )

    listed = await suite.memory.ListMemories(pb.ListMemoriesRequest(), metadata=suite.auth("bolt"))
    assert [each.name for each in listed.memories] == [created.name]


async def test_a_trace_goes_from_the_caller_into_the_change_log(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    header = (("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),)
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="traced")

    created = await suite.memory.CreateMemory(
        pb.CreateMemoryRequest(memory=memory), metadata=(*acme, *header)
    )

    history = await suite.memory.ListMemoryRevisions(
        pb.ListMemoryRevisionsRequest(name=created.name), metadata=acme
    )
    assert history.revisions[0].change.trace_id == trace


def counted(labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value("aeterna_requests_total", labels) or 0


async def test_calls_are_counted_by_method_and_code(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    labels = {"service": "memory", "method": "GetMemory", "code": "INVALID_ARGUMENT"}
    before = counted(labels)

    async def told() -> bool:  # after the answer
        return counted(labels) > before

    with fails_with("INVALID_REQUEST", "name"):
        await suite.memory.GetMemory(pb.GetMemoryRequest(name="x"), metadata=acme)

    await eventually(told)
    assert counted(labels) == before + 1
    assert not any(
        "tenant" in sample.labels for metric in REGISTRY.collect() for sample in metric.samples
    )


async def test_a_passed_deadline_ends_the_call(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    async with suite.database.connect() as superuser, superuser.transaction():
        await superuser.execute("SELECT * FROM aeterna.tenant_state FOR UPDATE")
        memory = pb.Memory(layer=pb.LAYER_COMPANY, content="late")
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await suite.memory.CreateMemory(
                pb.CreateMemoryRequest(memory=memory), metadata=acme, timeout=0.2
            )
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_logs_hold_neither_content_nor_tokens(
    suite: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    acme = await suite.create_tenant("acme")
    secret = "quokka-55121"
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content=secret)
    async with suite.database.connect() as superuser:
        await superuser.execute("DROP TABLE aeterna.memory_version CASCADE")
        await superuser.execute("ALTER TABLE aeterna.memory ADD CHECK (importance < 0)")
    broken = fails_with("INTERNAL", code=grpc.StatusCode.INTERNAL)
    with structlog.testing.capture_logs() as events, broken:
        await suite.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory), metadata=acme)

    said = json.dumps(events, default=repr) + "".join(capsys.readouterr())
    assert any(event["event"] == "call.failed" for event in events)
    assert secret not in said
    assert acme[0][1].removeprefix("Bearer ") not in said


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("mutual", [False, True])
async def test_tls_and_mutual_tls(suite: Suite, certificates: Path, mutual: bool) -> None:
    read = {name: (certificates / f"{name}.pem").read_bytes() for name in ("ca", "cert", "key")}
    tls = TlsSettings(
        certificate=certificates / "cert.pem",
        key=certificates / "key.pem",
        client_ca=certificates / "ca.pem" if mutual else None,
    )
    server = ServerSettings(address="localhost:0", tls=tls)
    acme = await suite.create_tenant("acme")

    async def lists(credentials: grpc.ChannelCredentials, address: str) -> bool:
        async with grpc.aio.secure_channel(address, credentials) as channel:
            stub = memory_pb2_grpc.MemoryServiceStub(channel)
            try:
                await stub.ListMemories(pb.ListMemoriesRequest(), metadata=acme, timeout=5)
            except grpc.aio.AioRpcError as error:
                return error.code() is not grpc.StatusCode.UNAVAILABLE
            return True

    async with open_platform(suite.platform) as platform:
        settings = Settings(platform=suite.platform, server=server)
        async with serving("memory", settings, wire, platform) as listening:
            address = listening.grpc
            anonymous = grpc.ssl_channel_credentials(read["ca"])
            known = grpc.ssl_channel_credentials(read["ca"], read["key"], read["cert"])
            assert await lists(known, address)
            assert await lists(anonymous, address) is not mutual


async def test_probes_without_tls_learn_health_and_nothing_else(
    suite: Suite, certificates: Path
) -> None:
    [port] = free_ports(1)
    files = {name: certificates / f"{name}.pem" for name in ("cert", "key", "ca")}
    tls = TlsSettings(certificate=files["cert"], key=files["key"], client_ca=files["ca"])
    server = ServerSettings(
        address="127.0.0.1:0", tls=tls, health_port=port, drain_delay=timedelta(seconds=60)
    )
    settings = Settings(platform=suite.platform, server=server)
    async with (
        open_platform(suite.platform) as platform,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        running = serving("memory", settings, wire, platform)
        await running.__aenter__()
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        others = memory_pb2_grpc.MemoryServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await others.ListMemories(pb.ListMemoriesRequest())
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED

        stop = asyncio.create_task(running.__aexit__(None, None, None))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        stop.cancel()
        with suppress(asyncio.CancelledError):
            await stop


async def test_a_taken_health_port_is_told_so(suite: Suite) -> None:
    taken = int(suite.addresses.memory.rpartition(":")[2])
    server = ServerSettings(address="127.0.0.1:0", health_port=taken)
    settings = Settings(platform=suite.platform, server=server)
    async with open_platform(suite.platform) as platform:
        with pytest.raises(AddressInUse):
            async with serving("memory", settings, wire, platform):
                raise AssertionError


async def test_a_taken_address_is_told_so(suite: Suite) -> None:
    async with open_platform(suite.platform) as platform:
        server = ServerSettings(address=suite.addresses.memory)
        with pytest.raises(AddressInUse):
            async with serving(
                "memory", Settings(platform=suite.platform, server=server), wire, platform
            ):
                raise AssertionError


async def test_a_stopping_server_finishes_calls_under_way(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    server = ServerSettings(address="127.0.0.1:0")
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="under way")
    async with open_platform(suite.platform) as platform:
        running = serving(
            "memory", Settings(platform=suite.platform, server=server), wire, platform
        )
        listening = await running.__aenter__()
        async with grpc.aio.insecure_channel(listening.grpc) as channel:
            stub = memory_pb2_grpc.MemoryServiceStub(channel)
            health: Any = health_pb2_grpc.HealthStub(channel)
            watch: Any = health.Watch(health_pb2.HealthCheckRequest(service=""))
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            async with suite.database.connect() as superuser:
                lock = superuser.transaction()
                await lock.start()
                await superuser.execute("SELECT * FROM aeterna.tenant_state FOR UPDATE")
                call = asyncio.ensure_future(
                    stub.CreateMemory(pb.CreateMemoryRequest(memory=memory), metadata=acme)
                )
                await eventually(lambda: holds_up(superuser))
                stop = asyncio.create_task(running.__aexit__(None, None, None))
                assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
                await lock.rollback()
            assert (await call).content == "under way"
        await stop

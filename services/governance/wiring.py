"""The object graph of the governance service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aeterna.governance.v1 import (
    consent_pb2_grpc,
    erasure_pb2,
    erasure_pb2_grpc,
    export_pb2,
    export_pb2_grpc,
    tenants_pb2_grpc,
)
from libs.aip.ids import Uuid7
from libs.auth.clock import utc_now
from libs.exports import Gathering, Parts
from libs.operations import Handler
from libs.operations.serving import open_operations
from libs.operations.store import Operations
from libs.postgres import open_pool
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from libs.signing.store import open_signer
from libs.tenancy.directory import ShardPools
from services.governance.alerts.wiring import open_alerts
from services.governance.anomalies.wiring import open_anomalies
from services.governance.api import TenantServicer
from services.governance.approvals.wiring import open_approvals
from services.governance.audit.wiring import open_audit
from services.governance.authorization.wiring import authorization
from services.governance.consent.api import ConsentServicer
from services.governance.consent.store import PostgresConsents
from services.governance.constraints.wiring import open_constraints
from services.governance.costs.wiring import open_costs
from services.governance.erasure.api import ErasureServicer
from services.governance.erasure.operations import Erasures
from services.governance.erasure.replaying import replaying
from services.governance.erasure.saga import KIND as erasure_kind
from services.governance.erasure.saga import Saga
from services.governance.erasure.store.ledger import WrittenLedger
from services.governance.export.api import ExportServicer
from services.governance.export.gathering import KIND as export_kind
from services.governance.export.gathering import ExportOf
from services.governance.export.sources import own_sources
from services.governance.export.store import deleting_old
from services.governance.keys.wiring import key_parts
from services.governance.operations import TenantOperations
from services.governance.settings import Settings
from services.governance.store.registry import PostgresRegistry
from services.governance.store.shards import PostgresShards


@asynccontextmanager
async def wire(settings: Settings, platform: Platform) -> AsyncIterator[Sequence[Registration]]:
    """Opens what the service needs; what was opened last is closed first."""
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(open_pool(settings.control))
        pools = ShardPools(settings.control, stack)
        registry = PostgresRegistry(control, pools)
        shards = PostgresShards(platform.wakeups)
        tenants = TenantServicer(TenantOperations(registry, shards, platform.keyring), registry)
        signer = await open_signer(control, platform.kms, settings.signing_key)
        auditing = open_audit(platform, settings.audit, control, pools, signer)
        audit = await stack.enter_async_context(auditing)
        watching = open_anomalies(platform, settings.anomaly_interval)
        anomalies = await stack.enter_async_context(watching)
        constraints = await stack.enter_async_context(open_constraints(platform))
        approvals = await stack.enter_async_context(open_approvals(platform))
        costs = await stack.enter_async_context(open_costs(settings, platform))
        alerts = await stack.enter_async_context(open_alerts(settings, platform))
        long_running = Operations(platform.wakeups, Uuid7())
        keys = key_parts(settings.keys, platform, long_running)
        ledger = WrittenLedger(control, platform.kms)
        routes = registry.own_route
        saga = Saga(ledger, long_running, platform.keyring, signer, routes, utc_now)
        parts = Parts(platform.keyring)
        own = Gathering(parts, own_sources(platform.keyring))
        export = ExportOf(long_running, parts, own, utc_now)
        handlers = [
            *keys.handlers,
            Handler(erasure_kind, erasure_pb2.EraseSubjectResponse, saga),
            Handler(export_kind, export_pb2.ExportSubjectResponse, export),
        ]
        opened = open_operations(platform, long_running, handlers)
        shown = await stack.enter_async_context(opened)
        erasures = Erasures(ledger, long_running, routes, platform.wakeups, Uuid7())
        erasing = ErasureServicer(erasures, shown, platform.keyring)
        exporting = ExportServicer(
            long_running, shown, platform.keyring, Uuid7(), utc_now, settings.exports.kept
        )
        old_exports = deleting_old(platform.directory, settings.exports.interval)
        await stack.enter_async_context(background(old_exports.run()))
        consents = PostgresConsents(platform.wakeups, utc_now)
        consenting = ConsentServicer(consents, platform.keyring, utc_now)
        replays = replaying(
            erasures, platform.directory, settings.erasure.replay_interval, settings.erasure.kept
        )
        await stack.enter_async_context(background(replays))
        yield [
            Registration(
                "aeterna.governance.v1.TenantService",
                partial(tenants_pb2_grpc.add_TenantServiceServicer_to_server, tenants),
                routed=False,
            ),
            audit,
            *keys.registrations(shown),
            *authorization(platform),
            Registration(
                "aeterna.governance.v1.ErasureService",
                partial(erasure_pb2_grpc.add_ErasureServiceServicer_to_server, erasing),
            ),
            Registration(
                "aeterna.governance.v1.ConsentService",
                partial(consent_pb2_grpc.add_ConsentServiceServicer_to_server, consenting),
            ),
            Registration(
                "aeterna.governance.v1.ExportService",
                partial(export_pb2_grpc.add_ExportServiceServicer_to_server, exporting),
            ),
            constraints,
            approvals,
            anomalies,
            *costs,
            alerts,
            shown.registration,
        ]

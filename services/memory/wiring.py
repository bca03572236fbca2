"""The object graph of the memory service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from google.protobuf.struct_pb2 import Struct

from aeterna.memory.v1 import (
    maintenance_pb2,
    maintenance_pb2_grpc,
    settings_pb2,
    settings_pb2_grpc,
)
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc
from libs.aip.ids import Uuid7
from libs.auth.clock import utc_now
from libs.consent.known import KnownConsents
from libs.embedding.cache import lookup
from libs.embedding.cache.policy import Invalidations
from libs.embedding.settings import local_words, open_embedder
from libs.erasure import ERASE_MEMORIES
from libs.erasure.ledger import Ledger
from libs.erasure.walking import Walking
from libs.exports import EXPORT_MEMORIES, Gathering, Parts, Source
from libs.lexical.postings import Postings
from libs.llm.settings import ModelSettings, open_model
from libs.operations import Handler
from libs.operations.serving import open_operations
from libs.operations.store import Operations
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from libs.tenancy import Route
from libs.usage.sampling import StorageSampler
from libs.vectors import Collection
from libs.vectors.layouts import Layouts
from libs.vectors.nearest import Nearest
from libs.vectors.projection import ProjectionWorker, Projector
from libs.vectors.reindexing import Reindexing
from libs.vectors.settings import open_index
from services.memory.access import Access
from services.memory.aging import AgingNow, LifeOf
from services.memory.api import MemoryServicer
from services.memory.creation import Creation
from services.memory.domain.life import Life
from services.memory.duplicates import Duplicates
from services.memory.indexing import Indexing
from services.memory.losses import LossMeter
from services.memory.maintenance.api import MemoryMaintenanceServicer
from services.memory.maintenance.index_length import KIND as index_kind
from services.memory.maintenance.index_length import ChangeIndexLength
from services.memory.maintenance.optimize import KIND as optimize_kind
from services.memory.maintenance.optimize import Optimize
from services.memory.maintenance.prune import EXPIRED, Pruning, cutoffs
from services.memory.maintenance.prune import KIND as prune_kind
from services.memory.maintenance.reindex import KIND as reindex_kind
from services.memory.maintenance.reindex import Reindex
from services.memory.maintenance.walk import Walk
from services.memory.operations import MemoryOperations
from services.memory.planning import Model, Planner, Rules
from services.memory.policies import Policies
from services.memory.privacy.api import line
from services.memory.privacy.erasing import ErasedMemories
from services.memory.privacy.gathering import EarlierVersions, Memories
from services.memory.promotion import Promotion
from services.memory.reasoning import Reasoning
from services.memory.retrieval import Retriever
from services.memory.search import Judge, Search
from services.memory.settings import Settings
from services.memory.store.memories import PostgresMemories
from services.memory.store.rows import COLLECTION, OWED
from services.memory.store.source import memory_source
from services.memory.store.storage import stored
from services.memory.tenant_settings.api import MemorySettingsServicer
from services.memory.tenant_settings.domain import TenantSettings
from services.memory.tenant_settings.store import PostgresSettings

BOOKS = "memory"  # what it is in the books


@asynccontextmanager
async def wire(settings: Settings, platform: Platform) -> AsyncIterator[Sequence[Registration]]:
    """Opens what the service needs; what was opened last is closed first."""
    async with AsyncExitStack() as stack:
        settings_of: PostgresSettings  # made below: nothing is embedded before

        async def rules_of(route: Route) -> lookup.Rules:
            own = (await settings_of.get(route)).values
            return _cache_rules(own, settings.embedding.cache.rules)

        async def life_of(route: Route) -> Life:
            return (await settings_of.get(route)).values.life

        aging = AgingNow(life_of, utc_now)
        redis = platform.settings.wakeups
        embedder = await stack.enter_async_context(
            open_embedder(
                settings.embedding,
                platform.keyring,
                redis,
                platform.spending.till(BOOKS, settings.embedding.model_name),
                rules_of,
            )
        )
        index = await stack.enter_async_context(open_index(settings.index))
        collection = Collection(
            COLLECTION, embedder.identity, embedder.dimensions, embedder.prefixes
        )
        projector = Projector(index, collection, memory_source(platform.keyring, embedder))
        postings = Postings(COLLECTION)
        memories = PostgresMemories(postings, projector, platform.wakeups)
        stack.push_async_callback(memories.close)
        nearest = Nearest(memories, index, collection, OWED)
        long_running, layouts = Operations(platform.wakeups, Uuid7()), Layouts()
        policies = Policies(layouts, collection)
        least = settings.embedding.worth_comparing
        duplicates = Duplicates(nearest, platform.keyring, policies, least)
        consents = KnownConsents(platform.wakeups, utc_now)
        create = Creation(
            memories, platform.keyring, embedder, duplicates, consents, Uuid7(), utc_now
        )
        indexing = Indexing(platform.keyring, embedder)
        operations = MemoryOperations(
            memories, platform.keyring, embedder, COLLECTION, utc_now, create, indexing
        )
        retriever = Retriever(memories, platform.keyring, embedder, nearest, postings, aging)
        search = Search(retriever, Judge(local_words(settings.embedding), utc_now))
        planner = await stack.enter_async_context(_planner(settings.planner, platform))
        reindexing = Reindexing(projector, memories.hot_ids, memories.hot_count)
        index_length = ChangeIndexLength(reindexing, long_running, layouts)
        settings_of = PostgresSettings(platform.wakeups, utc_now, index_length)
        worker = ProjectionWorker(projector, platform.directory)
        await stack.enter_async_context(background(worker.run()))
        sampler = StorageSampler(BOOKS, stored, platform.spending.recorder)
        rounds = sampler.rounds(platform.directory)
        await stack.enter_async_context(background(rounds.run()))
        await stack.enter_async_context(background(LossMeter(policies, retriever).run()))
        handlers = [
            Handler(index_kind, settings_pb2.ChangeIndexDimensionsResponse, index_length),
            *_maintenance(memories, indexing, postings, projector, life_of),
            *_privacy(platform, memories, indexing),
        ]
        shown = await stack.enter_async_context(open_operations(platform, long_running, handlers))
        maintenance = MemoryMaintenanceServicer(long_running, shown, platform.keyring, utc_now)
        servicer = MemoryServicer(
            operations,
            Reasoning(search, planner),
            policies,
            settings_of,
            Invalidations(platform.wakeups),
            platform.keyring,
            aging,
            Promotion(memories, platform.keyring, indexing, consents),
            consents,
            Access(memories),
        )
        settings_servicer = MemorySettingsServicer(settings_of, index_length, platform.keyring)
        yield [
            Registration(
                "aeterna.memory.v1.MemoryService",
                partial(pb_grpc.add_MemoryServiceServicer_to_server, servicer),
                lenient=frozenset({"StreamCreateMemories"}),
            ),
            Registration(
                "aeterna.memory.v1.MemorySettingsService",
                partial(
                    settings_pb2_grpc.add_MemorySettingsServiceServicer_to_server, settings_servicer
                ),
            ),
            Registration(
                "aeterna.memory.v1.MemoryMaintenanceService",
                partial(
                    maintenance_pb2_grpc.add_MemoryMaintenanceServiceServicer_to_server, maintenance
                ),
            ),
            shown.registration,
        ]


def _maintenance(
    memories: PostgresMemories,
    indexing: Indexing,
    postings: Postings,
    projector: Projector,
    life_of: LifeOf,
) -> list[Handler]:
    """What is done with all memories of a tenant."""
    reindex = Reindex(memories, indexing, postings, projector)
    optimize, pruning = Optimize(memories, indexing, life_of, utc_now), Pruning(memories)
    return [
        Handler(reindex_kind, maintenance_pb2.ReindexMemoriesResponse, Walk(memories, reindex)),
        Handler(optimize_kind, maintenance_pb2.OptimizeMemoriesResponse, Walk(memories, optimize)),
        Handler(
            prune_kind,
            maintenance_pb2.PruneMemoriesResponse,
            Walk(memories, pruning, EXPIRED, cutoffs),
        ),
    ]


def _privacy(platform: Platform, memories: PostgresMemories, indexing: Indexing) -> list[Handler]:
    """What governance begins here about a person."""
    ledger = Ledger(platform.directory.control, platform.kms)
    erased = ErasedMemories(memories, platform.keyring, indexing, Invalidations(platform.wakeups))
    sources: list[Source] = [
        Memories(memories, platform.keyring, line),
        EarlierVersions(memories, platform.keyring, line),
    ]
    return [
        Handler(ERASE_MEMORIES, Struct, Walking(ledger, erased)),
        Handler(EXPORT_MEMORIES, Struct, Gathering(Parts(platform.keyring), sources)),
    ]


@asynccontextmanager
async def _planner(settings: ModelSettings | None, platform: Platform) -> AsyncIterator[Planner]:
    """What plans reasoned searches."""
    if settings is None:
        yield Rules()
        return
    async with open_model(settings, platform.spending.till(BOOKS, settings.model)) as model:
        yield Model(model, Rules())


def _cache_rules(own: TenantSettings, defaults: lookup.Rules) -> lookup.Rules:
    """How a tenant wants its embeddings cached."""
    semantic, bound = own.semantic_cache, own.semantic_cache_error_bound
    return lookup.Rules(
        defaults.semantic if semantic is None else semantic,
        defaults.error_bound if bound is None else bound,
    )

"""The object graph of the knowledge service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from google.protobuf.struct_pb2 import Struct

from aeterna.knowledge.v1 import knowledge_pb2_grpc as pb_grpc
from libs.aip.ids import Uuid7
from libs.approvals import Kind
from libs.approvals.worker import ApprovalWorker
from libs.auth.clock import utc_now
from libs.changes import Origin
from libs.consent.known import KnownConsents
from libs.constraints.store import PolicyTable
from libs.embedding.settings import open_embedder
from libs.erasure import ERASE_KNOWLEDGE
from libs.erasure.ledger import Ledger
from libs.erasure.walking import Walking
from libs.exports import EXPORT_KNOWLEDGE, Gathering, Parts
from libs.operations import Handler
from libs.operations.store import Operations
from libs.operations.worker import OperationWorker
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from libs.usage.sampling import StorageSampler
from libs.vectors import Collection
from libs.vectors.nearest import Nearest
from libs.vectors.projection import ProjectionWorker, Projector
from libs.vectors.settings import open_index
from services.knowledge.access import Access
from services.knowledge.api import KnowledgeServicer
from services.knowledge.constraints import Constraining
from services.knowledge.erasing import ErasedKnowledge
from services.knowledge.gathering import OwnItems
from services.knowledge.operations import SERVICE, ItemOperations, RelationOperations
from services.knowledge.settings import Settings
from services.knowledge.store.items import PostgresItems
from services.knowledge.store.relations import PostgresRelations
from services.knowledge.store.rows import COLLECTION, OWED
from services.knowledge.store.source import item_source
from services.knowledge.store.storage import stored

BOOKS = "knowledge"  # what it is in the books


@asynccontextmanager
async def wire(settings: Settings, platform: Platform) -> AsyncIterator[Sequence[Registration]]:
    """Opens what the service needs; what was opened last is closed first."""
    async with AsyncExitStack() as stack:
        redis = platform.settings.wakeups
        embedder = await stack.enter_async_context(
            open_embedder(
                settings.embedding,
                platform.keyring,
                redis,
                platform.spending.till(BOOKS, settings.embedding.model_name),
            )
        )
        index = await stack.enter_async_context(open_index(settings.index))
        collection = Collection(COLLECTION, embedder.identity, embedder.dimensions)
        projector = Projector(index, collection, item_source(platform.keyring, embedder))
        items = PostgresItems(projector, platform.wakeups)
        stack.push_async_callback(items.close)
        relations = PostgresRelations(platform.wakeups)
        stack.push_async_callback(relations.close)
        worker = ProjectionWorker(projector, platform.directory)
        await stack.enter_async_context(background(worker.run()))
        ledger = Ledger(platform.directory.control, platform.kms)
        erased = ErasedKnowledge(items, platform.keyring, embedder)
        gathering = Gathering(Parts(platform.keyring), [OwnItems(items, platform.keyring)])
        handlers = [
            Handler(ERASE_KNOWLEDGE, Struct, Walking(ledger, erased)),
            Handler(EXPORT_KNOWLEDGE, Struct, gathering),
        ]
        long_running = OperationWorker(
            Operations(platform.wakeups, Uuid7()), platform.directory, handlers
        )
        await stack.enter_async_context(background(long_running.run()))
        sampler = StorageSampler(BOOKS, stored, platform.spending.recorder)
        rounds = sampler.rounds(platform.directory)
        await stack.enter_async_context(background(rounds.run()))
        new_id = Uuid7()
        operations = ItemOperations(
            items,
            platform.keyring,
            embedder,
            Nearest(items, index, collection, OWED),
            Constraining(PolicyTable(), relations, platform.keyring),
            new_id,
            utc_now,
            KnownConsents(platform.wakeups, utc_now),
        )
        approvals = ApprovalWorker(Kind.KNOWLEDGE, Origin(SERVICE), operations.apply)
        applying = approvals.rounds(platform.directory)
        await stack.enter_async_context(background(applying.run()))
        servicer = KnowledgeServicer(
            operations,
            RelationOperations(relations, items, new_id, utc_now),
            platform.keyring,
            Access(items, relations),
        )
        add = partial(pb_grpc.add_KnowledgeServiceServicer_to_server, servicer)
        yield [Registration("aeterna.knowledge.v1.KnowledgeService", add)]

"""The object graph of documents."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from google.protobuf.struct_pb2 import Struct

from aeterna.sync.v1 import documents_pb2_grpc as pb_grpc
from libs.aip.ids import Uuid7
from libs.auth.clock import utc_now
from libs.erasure import ERASE_DOCUMENTS
from libs.erasure.ledger import Ledger
from libs.erasure.walking import Walking
from libs.exports import EXPORT_DOCUMENTS, Gathering, Parts, Source
from libs.operations import Handler
from libs.operations.store import Operations
from libs.operations.worker import OperationWorker
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from libs.usage.sampling import StorageSampler
from services.sync.documents.access import Access
from services.sync.documents.api import DocumentServicer
from services.sync.documents.api.calls import DocumentCalls
from services.sync.documents.api.live import LiveDocuments
from services.sync.documents.compaction import compacting
from services.sync.documents.erasing import ErasedDocuments
from services.sync.documents.gathering import OwnDocuments, OwnEdits
from services.sync.documents.operations import DocumentOperations
from services.sync.documents.saving import Save
from services.sync.documents.settings import DocumentSettings, KnowledgeSettings
from services.sync.documents.store.documents import PostgresDocuments
from services.sync.documents.store.knowledge import open_knowledge
from services.sync.documents.store.recent import Recent
from services.sync.documents.store.storage import stored

_BOOKS = "sync"  # what it is in the books


@dataclass(frozen=True)
class OpenDocuments:
    """What others need: the gRPC service, and documents for live connections."""

    registration: Registration
    live: LiveDocuments


@asynccontextmanager
async def open_documents(
    platform: Platform, settings: DocumentSettings, knowledge: KnowledgeSettings | None
) -> AsyncIterator[OpenDocuments]:
    """Documents, while the block runs."""
    async with AsyncExitStack() as stack:
        recent = Recent(settings.memory_bytes, asyncio.get_running_loop().time)
        documents = PostgresDocuments(platform.keyring, recent, platform.wakeups)
        stack.push_async_callback(documents.close)
        await stack.enter_async_context(background(recent.tidy()))
        saved_to = await stack.enter_async_context(open_knowledge(knowledge))
        rounds = compacting(documents, platform.directory, settings)
        await stack.enter_async_context(background(rounds.run()))
        sampler = StorageSampler(_BOOKS, stored, platform.spending.recorder)
        sampling = sampler.rounds(platform.directory)
        await stack.enter_async_context(background(sampling.run()))
        worker = OperationWorker(
            Operations(platform.wakeups, Uuid7()),
            platform.directory,
            _privacy(platform, documents),
        )
        await stack.enter_async_context(background(worker.run()))
        calls = DocumentCalls(
            DocumentOperations(documents, Uuid7(), utc_now),
            Save(documents, saved_to),
            Access(documents),
            platform.keyring,
        )
        add = partial(pb_grpc.add_DocumentServiceServicer_to_server, DocumentServicer(calls))
        yield OpenDocuments(
            Registration("aeterna.sync.v1.DocumentService", add),
            LiveDocuments(calls, documents, platform.directory),
        )


def _privacy(platform: Platform, documents: PostgresDocuments) -> list[Handler]:
    """What governance begins here about a person."""
    ledger = Ledger(platform.directory.control, platform.kms)
    sources: list[Source] = [OwnDocuments(documents), OwnEdits(platform.keyring)]
    return [
        Handler(ERASE_DOCUMENTS, Struct, Walking(ledger, ErasedDocuments(documents, utc_now))),
        Handler(EXPORT_DOCUMENTS, Struct, Gathering(Parts(platform.keyring), sources)),
    ]

"""Ann, who is to be forgotten, among others; and what an administrator does about her."""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from google.protobuf.struct_pb2 import Struct

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import approvals_pb2, audit_pb2, erasure_pb2, roles_pb2
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from aeterna.sync.v1 import documents_pb2
from libs.auth import Role
from libs.clients.errors import from_status
from tests.suite import Metadata, Suite

ANN = "ann-4711"
MAIL = "ann@example.org"
CANARY = "canary 7f3a9c"
IDENTIFIERS = (MAIL, CANARY)
STRATEGIES = {
    each: erasure_pb2.ErasureStrategy.Value(f"ERASURE_STRATEGY_{each.upper()}")
    for each in ("delete", "anonymize", "pseudonymize", "redact")
}


@dataclass
class People:
    """Callers of one tenant."""

    suite: Suite
    tenant: str
    admin: Metadata
    ann: Metadata
    mine: list[str] = field(default_factory=list)  # names of memories about Ann
    others: list[str] = field(default_factory=list)

    @classmethod
    async def create(cls, suite: Suite, tenant: str = "acme") -> People:
        await suite.create_tenant(tenant)
        ann = suite.auth(tenant, ANN, (Role.TENANT_ADMIN,))
        return cls(suite, tenant, suite.auth(tenant, "root"), ann)

    async def remember(
        self, content: str, by: Metadata | None = None, about: str = "", **values: Any
    ) -> memory_pb2.Memory:
        layer = memory_pb2.LAYER_USER if about else memory_pb2.LAYER_COMPANY
        values = {"layer": layer, "scope": scope_pb2.Scope(user_id=about), **values}
        request = memory_pb2.CreateMemoryRequest(
            memory=memory_pb2.Memory(content=content, **values), request_id=str(uuid4())
        )
        return await self.suite.memory.CreateMemory(request, metadata=by or self.admin)

    async def fill(self) -> None:
        """Ann is in every field of every service."""
        metadata = Struct()
        metadata.update({"who": ANN, "note": f"call {MAIL}", CANARY: [CANARY]})
        texts = {"author": MAIL, "source": f"chat/{CANARY}", "metadata": metadata}
        scope = scope_pb2.Scope(
            user_id=ANN, session_id=CANARY, agent_id=ANN, org_id="org", team_id=ANN
        )
        session = await self.remember(
            f"{CANARY}: reach me at {MAIL} or {ANN}, card 4111 1111 1111 1111",
            by=self.ann,
            about=ANN,
            layer=memory_pb2.LAYER_SESSION,
            scope=scope,
            **texts,
        )
        own = await self.remember("I like tea.", by=self.ann, about=ANN)
        about_others = await self.remember(
            f"Ask {MAIL} about {CANARY}.", by=self.ann, author=ANN, source=CANARY
        )
        innocent = await self.remember("The river is wide.")
        update = memory_pb2.UpdateMemoryRequest(
            memory=memory_pb2.Memory(name=own.name, content=f"I like {CANARY}.")
        )
        await self.suite.memory.UpdateMemory(update, metadata=self.ann)
        rate = memory_pb2.FeedbackMemoryRequest(
            name=innocent.name, feedback=memory_pb2.FEEDBACK_HELPFUL
        )
        await self.suite.memory.FeedbackMemory(rate, metadata=self.ann)
        item = await self.suite.knowledge.CreateKnowledgeItem(
            knowledge_pb2.CreateKnowledgeItemRequest(
                knowledge_item=knowledge_pb2.KnowledgeItem(
                    kind=knowledge_pb2.KNOWLEDGE_KIND_ADR,
                    layer=knowledge_pb2.KNOWLEDGE_LAYER_COMPANY,
                    title=f"Of {CANARY}",
                    content=f"Decided with {MAIL}.",
                )
            ),
            metadata=self.ann,
        )
        change = knowledge_pb2.UpdateKnowledgeItemRequest(
            knowledge_item=knowledge_pb2.KnowledgeItem(name=item.name, content=f"By {CANARY}.")
        )
        await self.suite.knowledge.UpdateKnowledgeItem(change, metadata=self.ann)
        asked = approvals_pb2.ApprovalRequest(
            kind=approvals_pb2.APPROVAL_KIND_CONFIG,
            target="memorySettings",
            risk=approvals_pb2.APPROVAL_RISK_LOW,
            title=f"Of {CANARY}",
            description=f"Ask {MAIL}.",
        )
        await self.suite.approvals.CreateApprovalRequest(
            approvals_pb2.CreateApprovalRequestRequest(approval_request=asked), metadata=self.ann
        )
        await self.write()
        record = audit_pb2.RecordAuditEventRequest(
            event="login.seen", resource=f"mail of {MAIL}", subject=ANN
        )
        await self.suite.audit.RecordAuditEvent(record, metadata=self.ann)
        await self.name()
        self.mine, self.others = [session.name, own.name], [about_others.name, innocent.name]

    async def name(self) -> None:
        """Resources that are called as Ann is."""
        asked = approvals_pb2.ApprovalRequest(
            kind=approvals_pb2.APPROVAL_KIND_ROLE, target=f"users/{ANN}", title="A role"
        )
        await self.suite.approvals.CreateApprovalRequest(
            approvals_pb2.CreateApprovalRequestRequest(approval_request=asked), metadata=self.admin
        )
        suspend = roles_pb2.SuspendUserRequest(user=ANN)
        await self.suite.roles.SuspendUser(suspend, metadata=self.admin)
        resume = roles_pb2.ResumeUserRequest(user=ANN)
        await self.suite.roles.ResumeUser(resume, metadata=self.admin)

    async def write(self) -> documents_pb2.Document:
        """A document that names Ann in a field and in a version that is no more, where it was typed
        in two goes; and one that has never named her."""
        documents = self.suite.documents
        new = documents_pb2.Document(
            kind=documents_pb2.DOCUMENT_KIND_NOTE, text="Ask .", fields={"title": f"Of {MAIL}"}
        )
        create = documents_pb2.CreateDocumentRequest(document=new)
        made = await documents.CreateDocument(create, metadata=self.ann)
        retain = documents_pb2.TextOperation.Part(retain=4)
        half = len(CANARY) // 2
        for version, part in enumerate(
            (
                documents_pb2.TextOperation.Part(insert=CANARY[half:]),
                documents_pb2.TextOperation.Part(insert=CANARY[:half]),
                documents_pb2.TextOperation.Part(delete=len(CANARY)),
            )
        ):
            edit = documents_pb2.EditDocumentRequest(
                name=made.name,
                base_version=version,
                operation=documents_pb2.TextOperation(parts=[retain, part]),
            )
            await documents.EditDocument(edit, metadata=self.ann)
        innocent = documents_pb2.Document(kind=documents_pb2.DOCUMENT_KIND_NOTE, text="A river.")
        create = documents_pb2.CreateDocumentRequest(document=innocent)
        await documents.CreateDocument(create, metadata=self.admin)
        return made

    async def erase(self, strategy: str = "delete", **values: Any) -> erasure_pb2.Erasure:
        """Ann is forgotten when this returns."""
        name = (await self.begin(strategy, **values)).name
        ended = await self.ended(name)
        if ended.HasField("error"):
            raise from_status(ended.error)
        response = erasure_pb2.EraseSubjectResponse()
        ended.response.Unpack(response)
        return await self.erasure(response.erasure)

    async def begin(self, strategy: str = "delete", **values: Any) -> Any:
        values = {"subject": ANN, "identifiers": IDENTIFIERS, **values}
        request = erasure_pb2.EraseSubjectRequest(strategy=STRATEGIES[strategy], **values)
        return await self.suite.erasures.EraseSubject(request, metadata=self.admin)

    async def ended(self, operation: str) -> Any:
        from google.longrunning import operations_pb2

        request = operations_pb2.GetOperationRequest(name=operation)
        async with asyncio.timeout(60):
            while True:
                found = await self.suite.governance_operations.GetOperation(
                    request, metadata=self.admin
                )
                if found.done:
                    return found
                await asyncio.sleep(0.05)

    async def erasure(self, name: str) -> erasure_pb2.Erasure:
        request = erasure_pb2.GetErasureRequest(name=name)
        return await self.suite.erasures.GetErasure(request, metadata=self.admin)

    async def memories(self) -> dict[str, memory_pb2.Memory]:
        request = memory_pb2.ListMemoriesRequest()
        found = await self.suite.memory.ListMemories(request, metadata=self.admin)
        return {each.name: each for each in found.memories}

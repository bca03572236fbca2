"""Keys of a tenant as its administrator handles them, and memories that are sealed with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from aeterna.common.v1.scope_pb2 import Scope
from aeterna.governance.v1 import keys_pb2 as pb
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from libs.encryption.registry import sealed_tables
from tests.suite import Metadata, Suite

M = TypeVar("M", bound=Message)

_NAMED = """
    SELECT encode(substring({column} FROM 2 FOR 16), 'hex') FROM aeterna.{table}
    WHERE tenant_id = $1 AND {column} <> ''
"""


@dataclass(frozen=True)
class Keys:
    """One tenant's keys, through RPCs."""

    suite: Suite
    tenant: str
    metadata: Metadata

    async def rotate_tenant_key(self, request_id: str = "") -> pb.TenantKey:
        request = pb.RotateTenantKeyRequest(request_id=request_id)
        return await self.suite.keys.RotateTenantKey(request, metadata=self.metadata)

    async def rotate(self, subject: str, request_id: str = "") -> pb.SubjectKey:
        request = pb.RotateSubjectKeyRequest(subject=subject, request_id=request_id)
        return await self.suite.keys.RotateSubjectKey(request, metadata=self.metadata)

    async def rotate_all(self, older_than: int | None = None) -> pb.RotateSubjectKeysResponse:
        age = None if older_than is None else Duration(seconds=older_than)
        request = pb.RotateSubjectKeysRequest(older_than=age)
        begun = await self.suite.keys.RotateSubjectKeys(request, metadata=self.metadata)
        return await self.ended(begun, pb.RotateSubjectKeysResponse)

    async def rewrap(self) -> pb.RewrapTenantKeysResponse:
        request = pb.RewrapTenantKeysRequest()
        begun = await self.suite.keys.RewrapTenantKeys(request, metadata=self.metadata)
        return await self.ended(begun, pb.RewrapTenantKeysResponse)

    async def reencrypt(self, rows_per_second: int = 0) -> pb.ReencryptFieldsResponse:
        request = pb.ReencryptFieldsRequest(rows_per_second=rows_per_second)
        begun = await self.suite.keys.ReencryptFields(request, metadata=self.metadata)
        return await self.ended(begun, pb.ReencryptFieldsResponse)

    async def retire(self, *, validate_only: bool = False) -> pb.RetireKeysResponse:
        request = pb.RetireKeysRequest(validate_only=validate_only)
        begun = await self.suite.keys.RetireKeys(request, metadata=self.metadata)
        return await self.ended(begun, pb.RetireKeysResponse)

    async def ended(self, operation: Any, kind: type[M]) -> M:
        """The response of an operation, once it has succeeded."""
        request = operations_pb2.WaitOperationRequest(
            name=operation.name, timeout=Duration(seconds=120)
        )
        stub = self.suite.governance_operations
        done = await stub.WaitOperation(request, metadata=self.metadata)
        assert done.done, done
        assert not done.HasField("error"), done.error
        response = kind()
        assert done.response.Unpack(response), done
        return response

    async def tenant_keys(self) -> Sequence[pb.TenantKey]:
        request = pb.ListTenantKeysRequest()
        return (await self.suite.keys.ListTenantKeys(request, metadata=self.metadata)).tenant_keys

    async def subject_keys(self, filter: str = "") -> Sequence[pb.SubjectKey]:
        request = pb.ListSubjectKeysRequest(filter=filter, page_size=1000)
        found = await self.suite.keys.ListSubjectKeys(request, metadata=self.metadata)
        return found.subject_keys

    async def remember(self, content: str, user: str = "ann") -> memory_pb2.Memory:
        memory = memory_pb2.Memory(
            layer=memory_pb2.LAYER_USER,
            scope=Scope(user_id=user),
            content=content,
            author="Ann of Accounts",
            source="chat",
        )
        memory.metadata.update({"note": content})
        request = memory_pb2.CreateMemoryRequest(memory=memory, request_id=str(uuid4()))
        return await self.suite.memory.CreateMemory(request, metadata=self.metadata)

    async def update(self, name: str, content: str) -> memory_pb2.Memory:
        memory = memory_pb2.Memory(name=name, content=content)
        request = memory_pb2.UpdateMemoryRequest(memory=memory)
        return await self.suite.memory.UpdateMemory(request, metadata=self.metadata)

    async def get(self, name: str) -> memory_pb2.Memory:
        request = memory_pb2.GetMemoryRequest(name=name)
        return await self.suite.memory.GetMemory(request, metadata=self.metadata)

    async def revisions(self, name: str) -> list[str]:
        request = memory_pb2.ListMemoryRevisionsRequest(name=name, page_size=1000)
        found = await self.suite.memory.ListMemoryRevisions(request, metadata=self.metadata)
        return [each.memory.content for each in found.revisions]

    async def contents(self) -> set[str]:
        request = memory_pb2.ListMemoriesRequest(page_size=1000)
        found = await self.suite.memory.ListMemories(request, metadata=self.metadata)
        return {each.content for each in found.memories}

    async def decide(self, title: str) -> knowledge_pb2.KnowledgeItem:
        item = knowledge_pb2.KnowledgeItem(
            kind=knowledge_pb2.KNOWLEDGE_KIND_ADR,
            layer=knowledge_pb2.KNOWLEDGE_LAYER_COMPANY,
            title=title,
            content=f"We decided: {title}",
        )
        request = knowledge_pb2.CreateKnowledgeItemRequest(knowledge_item=item)
        return await self.suite.knowledge.CreateKnowledgeItem(request, metadata=self.metadata)

    async def items(self) -> set[str]:
        request = knowledge_pb2.ListKnowledgeItemsRequest()
        found = await self.suite.knowledge.ListKnowledgeItems(request, metadata=self.metadata)
        return {each.title for each in found.knowledge_items}

    async def named(self, superuser: asyncpg.Connection) -> set[str]:
        """The names of the keys that any stored value of the tenant names."""
        found: set[str] = set()
        for table in sealed_tables():
            for field in table.fields:
                sql = _NAMED.format(table=table.name, column=field.column)
                found |= {_name(row[0]) for row in await superuser.fetch(sql, self.tenant)}
        return found


def _name(digits: str) -> str:
    groups = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    return f"subjectKeys/{'-'.join(groups)}"

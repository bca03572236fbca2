"""Three tenants with hostile ids, what each of them should see, and the one way to call for them.

Every text that a tenant stores holds its canary. Whatever comes back, answer or error, is searched
for the canaries and the resource ids of the others.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from libs.auth import Role
from tests.errors import status_of
from tests.suite import Metadata, Suite

# Ids that patterns, paths, case folding or prefixes could confuse. All tenants use the same ones.
IDS = (
    "%",
    "_",
    "a",
    "ab",
    "a/b",
    "A",
    "ß",
    "ss",
    "é",
    "e\u0301",
    "*",
    "'; --",
    "\\",
    "a%",
    "a_",
    "…",
)
REFUSED_IDS = ("a\x00b", "\x00", "a\nb", "x" * 257)
_BROKEN = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED}
ROLES = (Role.TENANT_ADMIN, Role.AGENT)


class Leak(AssertionError):
    """Something of another tenant was returned."""


@dataclass
class Tenant:
    """A tenant and what it should see."""

    name: str
    author: Metadata
    reviewer: Metadata
    canary: str = field(default_factory=lambda: uuid4().hex)
    memories: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)
    relations: set[str] = field(default_factory=set)
    documents: dict[str, int] = field(default_factory=dict)  # with their versions
    operations: set[str] = field(default_factory=set)
    reservations: set[str] = field(default_factory=set)
    bindings: set[str] = field(default_factory=set)
    cedar_policies: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    approvals: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    settings: int = 0  # how often they were to change
    changes: int = 0  # how many the log should hold

    def text(self, rng: random.Random) -> str:
        """A text of its own, of words that all tenants share."""
        words = rng.choices(("deploy", "broke", "database", "down", "invoice", "cat"), k=4)
        return " ".join([*words, self.canary])

    def ids(self, rng: random.Random) -> Any:
        """A scope with all ids."""
        names = ("org_id", "team_id", "project_id", "session_id", "user_id", "agent_id")
        return {name: rng.choice(IDS) for name in names}


@dataclass
class World:
    """The tenants and the suite that they share."""

    suite: Suite
    tenants: list[Tenant]
    operations: int = 0

    @classmethod
    async def create(cls, suite: Suite) -> "World":
        """Three new tenants; one name is a prefix of the others."""
        base = f"t{uuid4().hex[:10]}"
        tenants = []
        for name in (base, f"{base}0", f"{base}-0"):
            await suite.create_tenant(name)
            author = suite.auth(name, "ann", ROLES)
            tenants.append(Tenant(name, author, suite.auth(name, "rev", ROLES), changes=1))
        return cls(suite, tenants)

    def others(self, tenant: Tenant) -> list[Tenant]:
        """The tenants that must not be seen."""
        return [each for each in self.tenants if each is not tenant]

    async def call(
        self,
        tenant: Tenant,
        method: Callable[..., Any],
        request: Message,
        metadata: Metadata | None = None,
    ) -> Any:
        """The answer, or the error; neither holds anything of another tenant."""
        self.operations += 1
        try:
            answer = await method(request, metadata=metadata or tenant.author, timeout=30)
        except grpc.aio.AioRpcError as error:
            status = status_of(error)
            text = repr((error.details(), status, error.trailing_metadata()))
            self.inspect(tenant, request, text.encode())
            if error.code() in _BROKEN:
                raise
            return error
        self.inspect(tenant, request, answer.SerializeToString())
        return answer

    def inspect(self, tenant: Tenant, request: Message, answer: bytes) -> None:
        """Raises Leak if the answer holds what only another tenant knows."""
        asked = request.SerializeToString()
        for other in self.others(tenant):
            if other.canary.encode() in answer:
                raise Leak(f"{request.DESCRIPTOR.name}: content of {other.name}")
            for name in (
                *other.memories,
                *other.items,
                *other.relations,
                *other.documents,
                *other.operations,
                *other.reservations,
                *other.bindings,
                *other.cedar_policies,
                *other.policies,
                *other.approvals,
            ):
                identity = name.partition("/")[2].encode()
                if identity in answer and identity not in asked:
                    raise Leak(f"{request.DESCRIPTOR.name}: a resource of {other.name}")


def ok(answer: Any) -> bool:
    """Whether the call succeeded."""
    return not isinstance(answer, grpc.aio.AioRpcError)


def must_fail(answer: Any) -> None:
    """A call on something of another tenant that succeeds is a leak."""
    if ok(answer):
        raise Leak(f"{type(answer).__name__}: a foreign resource was used")

"""The real embedding cache of one tenant, in this process; an oracle is the provider."""

import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import asyncpg

from bench.oracle import MODEL, Oracle
from libs.embedding import Purpose, Text
from libs.embedding.batching import open_batching
from libs.embedding.cache import CachedEmbedder
from libs.embedding.cache.lookup import Rules
from libs.embedding.cache.policy import Invalidation, Policy
from libs.embedding.cache.store import MemoryStore
from libs.embedding.evidence import Evidence
from libs.embedding.limits import RateLimiter
from libs.embedding.usage import Meter, Tier, Usage
from libs.encryption.keyring import Keyring
from libs.encryption.kms_local import LocalKms
from libs.encryption.store_memory import MemoryKeyStore
from libs.tenancy import Route, ShardId, TenantId
from libs.usage.till import Unlimited

_ROUTE = Route(TenantId("acme"), ShardId("main"), 1, cast(asyncpg.Pool, None))
_ROOM = 1 << 30  # bytes
_SLOTS = 1 << 40  # nothing is driven out


@dataclass
class Tally:
    """`UsageSink` that adds up."""

    last: Tier = Tier.PROVIDER
    texts: Counter[Tier] = field(default_factory=Counter)
    tokens: Counter[Tier] = field(default_factory=Counter)

    def record(self, usage: Usage) -> None:
        self.last = usage.tier
        self.texts[usage.tier] += usage.texts
        self.tokens[usage.tier] += usage.tokens


@dataclass(frozen=True)
class Served:
    """Where an answer came from, and the text whose vector it was."""

    tier: Tier
    text: str


@dataclass
class Rig:
    """Asks one text after another."""

    oracle: Oracle
    embedder: CachedEmbedder
    tally: Tally
    rules: Rules
    number: int = 0

    async def ask(self, text: str) -> Served:
        (vector,) = await self.embedder.embed(_ROUTE, [Text(text)], Purpose.QUERY)
        return Served(self.tally.last, self.oracle.text_of(vector))

    def forget(self) -> None:
        """As an invalidation does: entries do not count any more; what checks told does."""
        self.number += 1

    async def policy(self, route: Route) -> Policy:
        return Policy(self.number, [Invalidation(self.number, "", "")], self.rules)


@asynccontextmanager
async def open_rig(
    meanings: Mapping[str, int],
    error_bound: float,
    *,
    semantic: bool = True,
    prior: Evidence | None = None,
    seed: int = 1,
    checks: bool = True,
) -> AsyncIterator[Rig]:
    """An empty cache.

    Args:
        prior: What is known of rewordings; as shipped when None.
        checks: Whether hits are checked now and then.
    """
    oracle, tally = Oracle(meanings), Tally()
    meter = Meter(MODEL, Unlimited(), tally)
    with tempfile.TemporaryDirectory() as folder:
        keyring = Keyring(LocalKms.open(Path(folder, "keyring.json")), MemoryKeyStore())
        await keyring.create_tenant_key(_ROUTE)
        async with open_batching(oracle, meter, calls=1) as remote:
            rig = Rig(oracle, None, tally, Rules(semantic, error_bound))  # type: ignore[arg-type]
            rig.embedder = CachedEmbedder(
                remote=remote,
                keyring=keyring,
                store=MemoryStore(_ROOM),
                policies=rig.policy,
                meter=meter,
                limiter=RateLimiter(0),
                slots=_SLOTS,
                cosine_bar=0.9,
                prior=prior or Evidence(),
                chance=random.Random(seed).random if checks else lambda: 0.5,
            )
            yield rig

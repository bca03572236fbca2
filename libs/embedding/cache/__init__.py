"""Embeds in the name of a tenant and asks the provider only for what is not known yet.

Two tiers: texts that are equal but for case, white space and trailing punctuation (24 h), then
questions that are equal in other words (1 h): see `libs.embedding.wording`. Both serve queries,
whose vectors are used once. What is stored for good is never embedded approximately: a document is
known again by the very same text only.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from libs.embedding import Embedded, Purpose, Text, Vectors
from libs.embedding.batching import BatchingEmbedder
from libs.embedding.cache.entries import ASPECT_BYTES, PLAIN, SUBJECT_BYTES, Entry, Slots
from libs.embedding.cache.lookup import Answer, Known, Probe, Revoked
from libs.embedding.cache.policy import EXACT_SECONDS, SEMANTIC_SECONDS, Policy
from libs.embedding.cache.store import Item, Store
from libs.embedding.evidence import Evidence
from libs.embedding.limits import RateLimiter
from libs.embedding.rules import bounded
from libs.embedding.usage import Meter, Tier
from libs.embedding.wording import Signature, exact_form, wording
from libs.encryption.keyring import Keyring
from libs.metrics import (
    EMBEDDING_CACHE_CHECKS,
    EMBEDDING_CACHE_FALSE,
    EMBEDDING_CACHE_HITS,
    EMBEDDING_CACHE_MISSES,
)
from libs.tenancy import Route

_MAC_PURPOSE = "embedding-cache"
_QUESTION = 512  # characters; what is longer is no rewording of anything
_EVIDENCE_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class CachedEmbedder:
    """`TenantEmbedder` in front of a provider.

    Attributes:
        policies: What counts of a tenant's entries at the moment.
        slots: Entries of one tenant in one tier, at most.
        cosine_bar: A cached vector whose cosine to the provider's own is lower is a false hit; it
            depends on the model.
        prior: What is known of rewordings before a tenant's own checks.
        chance: Uniform in [0, 1).
    """

    remote: BatchingEmbedder
    keyring: Keyring
    store: Store
    policies: Callable[[Route], Awaitable[Policy]]
    meter: Meter
    limiter: RateLimiter
    slots: int
    cosine_bar: float
    prior: Evidence = field(default_factory=Evidence)
    chance: Callable[[], float] = random.random

    @property
    def identity(self) -> str:
        return self.remote.identity

    @property
    def dimensions(self) -> int:
        return self.remote.dimensions

    @property
    def prefixes(self) -> tuple[int, ...]:
        return self.remote.prefixes

    async def embed(self, route: Route, texts: Sequence[Text], purpose: Purpose) -> Vectors:
        """As the port says; equal texts are looked up once."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        places: dict[Text, list[int]] = {}
        for place, text in enumerate(texts):
            if text.content.strip():
                short = text._replace(content=bounded(text.content))
                places.setdefault(short, []).append(place)
        if places:
            probes = [await self._probe(route, text, purpose) for text in places]
            rows = await self._rows(route, probes, purpose)
            for each, row in zip(places.values(), rows, strict=True):
                vectors[each] = row
        return vectors

    async def _rows(self, route: Route, probes: Sequence[Probe], purpose: Purpose) -> list[Vectors]:
        known = await self._known(route, probes)
        answers = [known.answer(probe, self.chance) for probe in probes]
        self._count_hits(route, answers, purpose)
        missed = [answer for answer in answers if answer.entry is None]
        embedded = await self._ask(route, missed, purpose)
        if missed:
            await self.store.write(await self._learned(route, known, missed, embedded))
        asked = iter(embedded.vectors)
        return [answer.entry.vector if answer.entry else next(asked) for answer in answers]

    async def _probe(self, route: Route, text: Text, purpose: Purpose) -> Probe:
        subject = ("subject", text.subject)
        if purpose is Purpose.DOCUMENT:
            exact, about = await self._digests(route, ("document", text.content), subject)
            return Probe(text, about[:SUBJECT_BYTES], exact)
        same = ("query", exact_form(text.content))
        if len(text.content) > _QUESTION:
            exact, about = await self._digests(route, same, subject)
            return Probe(text, about[:SUBJECT_BYTES], exact)
        words = wording(text.content)
        exact, about, form, *aspects = await self._digests(
            route, same, subject, ("form", words.form), *words.aspects.items()
        )
        kept = {
            group: aspect[:ASPECT_BYTES]
            for group, aspect in zip(words.aspects, aspects, strict=True)
        }
        signature = Signature(kept, words.context, words.names)
        return Probe(text, about[:SUBJECT_BYTES], exact, form, signature)

    async def _digests(self, route: Route, *parts: tuple[str, str]) -> list[bytes]:
        """Of texts that are each of a kind. What a tenant had before it was moved or restored,
        which begins a new epoch, does not count."""
        space = f"{route.tenant}\0{route.epoch}\0{self.identity}"
        items = [f"{space}\0{kind}\0{text}".encode() for kind, text in parts]
        return await self.keyring.macs(route, _MAC_PURPOSE, items)

    async def _known(self, route: Route, probes: Sequence[Probe]) -> Known:
        slots = Slots(route.tenant, self.slots)
        evidence = await self._evidence_key(route, slots)
        keys = [evidence, *(key for probe in probes for key in probe.keys(slots))]
        policy, values = await asyncio.gather(self.policies(route), self.store.read(keys))
        return Known(
            slots,
            dict(zip(keys, values, strict=True)),
            self.dimensions,
            policy.number,
            [await self._revoked(route, *each) for each in policy.revoking(self.identity)],
            policy.rules,
            Evidence.stored(values[0]) or self.prior,
        )

    async def _evidence_key(self, route: Route, slots: Slots) -> str:
        (model,) = await self._digests(route, ("evidence", ""))
        return slots.evidence(model)

    async def _revoked(self, route: Route, number: int, subject: str) -> Revoked:
        if not subject:
            return Revoked(number, None)
        (digest,) = await self._digests(route, ("subject", subject))
        return Revoked(number, digest[:SUBJECT_BYTES])

    async def _ask(self, route: Route, missed: Sequence[Answer], purpose: Purpose) -> Embedded:
        self.limiter.admit(route.tenant, len(missed))
        EMBEDDING_CACHE_MISSES.inc(len(missed))
        texts = [answer.probe.text for answer in missed]
        return await self.remote.embed(route, purpose, texts)

    async def _learned(
        self, route: Route, known: Known, missed: Sequence[Answer], embedded: Embedded
    ) -> list[Item]:
        """The entries that the provider's answer makes, and what it tells of the candidates."""
        items, evidence = [], known.evidence
        for answer, vector, tokens in zip(missed, embedded.vectors, embedded.tokens, strict=True):
            items += _items(known, answer.probe, vector, tokens, embedded.estimated)
            evidence = self._checked(evidence, answer, vector)
        if evidence is not known.evidence:
            key = await self._evidence_key(route, known.slots)
            items.append(Item(key, evidence.to_bytes(), _EVIDENCE_SECONDS))
        return items

    def _checked(self, evidence: Evidence, answer: Answer, vector: Vectors) -> Evidence:
        if answer.candidate is None:
            return evidence
        entry, grade, is_open = answer.candidate
        wrong = float(entry.vector @ vector) < self.cosine_bar
        labels = (grade, "yes" if is_open else "no")
        EMBEDDING_CACHE_CHECKS.labels(*labels).inc()
        EMBEDDING_CACHE_FALSE.labels(*labels).inc(wrong)
        return evidence.after(grade, wrong=wrong)

    def _count_hits(self, route: Route, answers: Sequence[Answer], purpose: Purpose) -> None:
        for tier in (Tier.EXACT, Tier.SEMANTIC):
            hits = [each.entry for each in answers if each.entry and each.tier is tier]
            if hits:
                EMBEDDING_CACHE_HITS.labels(tier).inc(len(hits))
                tokens, guessed = [hit.tokens for hit in hits], any(hit.estimated for hit in hits)
                self.meter.record(route.tenant, purpose, tier, tokens, estimated=guessed)


def _items(known: Known, probe: Probe, vector: Vectors, tokens: int, estimated: bool) -> list[Item]:
    """The entries of one text."""

    def item(tier: Tier, digest: bytes, signature: Signature, seconds: int) -> Item:
        entry = Entry(digest, known.number, probe.subject, tokens, estimated, signature, vector)
        return Item(known.slots.key(tier, digest), entry.to_bytes(), seconds)

    items = [item(Tier.EXACT, probe.exact, PLAIN, EXACT_SECONDS)]
    if probe.form and known.rules.semantic:
        items.append(item(Tier.SEMANTIC, probe.form, probe.signature, SEMANTIC_SECONDS))
    return items

"""Near-duplicates: how good the rule is on labelled pairs, and what looking for them costs.

The rule is run in this process; the cost is that of CreateMemory in the suite.
"""

import random
from collections.abc import Awaitable, Callable, Sequence

import grpc
import numpy as np

from aeterna.memory.v1 import settings_pb2, settings_pb2_grpc
from bench.client import Client, open_clients
from bench.corpus import Corpus, load_corpus
from bench.measure import Sample, Spread, alternate, drive
from bench.polarity import Flip, changed, dressed, written
from bench.qqp import Pair, halves, load, path, texts_of
from bench.report import Report, Row, Section
from bench.stack import Stack, open_stack
from bench.streams import wilson
from libs.auth import Role
from libs.embedding import Vectors
from libs.embedding.local import LocalEmbedder
from libs.embedding.settings import EmbeddingSettings
from services.memory.domain.likeness import LONGER, Said, alike, same

_CLIENTS = 64
_CONNECTIONS = 4
_POLICIES = ("off", "report", "merge")
_ACROSS = 100_000  # pairs of texts that are drawn, most of which have nothing in common


async def run(*, quick: bool) -> Report:
    """Over the file that QQP names."""
    file = path()
    pairs = load(file)[: 4000 if quick else None]
    development, other = halves(pairs)
    rule = await _Rule.of(texts_of(pairs))
    rows = [*rule.rows("development", development), *rule.rows("other", other)]
    plain = [*written(), *changed(texts_of(pairs))]
    flips = [*plain, *dressed(plain)]
    adds, rounds = (200, 2) if quick else (500, 5)
    costs = await _costs(load_corpus(), adds, rounds)
    sections = [
        Section("Labelled pairs", rows),
        Section("Pairs that look alike and mean something else", [await _flipped(flips)]),
        Section("What CreateMemory costs", costs),
    ]
    facts = [
        f"Data: {file.name}, {len(pairs):,} pairs; the halves share no text. Bounds were chosen on"
        " the development half. Labels err: what is left of wrong `same` pairs differs in a space.",
        "`reported`: near-duplicates; `same`: those that MERGE may count instead of storing them.",
        f"{_CLIENTS} clients in one tenant, {adds:,} adds a round, {rounds} rounds in turn, all in"
        " one table that grows.",
    ]
    return Report("near-duplicates", "Near-duplicates", sections, facts)


class _Rule:
    """The rule over texts that are known."""

    def __init__(self, vectors: dict[str, Vectors]) -> None:
        self._vectors = vectors
        self._said = {text: Said.of(text) for text in vectors}
        self._least = EmbeddingSettings().worth_comparing

    @classmethod
    async def of(cls, texts: Sequence[str]) -> "_Rule":
        return cls(dict(zip(texts, await LocalEmbedder().embed(texts), strict=True)))

    def cosine(self, one: str, other: str) -> float:
        return float(self._vectors[one] @ self._vectors[other])

    def reports(self, one: str, other: str) -> bool:
        cosine = self.cosine(one, other)
        return cosine >= self._least and alike(self._said[one], self._said[other], cosine)

    def merges(self, one: str, other: str) -> bool:
        return self.reports(one, other) and same(self._said[one], self._said[other])

    def rows(self, half: str, pairs: Sequence[Pair]) -> list[Row]:
        """Of this half: the rule, and cosines alone."""
        rules: dict[str, Callable[[str, str], bool]] = {
            "reported": self.reports,
            "same": self.merges,
            "a cosine of 0.80 alone": lambda *each: self.cosine(*each) >= 0.8,
            f"a cosine of {LONGER} alone": lambda *each: self.cosine(*each) >= LONGER,
        }
        return [
            {"half": half, "rule": name, **_quality(pairs, rule), **self._across(pairs, rule)}
            for name, rule in rules.items()
        ]

    def _across(self, pairs: Sequence[Pair], rule: Callable[[str, str], bool]) -> Row:
        """Of any two texts."""
        dice = random.Random(7)
        texts = texts_of(pairs)
        drawn = ((dice.choice(texts), dice.choice(texts)) for _ in range(_ACROSS))
        return {f"of {_ACROSS:,} random pairs": f"{sum(a != b and rule(a, b) for a, b in drawn):,}"}


def _quality(pairs: Sequence[Pair], rule: Callable[[str, str], bool]) -> Row:
    found = [pair for pair in pairs if rule(pair.one, pair.other)]
    right = sum(pair.same for pair in found)
    low, high = wilson(right, len(found))
    return {
        "pairs": f"{len(found):,}",
        "precision [95 %]": f"{right / max(1, len(found)):.3f} [{low:.3f}, {high:.3f}]",
        "recall": f"{right / sum(pair.same for pair in pairs):.3f}",
    }


async def _flipped(flips: Sequence[Flip]) -> Row:
    rule = await _Rule.of(list(dict.fromkeys(text for _, *pair in flips for text in pair)))
    near = [rule.cosine(one, other) >= LONGER for _, one, other in flips]
    return {
        "pairs": f"{len(flips):,}",
        f"cosine at least {LONGER}": f"{np.mean(near):.0%}",
        "reported": str(sum(rule.reports(one, other) for _, one, other in flips)),
        "same": str(sum(rule.merges(one, other) for _, one, other in flips)),
    }


async def _costs(corpus: Corpus, adds: int, rounds: int) -> list[Row]:
    """Of each policy, each in a tenant of its own."""
    async with open_stack() as stack:
        await stack.add_tenants(_POLICIES)
        for policy in _POLICIES:
            await _choose(stack, policy)
        tokens = [stack.token(policy) for policy in _POLICIES]
        address = stack.addresses.memory
        async with open_clients(address, tokens, connections=_CONNECTIONS) as clients:
            sides = {
                policy: _adding(client, corpus, adds)
                for policy, client in zip(_POLICIES, clients, strict=True)
            }
            for side in sides.values():
                await side(-1)  # warm
            samples = await alternate(sides, rounds)
    plain = [sample.rate for sample in samples["off"]]
    return [
        {
            "policy": policy,
            "adds/s": Spread.of(rates := [sample.rate for sample in taken]),
            "to off": Spread.ratio(rates, plain),
            "p50, ms": Spread.of(sample.quantile(0.5) for sample in taken),
            "p95, ms": Spread.of(sample.quantile(0.95) for sample in taken),
        }
        for policy, taken in samples.items()
    ]


def _adding(client: Client, corpus: Corpus, adds: int) -> Callable[[int], Awaitable[Sample]]:
    async def side(number: int) -> Sample:
        texts = corpus.texts(adds, skip=(number + 1) * adds)
        return await drive(client.add, texts, _CLIENTS)

    return side


async def _choose(stack: Stack, policy: str) -> None:
    settings = settings_pb2.MemorySettings(name="memorySettings")
    settings.near_duplicates = settings_pb2.NearDuplicatePolicy.Value(
        f"NEAR_DUPLICATE_POLICY_{policy.upper()}"
    )
    metadata = (("authorization", f"Bearer {stack.token(policy, Role.TENANT_ADMIN)}"),)
    async with grpc.aio.insecure_channel(stack.addresses.memory) as channel:
        stub = settings_pb2_grpc.MemorySettingsServiceStub(channel)
        request = settings_pb2.UpdateMemorySettingsRequest(memory_settings=settings)
        await stub.UpdateMemorySettings(request, metadata=metadata)

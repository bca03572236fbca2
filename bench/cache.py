"""The embedding cache on labelled question pairs: false hits, polarity, bounds, money.

Most of it drives the cache in this process, with an oracle that knows the labels in place of the
provider; the last part goes through the memory service's RPCs, with a provider over HTTP. The last
line that is printed is one JSON object.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import grpc
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc
from aeterna.memory.v1 import settings_pb2, settings_pb2_grpc
from bench.measure import drive
from bench.oracle import DIMENSIONS, MODEL, Oracle, serving
from bench.polarity import Flip, changed, dressed, written
from bench.qqp import Pair, load, meanings, path, texts_of
from bench.report import Report, Row, Section
from bench.rig import open_rig
from bench.stack import Stack, open_stack
from bench.streams import BOUNDS, Known, bound_rows, wilson, zipf, zipf_rows
from libs.auth import Role
from libs.embedding.evidence import Evidence
from libs.embedding.local import LocalEmbedder
from libs.embedding.usage import Tier
from libs.embedding.wording import Grade, exact_form

_BOUND = 0.01  # the default
_STRANGERS = 2000  # pairs without a common form that are asked nevertheless
_TENANTS = {"acme": 0.01, "umbrella": 0.05}  # with their bounds
_CLIENTS = 4
_BARS = (0.90, 0.95, 0.98)  # cosines of a vector probe
_NEGATIONS = frozenset(("not", "no", "never", "without", "nor", "n't", "cannot"))


@dataclass
class Hits:
    """Of pairs: one is cached, the other asked for."""

    right: Counter[Tier] = field(default_factory=Counter)
    wrong: Counter[Tier] = field(default_factory=Counter)

    def add(self, tier: Tier, *, same: bool) -> None:
        (self.right if same else self.wrong)[tier] += 1

    def count(self, *tiers: Tier) -> int:
        return sum(self.right[tier] + self.wrong[tier] for tier in tiers)

    @property
    def versus_exact(self) -> float:
        """All hits against those of the exact tier alone."""
        exact = self.count(Tier.EXACT)
        return (exact + self.count(Tier.SEMANTIC)) / max(1, exact)

    @property
    def false_rate(self) -> float:
        """Of the semantic tier."""
        return self.wrong[Tier.SEMANTIC] / max(1, self.count(Tier.SEMANTIC))


async def run(*, quick: bool) -> Report:
    """Over the file that QQP names."""
    file = path()
    pairs = load(file)[: 4000 if quick else None]
    texts = texts_of(pairs)
    known = Known.of(texts)
    hits = {bound: await _pairs(pairs, known, bound) for bound in BOUNDS}
    flips = _flips(texts)
    accepted = await _accepted(flips)
    sections = [
        Section("Pairs: one cached, the other asked for", [_row(*each) for each in hits.items()]),
        Section("Kinds of rewording", _grades(pairs, known)),
        Section("A vector probe instead, for comparison", await _probe(pairs)),
        Section("Polarity", _polarity(flips, accepted)),
        Section("Shuffled streams", await bound_rows(pairs, known, 2 if quick else 20)),
        Section(
            "Zipf streams: calls saved", await zipf_rows(pairs, known, 1000 if quick else 5000)
        ),
        Section("Through the RPCs", await _service(pairs, 200 if quick else 2000)),
    ]
    usual = hits[_BOUND]
    summary = {
        "false_hit_rate": usual.false_rate,
        "hits_vs_exact": usual.versus_exact,
        "polarity_accepted": sum(accepted.values()),
    }
    return Report("cache", "Embedding cache", sections, _facts(file, pairs, usual), summary)


async def _pairs(pairs: Sequence[Pair], known: Known, bound: float) -> Hits:
    """In the order of the file; the cache learns from the labels of what it checks."""
    hits, meaning = Hits(), dict[str, int]()
    async with open_rig(meaning, bound) as rig:
        for number, pair in enumerate(_worth_asking(pairs, known)):
            meaning[pair.one], meaning[pair.other] = 2 * number, 2 * number + (not pair.same)
            await rig.ask(pair.one)
            served = await rig.ask(pair.other)
            hits.add(served.tier, same=pair.same)
            rig.forget()
    return hits


def _worth_asking(pairs: Sequence[Pair], known: Known) -> list[Pair]:
    """Those with a common form, and some of the others, which no tier can join."""
    strangers = random.Random(3).sample(range(len(pairs)), min(_STRANGERS, len(pairs)))
    chosen = set(strangers)
    return [
        pair
        for place, pair in enumerate(pairs)
        if place in chosen or known.forms[pair.one] == known.forms[pair.other]
    ]


def _row(bound: float, hits: Hits) -> Row:
    semantic, wrong = hits.count(Tier.SEMANTIC), hits.wrong[Tier.SEMANTIC]
    low, high = wilson(wrong, semantic)
    every = hits.count(Tier.EXACT, Tier.SEMANTIC)
    return {
        "bound": f"{bound:.1%}",
        "exact hits": str(hits.count(Tier.EXACT)),
        "of them labelled different": str(hits.wrong[Tier.EXACT]),
        "semantic hits": str(semantic),
        "false": str(wrong),
        "false-hit rate [95 %]": f"{hits.false_rate:.2%} [{low:.2%}, {high:.2%}]",
        "all hits / exact": f"{hits.versus_exact:.2f}",
        "false of all hits": f"{(wrong + hits.wrong[Tier.EXACT]) / max(1, every):.2%}",
    }


def _grades(pairs: Sequence[Pair], known: Known) -> list[Row]:
    counts = known.counts(pairs)
    return [
        {
            "kind": each.value,
            "pairs": f"{counts[each][1]:.0f}",
            "labelled different": f"{counts[each][0]:.0f}",
            "share": f"{counts[each][0] / max(1, counts[each][1]):.1%}",
        }
        for each in Grade
    ]


async def _probe(pairs: Sequence[Pair]) -> list[Row]:
    """Cosines of the local embedder, plainly and with numbers and negations that must agree."""
    embedder = LocalEmbedder()
    ones = await embedder.embed([pair.one for pair in pairs])
    others = await embedder.embed([pair.other for pair in pairs])
    cosines = np.einsum("ij,ij->i", ones, others)
    rows: list[Row] = []
    for bar in _BARS:
        near = [pair for pair, cosine in zip(pairs, cosines, strict=True) if cosine >= bar]
        near = [each for each in near if exact_form(each.one) != exact_form(each.other)]
        for name, found in (("", near), (" and guards", list(filter(_agrees, near)))):
            wrong = sum(not pair.same for pair in found)
            low, high = wilson(wrong, len(found))
            rate = wrong / max(1, len(found))
            rows.append(
                {
                    "probe": f"cosine at least {bar:.2f}{name}",
                    "hits": str(len(found)),
                    "false-hit rate [95 %]": f"{rate:.1%} [{low:.1%}, {high:.1%}]",
                }
            )
    return rows


def _agrees(pair: Pair) -> bool:
    one, other = (text.lower().replace("n't", " n't").split() for text in (pair.one, pair.other))
    negations = _NEGATIONS.intersection(one) == _NEGATIONS.intersection(other)
    numbers = [sorted(word for word in words if word[0].isdigit()) for words in (one, other)]
    return negations and numbers[0] == numbers[1] and one[:1] == other[:1]


def _flips(texts: Sequence[str]) -> list[Flip]:
    plain = [*written(), *changed(texts)]
    return [*plain, *dressed(plain)]


async def _accepted(flips: Sequence[Flip]) -> Counter[str]:
    """By kind, the flips that are hits though every kind of rewording is trusted."""
    accepted: Counter[str] = Counter()
    trusting = Evidence(dict.fromkeys(Grade, (0.0, 1000.0)))
    meaning = {text: 0 for _, one, other in flips for text in (one, other)}
    async with open_rig(meaning, 1.0, prior=trusting, checks=False) as rig:
        for kind, one, other in flips:
            await rig.ask(one)
            served = await rig.ask(other)
            accepted[kind] += served.tier is not Tier.PROVIDER
            rig.forget()
    return accepted


def _polarity(flips: Sequence[Flip], accepted: Mapping[str, int]) -> list[Row]:
    counts = Counter(kind for kind, *_ in flips)
    return [
        {"kind": kind, "pairs": str(count), "accepted": str(accepted[kind])}
        for kind, count in sorted(counts.items())
    ]


async def _service(pairs: Sequence[Pair], requests: int) -> list[Row]:
    """Searches of two tenants with bounds of their own, in any wording of what they ask."""
    meaning = meanings(pairs)
    wordings: dict[int, list[str]] = {}
    for text, number in meaning.items():
        wordings.setdefault(number, []).append(text)
    stream = zipf([each for each in wordings.values() if len(each) > 1], 1.0, requests)
    oracle, rows = Oracle(meaning), []
    async with serving(oracle) as url, open_stack(_remote(url)) as stack:
        await stack.add_tenants(_TENANTS)
        before: Counter[str] = Counter()
        for tenant, bound in _TENANTS.items():
            await _searches(stack, tenant, bound, stream)
            seen = await asyncio.to_thread(_metrics, stack.metrics)
            seen |= {"asked": oracle.asked, "counted": oracle.tokens}
            change = {name: value - before[name] for name, value in seen.items()}
            rows.append(_service_row(bound, requests, change))
            before = Counter(seen)
    return rows


async def _searches(stack: Stack, tenant: str, bound: float, stream: Sequence[str]) -> None:
    metadata = (("authorization", f"Bearer {stack.token(tenant, Role.TENANT_ADMIN)}"),)
    settings = settings_pb2.MemorySettings(name="memorySettings", semantic_cache_error_bound=bound)
    async with grpc.aio.insecure_channel(stack.addresses.memory) as channel:
        request = settings_pb2.UpdateMemorySettingsRequest(memory_settings=settings)
        stub = settings_pb2_grpc.MemorySettingsServiceStub(channel)
        await stub.UpdateMemorySettings(request, metadata=metadata)
        search = pb_grpc.MemoryServiceStub(channel).SearchMemories

        async def ask(text: str) -> None:
            strategy = pb.SEARCH_STRATEGY_SEMANTIC
            request = pb.SearchMemoriesRequest(query=text, strategy=strategy, limit=1)
            await search(request, metadata=metadata)

        await drive(ask, stream, _CLIENTS)


def _remote(url: str) -> dict[str, str]:
    values = {"PROVIDER": "openai", "BASE_URL": url, "MODEL": MODEL, "DIMENSIONS": str(DIMENSIONS)}
    values["TRAINED"] = f"[{DIMENSIONS}]"  # as our oracle is; the model of that name is not
    return {f"MEMORY_EMBEDDING__{name}": value for name, value in values.items()}


def _metrics(address: str) -> dict[str, float]:
    """Of the cache, as the service tells them: name and tier."""
    with urlopen(f"http://{address}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [sample for family in families for sample in family.samples]
    return {
        f"{each.name.removeprefix('aeterna_embedding_')} {each.labels.get('tier', '')}".strip(): (
            each.value
        )
        for each in samples
        if each.name.startswith("aeterna_embedding_")
    }


def _service_row(bound: float, requests: int, change: Mapping[str, float]) -> Row:
    saved = sum(change.get(f"saved_cost_total {tier}", 0) for tier in ("exact", "semantic"))
    spent = change.get("cost_total", 0)
    counted = {
        "texts that the provider saw": "asked",
        "misses": "cache_misses_total",
        "exact hits": "cache_hits_total exact",
        "semantic hits": "cache_hits_total semantic",
        "tokens that the provider counted": "counted",
        "tokens by the metric": "tokens_total",
    }
    return {
        "bound of the tenant": f"{bound:.0%}",
        "searches": str(requests),
        **{title: f"{change.get(name, 0):.0f}" for title, name in counted.items()},
        "money saved": f"{saved / max(1e-12, saved + spent):.1%}",
    }


def _facts(file: Path, pairs: Sequence[Pair], hits: Hits) -> list[str]:
    return [
        f"Data: {file.name}, {len(pairs):,} pairs. Pairs, streams and flips go through the cache in"
        " this process; an oracle that knows the labels is the provider. Pairs without a common"
        f" form cannot be joined: {_STRANGERS:,} of them are asked all the same.",
        "The false-hit rate is that of the semantic tier. Of pairs that are equal but for case,"
        f" space and closing marks {hits.wrong[Tier.EXACT]} of {hits.count(Tier.EXACT)} are"
        " labelled different: no cache can avoid these.",
        "What is shipped of rewordings was counted on the development half of these data: there"
        " the rows `shipped` are fitted, the rows `other half` are not; on other data neither is.",
        "Streams: `within the bound` by the observed share, in which one wrong hit of few weighs"
        " much; `surely above` where it lies above with 95 % confidence.",
        "Polarity: every kind of rewording is trusted, whatever the bound.",
        "Texts of one form that no label tells apart are near for the oracle, and are counted as"
        " hits without a label.",
    ]

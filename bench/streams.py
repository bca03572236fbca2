"""Streams of questions through the cache: whether the bound holds, and what repetition saves."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import fmean

from bench.measure import Spread
from bench.oracle import MODEL
from bench.qqp import Pair, Truth, halves, meanings, texts_of
from bench.report import Row
from bench.rig import Rig, open_rig
from libs.embedding.evidence import SHIPPED, Counts, Evidence
from libs.embedding.usage import Tier
from libs.embedding.wording import Grade, Signature, exact_form, grade, wording
from libs.usage import Kind
from libs.usage.prices import BUILT_IN

BOUNDS = (0.005, 0.01, 0.02, 0.05)
_EXPONENTS = (0.6, 0.8, 1.0, 1.2)
_POOL = 10_000  # texts or meanings that a Zipf stream draws from
_CONFIDENT = 1.645  # one-sided 95 %, in standard deviations


def wilson(wrong: int, count: int, deviations: float = 1.96) -> tuple[float, float]:
    """An interval for a rate, by default of 95 % on two sides (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    rate, square = wrong / count, deviations**2
    half = deviations * (rate * (1 - rate) / count + square / (4 * count**2)) ** 0.5
    middle, scale = rate + square / (2 * count), 1 + square / count
    return max(0.0, (middle - half) / scale), (middle + half) / scale


@dataclass(frozen=True)
class Known:
    """What the cache makes of each text, without any I/O."""

    forms: Mapping[str, str]
    signatures: Mapping[str, Signature]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Known":
        found = {text: wording(text) for text in texts}
        signatures = {
            text: Signature(
                {group: aspect.encode() for group, aspect in each.aspects.items()},
                each.context,
                each.names,
            )
            for text, each in found.items()
        }
        return cls({text: each.form for text, each in found.items()}, signatures)

    def grade(self, pair: Pair) -> Grade | None:
        """What kind of rewording a pair is; None if it is none."""
        if self.forms[pair.one] != self.forms[pair.other]:
            return None
        return grade(self.signatures[pair.one], self.signatures[pair.other])

    def groups(self) -> list[list[str]]:
        """Texts of one form, where there are several."""
        groups: dict[str, list[str]] = defaultdict(list)
        for text, form in self.forms.items():
            groups[form].append(text)
        return [group for group in groups.values() if len(group) > 1]

    def counts(self, pairs: Sequence[Pair]) -> dict[Grade, Counts]:
        """(wrong, all) by grade, of pairs that are not equal to the exact tier."""
        counts = dict.fromkeys(Grade, (0.0, 0.0))
        for pair in pairs:
            kind = self.grade(pair)
            if kind and exact_form(pair.one) != exact_form(pair.other):
                wrong, every = counts[kind]
                counts[kind] = (wrong + (not pair.same), every + 1)
        return counts


@dataclass
class Outcome:
    """What became of a stream."""

    tiers: Counter[Tier] = field(default_factory=Counter)
    verdicts: Counter[bool | None] = field(default_factory=Counter)  # of semantic hits

    @property
    def labelled(self) -> int:
        return self.verdicts[True] + self.verdicts[False]

    @property
    def error(self) -> float:
        return self.verdicts[False] / max(1, self.labelled)


async def replay(rig: Rig, stream: Sequence[str], truth: Truth) -> Outcome:
    """Asks for every text of the stream in turn."""
    outcome = Outcome()
    for text in stream:
        served = await rig.ask(text)
        outcome.tiers[served.tier] += 1
        if served.tier is Tier.SEMANTIC:
            outcome.verdicts[truth(text, served.text)] += 1
    return outcome


async def bound_rows(pairs: Sequence[Pair], known: Known, seeds: int) -> list[Row]:
    """Shuffled streams: of all texts, as shipped; of each half, with what the other half taught."""
    sides = halves(pairs)
    taught = [Evidence(known.counts(side)) for side in sides]
    parts = {
        "shipped": [_Part.of(pairs, known, Evidence(SHIPPED))],
        "other half": [
            _Part.of(side, known, prior) for side, prior in zip(sides, taught[::-1], strict=True)
        ],
    }
    near = meanings(pairs, known.groups())
    rows = []
    for bound in BOUNDS:
        for name, those in parts.items():
            runs = [
                await _shuffled(those[seed % len(those)], near, bound, seed)
                for seed in range(seeds)
            ]
            rows.append(_bound_row(bound, name, runs))
    return rows


@dataclass(frozen=True)
class _Part:
    """Texts that have another of their form (the rest are misses in any order), what the labels say
    of them, and what is known of rewordings beforehand."""

    texts: Sequence[str]
    truth: Truth
    prior: Evidence

    @classmethod
    def of(cls, pairs: Sequence[Pair], known: Known, prior: Evidence) -> "_Part":
        forms = {text: known.forms[text] for text in texts_of(pairs)}
        meeting = [text for group in Known(forms, {}).groups() for text in group]
        return cls(meeting, Truth(pairs), prior)


async def _shuffled(part: _Part, near: Mapping[str, int], bound: float, seed: int) -> Outcome:
    stream = random.Random(seed).sample(part.texts, len(part.texts))
    async with open_rig(near, bound, prior=part.prior, seed=seed) as rig:
        return await replay(rig, stream, part.truth)


def _bound_row(bound: float, prior: str, runs: Sequence[Outcome]) -> Row:
    above = sum(wilson(run.verdicts[False], run.labelled, _CONFIDENT)[0] > bound for run in runs)
    return {
        "bound": f"{bound:.1%}",
        "known before": prior,
        "semantic hits, labelled": Spread.of(run.labelled for run in runs),
        "wrong": Spread.of(run.verdicts[False] for run in runs),
        "error": f"{fmean(run.error for run in runs):.2%}",
        "highest": f"{max(run.error for run in runs):.2%}",
        "within the bound": f"{sum(run.error <= bound for run in runs)} of {len(runs)}",
        "surely above": f"{above}",
        "hits without a label": Spread.of(run.verdicts[None] for run in runs),
    }


async def zipf_rows(pairs: Sequence[Pair], known: Known, requests: int) -> list[Row]:
    """What repeats is the very text, or a meaning in any of its labelled wordings."""
    near, truth = meanings(pairs, known.groups()), Truth(pairs)
    labelled = meanings(pairs)
    wordings: dict[int, list[str]] = defaultdict(list)
    for text, meaning in labelled.items():
        wordings[meaning].append(text)
    pools = {
        "the very text": [[text] for text in labelled],
        "a meaning, in any wording": [each for each in wordings.values() if len(each) > 1],
    }
    rows: list[Row] = []
    for what, pool in pools.items():
        for exponent in _EXPONENTS:
            stream = zipf(pool, exponent, requests)
            saved = await _savings(stream, near, truth, labelled)
            rows.append({"what repeats": what, "exponent": f"{exponent:.1f}", **saved})
    return rows


def zipf(pool: Sequence[Sequence[str]], exponent: float, requests: int) -> list[str]:
    """Requests for items whose popularity falls with their rank; in any of an item's wordings."""
    dice = random.Random(7)
    items = dice.sample(pool, min(_POOL, len(pool)))
    weights = [1 / rank**exponent for rank in range(1, len(items) + 1)]
    return [dice.choice(texts) for texts in dice.choices(items, weights, k=requests)]


async def _savings(
    stream: Sequence[str],
    near: Mapping[str, int],
    truth: Truth,
    labelled: Mapping[str, int],
) -> Row:
    row: dict[str, str] = {}
    exact = 1 - len({exact_form(text) for text in stream}) / len(stream)
    row["exact tier alone"] = f"{exact:.1%}"
    total = exact
    for bound in (0.01, 0.05):
        async with open_rig(near, bound) as rig:
            outcome = await replay(rig, stream, truth)
            saved = 1 - rig.oracle.asked / len(stream)
            dollars = _dollars(rig, len(stream))
        row[f"semantic adds, bound {bound:.0%}"] = f"{saved - exact:+.2%}"
        row[f"wrong of labelled, {bound:.0%}"] = f"{outcome.verdicts[False]}/{outcome.labelled}"
        if bound == 0.01:
            total = saved
            row["USD saved in 1 M requests, 1%"] = f"{dollars:.3f}"
    best = 1 - len({labelled[text] for text in stream}) / len(stream)
    row["all that could be saved"] = f"{best:.1%}"
    row["60 to 80 % saved"] = "yes" if 0.6 <= total <= 0.8 else "more" if total > 0.8 else "no"
    return row


def _dollars(rig: Rig, requests: int) -> float:
    saved = rig.tally.tokens[Tier.EXACT] + rig.tally.tokens[Tier.SEMANTIC]
    charge = BUILT_IN.charge(Kind.EMBEDDING_TOKENS, MODEL, saved, datetime.now(UTC))
    return float(charge.amount or 0) / requests * 1_000_000

"""Decisions under 1,000 policies of a tenant (limits: p50 80 µs, p99 1 ms), and whether they are
those of Cedar.

Every question is a new one, so that nothing is remembered of it; beside that the same question
again, and Cedar with all policies at once. The oracle reads all texts anew for each question.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from random import Random

import cedarpy

from bench.policies import Oracle, random_policies, random_question
from bench.report import Report, Row, Section
from libs.authorization.engine import Engine

POLICIES, LIMIT_P50, LIMIT_P99 = 1_000, 80.0, 1_000.0  # µs
_SEED = 6
_PRINCIPALS = 500
_ORACLE_POLICIES = 40  # its texts are read for each question: more would take days


async def run(*, quick: bool) -> Report:
    """One process decides; all cores ask the oracle."""
    asked, compared = (2_000, 500) if quick else (50_000, 100_000)
    fresh, again, whole = _timings(asked)
    different = _differences(compared)
    rows: list[Row] = [
        _row("a new question", fresh, f"p50 <= {LIMIT_P50:.0f}, p99 <= {LIMIT_P99:.0f}"),
        _row("the same again", again, ""),
        _row("Cedar, all policies parsed, nothing left out", whole, ""),
    ]
    summary = {
        "policies": POLICIES,
        "decisions": asked,
        "p50_us": round(quantile(fresh, 0.5), 1),
        "p99_us": round(quantile(fresh, 0.99), 1),
        "same_again_p50_us": round(quantile(again, 0.5), 2),
        "all_policies_p50_us": round(quantile(whole, 0.5), 1),
        "compared": compared,
        "different": different,
    }
    facts = [
        f"{POLICIES:,} policies of the tenant beside the suite's own; {asked:,} questions (seed "
        f"{_SEED}) of {_PRINCIPALS} principals, a third of them agents, who cost two decisions.",
        f"{compared:,} random questions under random policies, {_ORACLE_POLICIES} in a set, asked "
        f"of Cedar as unparsed text, too: {different} answers (allowed, policies) differ.",
    ]
    sections = [Section("One decision, µs", rows)]
    return Report("decisions", "Authorization decisions", sections, facts, summary)


def _row(what: str, micros: Sequence[float], goal: str) -> Row:
    return {
        "what": what,
        "p50": quantile(micros, 0.5),
        "p99": quantile(micros, 0.99),
        "goal": goal,
    }


def _timings(count: int) -> tuple[list[float], list[float], list[float]]:
    """Of each question when it is new and when it is not; and of some, as Cedar answers."""
    random = Random(_SEED)
    texts = random_policies(random, POLICIES)
    engine = Engine(texts)
    askers = [engine.of(random_question(random).principal) for _ in range(_PRINCIPALS)]
    fresh, again, whole = list[float](), list[float](), list[float]()
    oracle = Oracle(texts)
    for number in range(count):
        asker, question = random.choice(askers), random_question(random)
        decide = partial(asker.decide, question.action, question.thing)
        fresh.append(_timed(decide))
        again.append(_timed(decide))
        if number % 50 == 0:
            asked = oracle.parsed(replace(question, principal=asker.principal))
            whole += [_timed(partial(cedarpy.is_authorized, *each)) for each in asked]
    return fresh, again, whole


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so many are not above."""
    return sorted(values)[round(share * (len(values) - 1))]


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e6


def _differences(count: int) -> int:
    """How many of so many answers are not the oracle's."""
    workers = os.cpu_count() or 1
    sets = 20 * workers
    with ProcessPoolExecutor(workers) as pool:
        return sum(pool.map(_different, range(sets), [count // sets] * sets))


def _different(seed: int, count: int) -> int:
    random = Random(seed)
    texts = random_policies(random, _ORACLE_POLICIES)
    engine, oracle = Engine(texts), Oracle(texts)
    different = 0
    for _ in range(count):
        question = random_question(random)
        decision = engine.of(question.principal).decide(question.action, question.thing)
        different += (decision.allowed, decision.policies) != oracle(question)
    return different

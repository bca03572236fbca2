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
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import cedarpy

from bench.policies import TENANT_ID, Oracle, random_policies, random_question
from bench.report import Report, Row, Section
from libs.auth import Identity, Role
from libs.authorization.authority import Authority
from libs.authorization.engine import Engine
from libs.authorization.rules import TenantRules
from libs.authorization.things import MEMORY, Thing
from libs.tenancy import Route, ShardId, TenantId
from libs.wakeups import Wakeups

POLICIES, LIMIT_P50, LIMIT_P99 = 1_000, 80.0, 1_000.0  # µs
_SEED = 6
_PRINCIPALS = 500
_ORACLE_POLICIES = 40  # its texts are read for each question: more would take days


async def run(*, quick: bool) -> Report:
    """One process decides; all cores ask the oracle."""
    asked, compared = (2_000, 500) if quick else (50_000, 100_000)
    fresh, busy, again, whole = _timings(asked)
    calls = await _calls(asked)
    different = _differences(compared)
    rows: list[Row] = [
        _row("a new question", fresh, f"p50 <= {LIMIT_P50:.0f}, p99 <= {LIMIT_P99:.0f}"),
        _row("the same, CPU alone: without what else the machine did", busy, ""),
        _row("the same again", again, ""),
        _row("all that a call pays: rules, caller, method, thing", calls, ""),
        _row("Cedar, all policies parsed, nothing left out", whole, ""),
    ]
    summary = {
        "policies": POLICIES,
        "decisions": asked,
        "p50_us": round(quantile(fresh, 0.5), 1),
        "p99_us": round(quantile(fresh, 0.99), 1),
        "cpu_p50_us": round(quantile(busy, 0.5), 1),
        "cpu_p99_us": round(quantile(busy, 0.99), 1),
        "same_again_p50_us": round(quantile(again, 0.5), 2),
        "call_p50_us": round(quantile(calls, 0.5), 1),
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


def _timings(count: int) -> tuple[list[float], list[float], list[float], list[float]]:
    """Of each question when it is new, its CPU time, and when it is not new; and of some, as Cedar
    answers."""
    random = Random(_SEED)
    texts = random_policies(random, POLICIES)
    engine = Engine(texts)
    askers = [engine.of(random_question(random).principal) for _ in range(_PRINCIPALS)]
    fresh, busy, again, whole = list[float](), list[float](), list[float](), list[float]()
    oracle = Oracle(texts)
    for number in range(count):
        asker, question = random.choice(askers), random_question(random)
        decide = partial(asker.decide, question.action, question.thing)
        begun = time.thread_time()
        fresh.append(_timed(decide))
        busy.append((time.thread_time() - begun) * 1e6)
        again.append(_timed(decide))
        if number % 50 == 0:
            asked = oracle.parsed(replace(question, principal=asker.principal))
            whole += [_timed(partial(cedarpy.is_authorized, *each)) for each in asked]
    return fresh, busy, again, whole


async def _calls(count: int) -> list[float]:
    """What authorization adds to calls of a caller who is known."""
    random = Random(_SEED)
    rules = TenantRules(1, random_policies(random, POLICIES))

    async def load(*_: object) -> TenantRules:
        return rules

    pool: Any = None
    route = Route(TenantId(TENANT_ID), ShardId("one"), 1, pool)
    soon = datetime.now(UTC) + timedelta(hours=1)
    ann = Identity(route.tenant, "u1", frozenset({Role.DEVELOPER}), "", (), "bench", soon)
    authority, thing = Authority(Wakeups(), load), Thing(MEMORY, TENANT_ID, layer="company")
    micros = []
    for _ in range(count):
        begun = time.perf_counter()
        asker = await authority.asker(route, ann)
        asker.admits("GetMemory")
        asker.decide("GetMemory", thing)
        micros.append((time.perf_counter() - begun) * 1e6)
    return micros


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

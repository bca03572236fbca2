"""What it costs to find the way to a tenant's data when it is known already (limit: 5 µs).

A real control database announces changes meanwhile; the lookups are answered from memory.
"""

import time

from bench.measure import Spread
from bench.report import Report, Row, Section
from bench.stack import Stack, open_stack
from libs.postgres import DatabaseSettings
from libs.tenancy import TenantId
from libs.tenancy.directory import Directory, open_directory

LIMIT = 5.0  # microseconds
TENANTS = tuple(TenantId(f"bench-{place}") for place in range(50))


async def run(*, quick: bool) -> Report:
    """Lookups over 50 tenants, one after the other."""
    rounds, lookups = (2, 1_000) if quick else (15, 100_000)
    async with open_stack() as stack:
        await stack.add_tenants(TENANTS)
        async with open_directory(_control(stack)) as directory:
            await _warm(directory)
            taken = [await _round(directory, lookups) for _ in range(rounds)]
    micros = [seconds / lookups * 1e6 for seconds in taken]
    row: Row = {
        "what": "route of a known tenant",
        "µs": Spread.of(micros),
        "limit / ours": Spread.of(LIMIT / each for each in micros),
        "goal": ">= 1x",
    }
    facts = [f"{lookups:,} lookups a round, {rounds} rounds, {len(TENANTS)} tenants in turn."]
    return Report("routing", "Tenant routing", [Section("From the cache", [row])], facts)


def _control(stack: Stack) -> DatabaseSettings:
    return DatabaseSettings(dsn=stack.dsn().replace("postgres@", "", 1))


async def _warm(directory: Directory) -> None:
    """Looks up until the directory hears announcements, and so keeps what it learns."""
    while directory.known < len(TENANTS):
        for tenant in TENANTS:
            await directory.route(tenant)


async def _round(directory: Directory, lookups: int) -> float:
    begun = time.perf_counter()
    for place in range(lookups):
        await directory.route(TENANTS[place % len(TENANTS)])
    return time.perf_counter() - begun

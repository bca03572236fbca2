"""No byte of another tenant is ever returned, whatever three hostile tenants do at once.

AETERNA_ISOLATION_OPERATIONS sets how many calls are made in all; 20,000 unless told.
"""

import asyncio
import os
import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.isolation.operations import OPERATIONS, check_everything
from tests.isolation.world import World
from tests.suite import Suite

_OPERATIONS = int(os.environ.get("AETERNA_ISOLATION_OPERATIONS", "20000"))
_PARTS = 4  # so that workers share the load
_STEPS, _AT_ONCE = 10, 24  # steps of one example, calls that one step makes at the same time


@pytest.mark.parametrize("part", range(_PARTS))
def test_tenants_never_meet(shared_suite: Suite, runner: asyncio.Runner, part: int) -> None:
    done = 0

    class Tenants(RuleBasedStateMachine):
        """Hypothesis chooses what happens; the calls of one step overlap."""

        @initialize()
        def create(self) -> None:
            self.world = runner.run(World.create(shared_suite))

        @rule(seed=st.integers(0, 2**32 - 1), calls=st.integers(1, _AT_ONCE))
        def act(self, seed: int, calls: int) -> None:
            runner.run(_act(self.world, random.Random(seed), calls))

        def teardown(self) -> None:
            nonlocal done
            runner.run(_check(self.world))
            done += self.world.operations

    profile = settings(
        max_examples=1,
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    while done < _OPERATIONS // _PARTS:
        run_state_machine_as_test(Tenants, settings=settings(profile, max_examples=10))

    print(f"{done} operations")


async def _act(world: World, rng: random.Random, calls: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(calls):
            operation = rng.choice(OPERATIONS)
            # Each operation draws from its own generator, so that their order does not matter.
            chosen = random.Random(rng.getrandbits(64))
            group.create_task(operation(world, chosen, rng.choice(world.tenants)))


async def _check(world: World) -> None:
    for tenant in world.tenants:
        await check_everything(world, tenant)

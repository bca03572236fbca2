"""What holds over every transport, between two processes and within one."""

import asyncio
from contextlib import ExitStack

import pytest

from libs.tenancy import TenantId

from .conftest import SOON, Processes, new_tenant


async def heard(processes: Processes) -> None:
    """Returns when `there` has heard everything that was published here before, and the reverse."""
    for sender, receiver in (processes, processes[::-1]):
        fence = new_tenant()
        with receiver.watch(fence) as watch:
            sender.publish(fence)
            assert await watch.wait(SOON)

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from cli.interrupts import run


def interrupt_soon() -> None:
    asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)


def test_the_result_is_that_of_the_work() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert run(work()) == 7


def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(work())


def test_ctrl_c_ends_what_swallows_its_cancellation() -> None:
    ended = []

    async def work() -> None:
        interrupt_soon()
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        run(work())

    assert ended == ["cleaned up"]


def test_what_ends_well_in_spite_of_ctrl_c_has_its_result() -> None:
    async def work() -> str:
        interrupt_soon()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "done"

    assert run(work()) == "done"

"""The order of the day."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cli.demo import closing, decisions, memories, opening, together, walls
from cli.demo.cast import Cast
from cli.demo.live import following
from cli.demo.process import suite_process
from cli.demo.stage import Stage
from cli.endpoints import Addresses
from cli.session import local_issuer
from cli.show import console
from libs.auth import Role

_COLUMNS = 120  # when standard output is not a terminal


async def play(data: Path | None) -> None:
    """Plays the day on a suite of its own, which it starts and stops.

    Raises:
        DemoFailed: A step gave another result than it should.
        SuiteFailed: The suite did not start or did not stop as it should.
    """
    stage, begun = Stage(console(_COLUMNS)), time.monotonic()
    with _temporary_folder() as temporary:
        folder = data or temporary / "data"
        async with _started(stage, folder, temporary / "serve.log") as addresses:
            await _acts(stage, folder, addresses)
            stage.act("The suite stops")
    stage.done("it ended with code 0")
    stage.summary()
    stage.say(f"Every step gave what it should; {time.monotonic() - begun:.1f} s in all.")


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="aeterna-demo-") as name:
        Path(name).chmod(0o711)  # PostgreSQL may run as somebody else
        yield Path(name)


@asynccontextmanager
async def _started(stage: Stage, folder: Path, log: Path) -> AsyncIterator[Addresses]:
    stage.act("aeterna serve all")
    begun = time.monotonic()
    async with AsyncExitStack() as stack:
        with stage.console.status("making a data folder, PostgreSQL, keys; starting services"):
            addresses = await stack.enter_async_context(suite_process(folder, log))
        stage.done(f"four services answer after {time.monotonic() - begun:.1f} s")
        stage.say(f"memory {addresses.memory}, knowledge {addresses.knowledge},")
        stage.say(f"governance {addresses.governance}, sync {addresses.sync}")
        yield addresses


async def _acts(stage: Stage, folder: Path, addresses: Addresses) -> None:
    async with AsyncExitStack() as stack:
        cast = Cast(addresses, await local_issuer(folder), stage, stack)
        harborline, lumen = await opening.create_tenants(cast)
        watcher = await cast.join(harborline, "status-board", [Role.ADMIN])
        async with following(watcher, stage) as follower:
            incident = await memories.incident(cast, harborline)
            await follower.catch_up()
            await walls.strangers(cast, harborline, lumen, incident)
            await memories.corrections(cast, harborline, incident)
            await follower.catch_up()
            await decisions.review(cast, harborline)
            await follower.catch_up()
            await together.note(cast, harborline)
            await follower.catch_up()
            await walls.mistakes(cast, harborline, lumen)
            await closing.audit(cast, harborline, follower)

"""People of whom nothing may be written any more."""

from uuid import uuid4

from libs.erasure import Erasure, Strategy
from libs.tenancy import Route
from services.governance.erasure.store.shard import block


async def forget(route: Route, subject: str) -> None:
    """The first step of an erasure."""
    await block(route, Erasure(uuid4(), subject, (), Strategy.DELETE, "erased-1"))

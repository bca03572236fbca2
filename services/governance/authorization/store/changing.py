"""Changing the rules: in one transaction, numbered, remembered, and told to every service."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel

from libs.changes import Asked, Change, Operation
from libs.spine import Write, writing
from libs.spine.requests import Answers, forget
from libs.tenancy import Route
from libs.wakeups import Wakeups

_CHANGED = """
    INSERT INTO aeterna.authorization_state (tenant_id, number) VALUES ($1, $2)
    ON CONFLICT (tenant_id) DO UPDATE SET number = excluded.number
"""
M = TypeVar("M", bound=BaseModel)


class Changing:
    """Runs changes; a repeat of a request gets the first answer, which holds no content."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups

    async def __call__(
        self, route: Route, asked: Asked, kind: type[M], make: Callable[[Write], Awaitable[M]]
    ) -> M:
        """What `make` makes of the rules, under the tenant's lock."""
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            before = answers.get(asked.request)
            if before is not None:
                return kind.model_validate(before)
            made = await make(write)
            answers.add(asked.request, made.model_dump(mode="json"))
            answers.save(write)
        self._wakeups.publish(route.tenant)
        return made


async def log(
    write: Write,
    asked: Asked,
    resource: str,
    operation: Operation,
    *,
    subject: str = "",
    event: str = "",
) -> int:
    """Notes a change of the rules; its number. Not twice in one write."""
    number = await write.append([Change(resource, operation, asked.origin, subject, event=event)])
    write.add(_CHANGED, number)
    forget(write, number, 1)
    return number


class Nothing(BaseModel, frozen=True):
    """The answer to what leaves nothing."""

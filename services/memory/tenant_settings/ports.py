"""What others need of the settings."""

from typing import Any, Protocol

from libs.changes import Asked, Origin
from libs.spine import Write
from libs.tenancy import Route
from services.memory.tenant_settings.domain import Versioned


class IndexLength(Protocol):
    """The length of the vectors that searches find candidates by."""

    async def follow(self, write: Write, origin: Origin, length: int) -> None:
        """Begins, as part of a write, what makes searches use this length; 0: whole vectors.

        Raises:
            LengthUntrained, OperationUnderWay: As they say.
        """

    async def searched(self, route: Route) -> int:
        """The length that searches use now."""


class SettingsStore(Protocol):
    """Both methods raise StoreUnavailable when the shard cannot be reached."""

    async def get(self, route: Route) -> Versioned:
        """The settings as they are now, or were at most a few seconds ago."""

    async def update(
        self, route: Route, asked: Asked, expected: int, values: dict[str, Any]
    ) -> Versioned:
        """Sets some of them; a repeat of the request gets the first answer. `expected` is the
        version that must be the current one, 0 for any.

        Raises:
            SettingsVersionMismatch, RequestIdReused, LengthUntrained, OperationUnderWay,
            InvalidRequest: As they say.
            TenantMoved, TenantSuspended: The shard refuses the writer.
        """

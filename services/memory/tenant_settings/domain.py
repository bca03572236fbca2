"""The settings of a tenant and their defaults. A new one is a field here and one in the contract,
of the same name. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from libs.errors import invalid
from services.memory.domain.life import ARCHIVED_BELOW, RATES, WARM_BELOW, Life
from services.memory.domain.memory import Layer
from services.memory.tenant_settings.errors import SettingsVersionMismatch

NAME = "memorySettings"  # there is one resource of this kind


class DefaultStrategy(StrEnum):
    """How to search when a request does not say."""

    UNSPECIFIED = "unspecified"  # as the server likes best
    SEMANTIC = "semantic"
    LEXICAL = "lexical"
    HYBRID = "hybrid"
    REASONED = "reasoned"


class NearDuplicates(StrEnum):
    """What is done about new memories that say nearly the same as others."""

    UNSPECIFIED = "unspecified"  # the default: see `chosen`
    OFF = "off"
    REPORT = "report"
    MERGE = "merge"

    def chosen(self, *, bulk: bool) -> "NearDuplicates":
        """With the default in its place: memories in bulk are stored as fast as can be."""
        if self is not NearDuplicates.UNSPECIFIED:
            return self
        return NearDuplicates.OFF if bulk else NearDuplicates.REPORT


class TenantSettings(BaseModel, frozen=True, extra="ignore"):
    """What a tenant may set."""

    default_search_strategy: DefaultStrategy = DefaultStrategy.UNSPECIFIED
    semantic_cache: bool | None = None  # None: as the server is configured
    semantic_cache_error_bound: float | None = None  # likewise
    index_dimensions: int = 0  # of the vectors that are searched; 0: whole ones
    near_duplicates: NearDuplicates = NearDuplicates.UNSPECIFIED
    decay_rates: dict[Layer, float] = {}  # a day, of layers with another one than the default
    warm_below: float | None = None  # None: the default
    archived_below: float | None = None  # likewise

    @property
    def life(self) -> Life:
        """How memories age."""
        return Life(
            {**RATES, **self.decay_rates},
            WARM_BELOW if self.warm_below is None else self.warm_below,
            ARCHIVED_BELOW if self.archived_below is None else self.archived_below,
        )


class Versioned(BaseModel, frozen=True):
    """The settings in one of their versions; the first is that of the defaults."""

    values: TenantSettings = TenantSettings()
    version: int = 1
    number: int = 0  # of the change that made it
    updated_at: datetime | None = None

    def changed(self, expected: int, values: dict[str, Any], now: datetime) -> "Versioned":
        """The next version, with other `values` of some settings; `expected`: 0 for any.

        Raises:
            SettingsVersionMismatch: This is not the version that is expected.
            InvalidRequest: The settings contradict each other.
        """
        if expected not in (0, self.version):
            raise SettingsVersionMismatch(expected, self.version)
        replaced = self.values.model_copy(update=values)
        life = replaced.life
        if life.archived_below > life.warm_below:
            field = "archived_below" if "archived_below" in values else "warm_below"
            message = f"archived_below, {life.archived_below}, would be above warm_below"
            raise invalid(f"memory_settings.{field}", f"{message}, {life.warm_below}")
        return Versioned(values=replaced, version=self.version + 1, updated_at=now)

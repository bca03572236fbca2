"""The settings of a tenant and their defaults. A new one is a field here and one in the contract,
of the same name. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

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

    UNSPECIFIED = "unspecified"  # told of memories that are created one by one
    OFF = "off"
    REPORT = "report"
    MERGE = "merge"


class TenantSettings(BaseModel, frozen=True, extra="ignore"):
    """What a tenant may set."""

    default_search_strategy: DefaultStrategy = DefaultStrategy.UNSPECIFIED
    semantic_cache: bool | None = None  # None: as the server is configured
    semantic_cache_error_bound: float | None = None  # likewise
    index_dimensions: int = 0  # of the vectors that are searched; 0: whole ones
    near_duplicates: NearDuplicates = NearDuplicates.UNSPECIFIED


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
        """
        if expected not in (0, self.version):
            raise SettingsVersionMismatch(expected, self.version)
        replaced = self.values.model_copy(update=values)
        return Versioned(values=replaced, version=self.version + 1, updated_at=now)

"""gRPC servicer of the settings: translates, nothing else."""

from typing import Any, Literal, get_args

from aeterna.memory.v1 import memory_pb2, settings_pb2_grpc
from aeterna.memory.v1 import settings_pb2 as pb
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.service.caller import caller
from libs.service.convert import asked, masked, timestamp
from libs.service.pipeline import Context
from libs.tenancy import Route
from services.memory.domain.memory import Layer
from services.memory.tenant_settings.domain import (
    NAME,
    DefaultStrategy,
    NearDuplicates,
    TenantSettings,
    Versioned,
)
from services.memory.tenant_settings.ports import IndexLength, SettingsStore

_MUTABLE = tuple(TenantSettings.model_fields)
_Optional = Literal["semantic_cache", "semantic_cache_error_bound", "warm_below", "archived_below"]
_OPTIONAL: tuple[_Optional, ...] = get_args(_Optional)
_STRATEGIES = {
    memory_pb2.SearchStrategy.Value(f"SEARCH_STRATEGY_{each.name}"): each
    for each in DefaultStrategy
}
_NEAR_DUPLICATES = {
    pb.NearDuplicatePolicy.Value(f"NEAR_DUPLICATE_POLICY_{each.name}"): each
    for each in NearDuplicates
}


class MemorySettingsServicer(settings_pb2_grpc.MemorySettingsServiceServicer):
    """`aeterna.memory.v1.MemorySettingsService` over the store."""

    def __init__(self, settings: SettingsStore, index: IndexLength, keyring: Keyring) -> None:
        self._settings, self._index, self._keyring = settings, index, keyring

    async def GetMemorySettings(
        self, request: pb.GetMemorySettingsRequest, context: Context
    ) -> pb.MemorySettings:
        route = caller().route
        return await self._message(route, await self._settings.get(route))

    async def UpdateMemorySettings(
        self, request: pb.UpdateMemorySettingsRequest, context: Context
    ) -> pb.MemorySettings:
        current, given = caller(), request.memory_settings
        if given.name != NAME:
            raise invalid("memory_settings.name", f"must be {NAME}")
        values = _values(given)
        names = masked(given, list(request.update_mask.paths), _MUTABLE)
        by = await asked(current, self._keyring, "UpdateMemorySettings", request)
        changes = {name: values[name] for name in names}
        changed = await self._settings.update(current.route, by, given.version, changes)
        return await self._message(current.route, changed)

    async def _message(self, route: Route, settings: Versioned) -> pb.MemorySettings:
        message = _message(settings)
        message.searched_dimensions = await self._index.searched(route)
        return message


def _values(message: pb.MemorySettings) -> dict[str, Any]:
    """The settings of a message by name."""
    return {
        "default_search_strategy": _STRATEGIES[message.default_search_strategy],
        "index_dimensions": message.index_dimensions,
        "near_duplicates": _NEAR_DUPLICATES[message.near_duplicates],
        "decay_rates": {Layer(layer): rate for layer, rate in message.decay_rates.items()},
        **{name: getattr(message, name) if message.HasField(name) else None for name in _OPTIONAL},
    }


def _message(settings: Versioned) -> pb.MemorySettings:
    values = settings.values
    strategy = values.default_search_strategy.name
    policy = values.near_duplicates.name
    return pb.MemorySettings(
        name=NAME,
        version=settings.version,
        change_number=settings.number,
        update_time=timestamp(settings.updated_at) if settings.updated_at else None,
        index_dimensions=settings.values.index_dimensions,
        default_search_strategy=memory_pb2.SearchStrategy.Value(f"SEARCH_STRATEGY_{strategy}"),
        semantic_cache=values.semantic_cache,
        semantic_cache_error_bound=values.semantic_cache_error_bound,
        near_duplicates=pb.NearDuplicatePolicy.Value(f"NEAR_DUPLICATE_POLICY_{policy}"),
        decay_rates={layer.value: rate for layer, rate in values.decay_rates.items()},
        warm_below=values.warm_below,
        archived_below=values.archived_below,
    )

"""Documents in use, in memory: an edit then costs no reading. What is here may be old; who writes
catches up under the tenant's lock."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from libs.tenancy import Route
from services.sync.documents.domain.document import State

_UNUSED_SECONDS = 600
_EDIT_BYTES = 600  # in memory, about

_Key = tuple[str, int, UUID]


class Recent:
    """The newest states that are known, at most so many bytes of them, as far as can be told."""

    def __init__(self, most_bytes: int, clock: Callable[[], float]) -> None:
        self._most, self._clock = most_bytes, clock
        self._kept: OrderedDict[_Key, tuple[State, float]] = OrderedDict()
        self._bytes = 0

    def get(self, route: Route, document: UUID) -> State | None:
        """What is known of a document."""
        key = _key(route, document)
        found = self._kept.pop(key, None)
        if found is None:
            return None
        self._kept[key] = found[0], self._clock()
        return found[0]

    def keep(self, route: Route, state: State) -> State:
        """Keeps a state unless a newer one, or as new a one that reaches further back, is there;
        that which is."""
        known = self.get(route, state.document.id)
        if known is not None and _worth(known) > _worth(state):
            return known
        self.forget(route, state.document.id)
        self._kept[_key(route, state.document.id)] = state, self._clock()
        self._bytes += _weight(state)
        self.shrink()
        return state

    def forget(self, route: Route, document: UUID) -> None:
        """Somebody deleted it, or it is not what it was."""
        found = self._kept.pop(_key(route, document), None)
        if found is not None:
            self._bytes -= _weight(found[0])

    async def tidy(self) -> None:
        """Drops in time what nobody uses, until cancelled."""
        while True:
            await asyncio.sleep(_UNUSED_SECONDS / 10)
            self.shrink()

    def shrink(self) -> None:
        """Drops what was not used for long, and what there is no room for."""
        while self._kept:
            key, (state, used) = next(iter(self._kept.items()))
            if self._bytes <= self._most and used > self._clock() - _UNUSED_SECONDS:
                return
            del self._kept[key]
            self._bytes -= _weight(state)


def _key(route: Route, document: UUID) -> _Key:
    """A shard that was restored has another epoch, and may have another history."""
    return route.tenant, route.epoch, document


def _worth(state: State) -> tuple[int, int, int]:
    return state.version, state.document.oldest_version, len(state.edits)


def _weight(state: State) -> int:
    held = 2 * (state.size_bytes + state.edits_size)
    return held + _EDIT_BYTES * (len(state.edits) + len(state.fields))

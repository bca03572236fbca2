"""Settings of tenants in PostgreSQL, and those in use in memory.

What is kept is trusted until a wake-up says that its tenant has changed, and asked for again now
and then, since a wake-up may be lost.
"""

import json
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from libs.changes import Asked, Change, Operation
from libs.spine import Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route, TenantId
from libs.wakeups import Wakeups, Watch
from services.memory.tenant_settings.domain import NAME, TenantSettings, Versioned
from services.memory.tenant_settings.ports import IndexLength

_KEPT = 10_000  # tenants whose settings are in memory
_SETTLED = 1.0  # seconds in which settings are not asked for again, however busy the tenant is
_TRUSTED = 30.0  # seconds after which they are, though no wake-up came
_GET = """
    SELECT settings, version, number, updated_at
    FROM aeterna.memory_settings WHERE tenant_id = $1
"""
# Only what is new is written over: another release may know more settings.
_PUT = """
    INSERT INTO aeterna.memory_settings AS s (tenant_id, settings, version, number, updated_at)
    VALUES ($1, $2::jsonb, $3, $4, $5)
    ON CONFLICT (tenant_id) DO UPDATE SET settings = s.settings || excluded.settings,
        version = excluded.version, number = excluded.number, updated_at = excluded.updated_at
"""


@dataclass(slots=True)
class _Entry:
    """The settings of one tenant, when they were read, and what rings when they may change."""

    settings: Versioned
    read_at: float
    watch: Watch
    closing: ExitStack


class PostgresSettings:
    """`SettingsStore` in PostgreSQL."""

    def __init__(self, wakeups: Wakeups, now: Callable[[], datetime], index: IndexLength) -> None:
        self._wakeups, self._now, self._index = wakeups, now, index
        self._entries: OrderedDict[TenantId, _Entry] = OrderedDict()

    async def get(self, route: Route) -> Versioned:
        entry = self._entries.get(route.tenant)
        if entry and await self._fresh(entry):
            self._entries.move_to_end(route.tenant)
            return entry.settings
        entry = entry or self._watched(route.tenant)
        read_at = monotonic()
        return self._keep(entry, _parsed(await read(route, _GET)), read_at)

    async def update(
        self, route: Route, asked: Asked, expected: int, values: dict[str, Any]
    ) -> Versioned:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is not None:
                return Versioned.model_validate(answer)
            current = _parsed(await write.conn.fetch(_GET, route.tenant))
            changed = current.changed(expected, values, self._now())
            changed = await self._save(write, asked, changed, values)
            if "index_dimensions" in values:
                await self._index.follow(write, asked.origin, changed.values.index_dimensions)
            answers.add(asked.request, changed.model_dump(mode="json"))
            answers.save(write)
        self._wakeups.publish(route.tenant)
        entry = self._entries.get(route.tenant) or self._watched(route.tenant)
        return self._keep(entry, changed, monotonic())

    async def _save(
        self, write: Write, asked: Asked, changed: Versioned, values: dict[str, Any]
    ) -> Versioned:
        number = await write.append([Change(NAME, Operation.UPDATED, asked.origin)])
        text = changed.values.model_dump_json(include=set(values))
        write.add(_PUT, text, changed.version, number, changed.updated_at)
        return changed.model_copy(update={"number": number})

    async def _fresh(self, entry: _Entry) -> bool:
        age = monotonic() - entry.read_at
        if age < _SETTLED:
            return True
        return age < _TRUSTED and self._wakeups.connected and not await entry.watch.wait(0)

    def _watched(self, tenant: TenantId) -> _Entry:
        """A new entry, which hears of changes from now on."""
        closing = ExitStack()
        watch = closing.enter_context(self._wakeups.watch(tenant))
        entry = self._entries[tenant] = _Entry(Versioned(), 0, watch, closing)
        if len(self._entries) > _KEPT:
            self._entries.popitem(last=False)[1].closing.close()
        return entry

    def _keep(self, entry: _Entry, settings: Versioned, read_at: float) -> Versioned:
        """What is newer: an answer may be overtaken by a change that was made here."""
        entry.settings = max(entry.settings, settings, key=lambda each: each.version)
        entry.read_at = read_at
        return entry.settings


def _parsed(rows: list[Any]) -> Versioned:
    if not rows:
        return Versioned()
    (row,) = rows
    values = TenantSettings.model_validate(json.loads(row["settings"]))
    return Versioned(
        values=values,
        version=row["version"],
        number=row["number"],
        updated_at=row["updated_at"],
    )

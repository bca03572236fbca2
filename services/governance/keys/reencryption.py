"""Seals every stored value anew that is not under its subject's newest key, by the batch.

Values are opened and sealed before the tenant's lock is taken; under it one is replaced only if it
is still, byte for byte, what was read, and its key was not destroyed meanwhile: neither a change
nor an erasure is undone.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.encryption import DecryptionFailed, KeyDestroyed
from libs.encryption.keyring import Keyring, Plain
from libs.encryption.registry import SealedTable
from libs.operations import Fields, Progress
from libs.tenancy import Route
from services.governance.keys import rows
from services.governance.keys.ports import Keys, Succession

KIND = "ReencryptFields"
_BATCH = 200  # rows
_COUNTS = ("rows", "values", "reencrypted", "overtaken", "unreadable", "erased")


@dataclass(frozen=True)
class Reencrypt:
    """`libs.operations.Step` of ReencryptFields."""

    keys: Keys
    keyring: Keyring
    rows_per_second: int

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        if not progress.cursor:
            self.keyring.invalidate(route.tenant)  # what is newest is read anew
            cursor = {"table": "", "after": []}
            result = dict.fromkeys(_COUNTS, 0)
            return Progress(0, await rows.count(route), cursor=cursor, result=result)
        began = time.monotonic()
        rate = parameters["rows_per_second"] or self.rows_per_second
        batch = await rows.batch(route, progress.cursor, min(_BATCH, rate))
        counts = await self._reseal(route, batch)
        await asyncio.sleep(len(batch.rows) / rate - (time.monotonic() - began))
        done = progress.done + len(batch.rows)
        return Progress(
            done,
            max(progress.total, done),
            finished=batch.next is None,
            cursor=batch.next or progress.cursor,
            result={name: progress.result[name] + counts[name] for name in _COUNTS},
        )

    async def _reseal(self, route: Route, batch: rows.Batch) -> Counter[str]:
        counts = Counter(rows=len(batch.rows), values=batch.count())
        known = await self.keys.succession(route, batch.named())
        counts["erased"] = sum(
            key is not None and key not in known for row in batch.rows for key in row.keys
        )
        old = [row.key for row in batch.rows if any(_is_old(known, key) for key in row.keys)]
        if not old:
            return counts
        read = await rows.values(route, batch.table, old)
        changed, unreadable = await self._changed(route, batch.table, read, known)
        counts["unreadable"] = unreadable
        wanted = sum(len(new) for _, new in changed)
        counts["reencrypted"] = await rows.replace(route, batch.table, changed) if changed else 0
        counts["overtaken"] = wanted - counts["reencrypted"]
        return counts

    async def _changed(
        self,
        route: Route,
        table: SealedTable,
        read: Sequence[rows.Values],
        known: Succession,
    ) -> tuple[list[rows.Replacement], int]:
        """The old values among these, sealed anew; and how many cannot be opened."""
        places = [
            (each, place)
            for each in read
            for place, blob in enumerate(each.blobs)
            if len(blob) > rows.NAME_END and _is_old(known, rows.key_of(blob))
        ]
        opened = [await self._opened(route, table, each, place) for each, place in places]
        found = [(*at, data) for at, data in zip(places, opened, strict=True) if data is not None]
        plains = [
            Plain(known[rows.key_of(each.blobs[place])][0], table.fields[place], each.row_id, data)
            for each, place, data in found
        ]
        sealed = await self.keyring.seal(route, plains)
        fresh: dict[rows.Key, tuple[rows.Values, dict[int, bytes]]] = {}
        for (each, place, _), blob in zip(found, sealed, strict=True):
            fresh.setdefault(each.key, (each, {}))[1][place] = blob
        return list(fresh.values()), len(places) - len(found)

    async def _opened(
        self, route: Route, table: SealedTable, row: rows.Values, place: int
    ) -> bytes | None:
        try:
            (data,) = await self.keyring.open(route, [row.sealed(table, place)])
        except (DecryptionFailed, KeyDestroyed):
            return None
        return data


def _is_old(known: Mapping[UUID, tuple[str, bool]], key: UUID | None) -> bool:
    return key is not None and key in known and not known[key][1]

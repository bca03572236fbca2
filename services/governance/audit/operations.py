"""What can be done with a trail beyond reading it and appending to it."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from libs.audit import CHECKPOINT, Fault, Signatures, Verdict
from libs.audit.export import (
    Extent,
    checkpoint_line,
    checkpoint_statement,
    entry_line,
    opening,
)
from libs.changes import Asked
from libs.signing import SignatureInvalid, Signer
from libs.spine.changes import LoggedChange
from libs.tenancy import Route
from services.governance.audit.errors import (
    ArchiveMismatch,
    EntriesTooYoung,
    EntryNotFound,
    EntryPruned,
    TrailBroken,
)
from services.governance.audit.ports import Checkpoint, Checkpoints, Ends, Trail, Vouchers

_PRUNED_AT_ONCE = 5000  # entries, while the tenant's writers wait
_BLOCK = 256 * 1024  # bytes of an export that go out at once


@dataclass(frozen=True)
class AuditOperations:
    """Proving, signing, copying and pruning. `retention`: how long entries are kept at least."""

    trail: Trail
    checkpoints: Checkpoints
    vouchers: Vouchers
    signer: Signer
    retention: timedelta
    now: Callable[[], datetime]

    async def verify(self, route: Route) -> tuple[Verdict, Ends]:
        """Checks the whole trail of the tenant, page by page, and what checkpoints say of it."""
        ends, signed = await self.trail.ends(route), await self._signed(route)
        verdict = _beginning(ends, signed)
        if verdict.intact:
            verdict = await self._chain(route, verdict, signed)
        if verdict.intact:
            ends = replace(await self.trail.ends(route), floor=ends.floor)
            verdict = _ended(verdict, ends, signed)
        return verdict, ends

    async def sign(self, route: Route, number: int) -> None:
        """Signs the trail as it is at `number`, when it is intact since what was signed last.

        Raises:
            TrailBroken, EntryNotFound: It is not, or there is no such entry.
        """
        known = await self.checkpoints.all(route.tenant)
        ends = await self.trail.ends(route)
        start = Verdict(ends.floor_hash, ends.floor)
        if known and known[-1].number > ends.floor:
            start = Verdict(known[-1].hash, known[-1].number)
        verdict = await self._chain(route, start, {}, until=number)
        if verdict.intact and verdict.checked < number:
            verdict = verdict.broken(verdict.checked + 1, Fault.TRUNCATED)
        if not verdict.intact:
            raise TrailBroken(verdict)
        await self._sign(route, number, verdict.head)

    async def export(self, route: Route, since: int, until: int) -> AsyncGenerator[bytes, None]:
        """The lines of a copy of the entries after `since` up to `until`, 0 for the newest.

        Raises:
            EntryPruned, EntryNotFound: The trail does not hold them.
        """
        extent = await self._extent(route, since, until)
        signed = {each.number: each for each in await self.checkpoints.all(route.tenant)}
        block = opening(extent, self.signer, await self.checkpoints.keys(), self.now())
        async for entries in self.trail.since(route, extent.since):
            lines = b"".join(_lines(entries, extent.until, signed))
            block += lines
            if len(block) >= _BLOCK:
                yield block
                block = b""
            if entries[-1].number >= extent.until:
                break
        yield block

    async def prune(self, route: Route, asked: Asked, until: int, digest: bytes) -> int:
        """Prunes entries up to `until`, whose hash, taken from an archive, is `digest`; the number
        of the last entry that is gone.

        Raises:
            EntryNotFound, ArchiveMismatch, EntriesTooYoung, TrailBroken: Nothing was pruned.
        """
        ends = await self.trail.ends(route)
        if until > ends.floor:
            entry = await self._entry(route, until)
            if entry.hash != digest:
                raise ArchiveMismatch(until)
            keep_until = entry.committed_at + self.retention
            if keep_until > self.now():
                raise EntriesTooYoung(until, keep_until)
            verdict, _ = await self.verify(route)
            if not verdict.intact:
                raise TrailBroken(verdict)
            await self._sign(route, until, digest)
            await self._prune_steps(route, ends.floor, until)
        return await self.trail.pruned(route, asked, until)

    async def _prune_steps(self, route: Route, floor: int, until: int) -> None:
        """All but the last step, each short; wherever this ends, what is gone was signed."""
        for step in range(floor + _PRUNED_AT_ONCE, until, _PRUNED_AT_ONCE):
            await self._sign(route, step, (await self._entry(route, step)).hash)
            await self.trail.prune(route, step)

    async def _chain(
        self,
        route: Route,
        verdict: Verdict,
        signed: Signatures,
        until: int | None = None,
    ) -> Verdict:
        vouched = await self.vouchers.voucher(route.tenant)
        async for entries in self.trail.since(route, verdict.checked):
            wanted = [each for each in entries if until is None or each.number <= until]
            verdict = verdict.after(wanted, signed, vouched)
            if not verdict.intact or len(wanted) < len(entries):
                break
        return verdict

    async def _signed(self, route: Route) -> Signatures:
        """What was signed, by number; None where the signature is not valid."""
        keys = {**await self.checkpoints.keys(), self.signer.key_id: self.signer.public_key}
        known = await self.checkpoints.all(route.tenant)
        return {each.number: _stated(each, route, keys) for each in known}

    async def _sign(self, route: Route, number: int, digest: bytes) -> None:
        statement = checkpoint_statement(route.tenant, number, digest, self.now())
        signed = self.signer.sign(CHECKPOINT, statement)
        await self.checkpoints.add(route.tenant, number, digest, signed)

    async def _entry(self, route: Route, number: int) -> LoggedChange:
        for entry in await self.trail.page(route, (), number - 1, 1):
            if entry.number == number:
                return entry
        raise EntryNotFound(number)

    async def _extent(self, route: Route, since: int, until: int) -> Extent:
        ends = await self.trail.ends(route)
        if since and since < ends.floor:
            raise EntryPruned(since, ends.floor)
        since, until = since or ends.floor, until or ends.newest
        if until < since:
            raise EntryNotFound(since)
        before = await self._hash(route, ends, since)
        return Extent(route.tenant, since, before, until, await self._hash(route, ends, until))

    async def _hash(self, route: Route, ends: Ends, number: int) -> bytes:
        if number == ends.floor:
            return ends.floor_hash
        return (await self._entry(route, number)).hash


def _beginning(ends: Ends, signed: Signatures) -> Verdict:
    """What is known before the first entry. Where entries were pruned a signature says what the
    last one of them was; without it nobody knows what is gone."""
    verdict = Verdict(ends.floor_hash, ends.floor)
    if not ends.floor:
        return verdict
    if signed.get(ends.floor) != ends.floor_hash:
        return Verdict(ends.floor_hash).broken(1, Fault.UNSIGNED)
    return replace(verdict, proved=ends.floor)


def _ended(verdict: Verdict, ends: Ends, signed: Signatures) -> Verdict:
    """A tail that was removed with its numbers is known by what was signed."""
    return verdict.ending(max(ends.given, *signed, 0), ends.newest)


def _stated(checkpoint: Checkpoint, route: Route, keys: Mapping[str, bytes]) -> bytes | None:
    try:
        public_key = keys.get(checkpoint.signed.key_id, b"")
        stated = checkpoint.signed.verify(public_key, CHECKPOINT)
        if (stated["tenant"], stated["number"]) == (route.tenant, checkpoint.number):
            return bytes.fromhex(stated["hash"])
    except (SignatureInvalid, KeyError, TypeError, ValueError):
        pass
    return None


def _lines(
    entries: Sequence[LoggedChange], until: int, signed: Mapping[int, Checkpoint]
) -> list[bytes]:
    lines = []
    for entry in entries:
        if entry.number <= until:
            lines.append(entry_line(entry))
            if entry.number in signed:
                lines.append(checkpoint_line(signed[entry.number].signed))
    return lines

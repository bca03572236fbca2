"""A copy of an audit trail as a file that proves itself: written by governance, checked anywhere.

Lines of JSON: first what the file holds, signed; then the public keys, the entries in order, and
each signed checkpoint after its entry. Nothing can be taken off the end, because the signed first
line says where the end is. Pure.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from libs.audit import CHECKPOINT, Fault, Verdict
from libs.audit.amendments import voucher
from libs.errors import AppError, Kind
from libs.signing import PUBLIC_KEY_BYTES, SignatureInvalid, Signed, Signer, key_id
from libs.spine.changes import LoggedChange

FORMAT = "aeterna.audit-export.v1"  # of the file, and purpose of its signature


class NotAnExport(AppError):
    """The file is not a copy of an audit trail, or its beginning is damaged."""

    kind, reason = Kind.INVALID, "NOT_AN_AUDIT_EXPORT"

    def __init__(self) -> None:
        super().__init__("This is not a copy of an audit trail, or its first lines are damaged.")


@dataclass(frozen=True, slots=True)
class Extent:
    """Which part of a tenant's trail is copied: entries after `since`, whose hash is
    `since_hash`, up to `until`, whose hash is `until_hash`."""

    tenant: str
    since: int
    since_hash: bytes
    until: int
    until_hash: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file proves: `key_id` signed it."""

    extent: Extent
    verdict: Verdict
    key_id: str
    checkpoints: int


def opening(extent: Extent, signer: Signer, keys: Mapping[str, bytes], now: datetime) -> bytes:
    """The first lines: the extent, signed at `now`, and every public key by its id."""
    statement = {
        **asdict(extent),
        "since_hash": extent.since_hash.hex(),
        "until_hash": extent.until_hash.hex(),
        "time": now.isoformat(),
    }
    signed = signer.sign(FORMAT, statement).to_json()
    lines = [_line("export", format=FORMAT, **signed)]
    for name, key in keys.items():
        lines.append(_line("key", key_id=name, public_key=base64.b64encode(key).decode()))
    return b"".join(lines)


def entry_line(entry: LoggedChange) -> bytes:
    """One entry, with all that its hash covers."""
    values = {name: getattr(entry, name) for name in _TEXTS}
    return _line(
        "entry",
        number=entry.number,
        **values,
        committed_at=entry.committed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        details=dict(entry.details),
        hash=entry.hash.hex(),
        amendment=base64.b64encode(entry.amendment).decode() if entry.amendment else None,
    )


def checkpoint_line(signed: Signed) -> bytes:
    """A signed checkpoint."""
    return _line("checkpoint", **signed.to_json())


def checkpoint_statement(tenant: str, number: int, digest: bytes, now: datetime) -> dict[str, Any]:
    """What a checkpoint signs, with purpose CHECKPOINT."""
    return {"tenant": tenant, "number": number, "hash": digest.hex(), "time": now.isoformat()}


def check(lines: Iterable[bytes], trusted: Sequence[bytes] = ()) -> Checked:
    """Whether a file is as it was written, and which entry is the first that is not.

    Args:
        trusted: The public keys (32 bytes each) that signatures have to be of. None: any that
            the file itself names, which proves that it was not damaged, not who made it.

    Raises:
        NotAnExport: It does not begin like one, or its first line was not signed so.
    """
    return _Reader(trusted).read(_parsed(lines))


def entry_hash(lines: Iterable[bytes], number: int) -> bytes | None:
    """The hash of one entry of a file that was checked before; None where it has none."""
    for line in _parsed(lines):
        if line.get("kind") == "entry" and line.get("number") == number:
            return bytes.fromhex(line["hash"])
    return None


class _Reader:
    """Checks line after line."""

    def __init__(self, trusted: Sequence[bytes]) -> None:
        self._keys = {key_id(each): each for each in trusted}
        self._pinned = bool(trusted)
        self._checkpoints = 0

    def read(self, lines: Iterator[dict[str, Any]]) -> Checked:
        first = next(lines, {})
        rest = self._after_keys(lines)
        extent, signer = self._extent(first)
        self._vouched = voucher(extent.tenant, self._keys.values())
        verdict = Verdict(extent.since_hash, extent.since)
        for line in rest:
            verdict = self._after(verdict, line, extent)
            if not verdict.intact:
                break
        if verdict.intact:
            verdict = _ended(verdict, extent)
        return Checked(extent, verdict, signer, self._checkpoints)

    def _after_keys(self, lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Learns the keys, which stand before everything else; gives the rest."""
        for line in lines:
            if line.get("kind") != "key":
                return _chained(line, lines)
            if not self._pinned:
                self._learn(line)
        return iter(())

    def _learn(self, line: dict[str, Any]) -> None:
        try:
            key = base64.b64decode(line["public_key"], validate=True)
        except (KeyError, TypeError, ValueError) as exc:
            raise NotAnExport from exc
        if len(key) != PUBLIC_KEY_BYTES:
            raise NotAnExport
        self._keys[key_id(key)] = key

    def _extent(self, line: dict[str, Any]) -> tuple[Extent, str]:
        try:
            signed = Signed.from_json(line)
            stated = self._stated(signed, FORMAT)
            return Extent(
                stated["tenant"],
                stated["since"],
                bytes.fromhex(stated["since_hash"]),
                stated["until"],
                bytes.fromhex(stated["until_hash"]),
            ), signed.key_id
        except (SignatureInvalid, KeyError, TypeError, ValueError) as exc:
            raise NotAnExport from exc

    def _stated(self, signed: Signed, purpose: str) -> Any:
        return signed.verify(self._keys.get(signed.key_id, b""), purpose)

    def _after(self, verdict: Verdict, line: dict[str, Any], extent: Extent) -> Verdict:
        if line.get("kind") == "checkpoint":
            return self._confirmed(verdict, line, extent)
        if verdict.checked >= extent.until:
            return verdict.broken(verdict.checked + 1, Fault.ADDED)
        entry = _entry(line)
        if entry is None:
            return verdict.broken(verdict.checked + 1, Fault.ALTERED)
        return verdict.after([entry], vouched=self._vouched)

    def _confirmed(self, verdict: Verdict, line: dict[str, Any], extent: Extent) -> Verdict:
        """A checkpoint of a key that is not trusted here says nothing; a false one is a fault."""
        try:
            signed = Signed.from_json(line)
            if self._pinned and signed.key_id not in self._keys:
                return verdict
            stated = self._stated(signed, CHECKPOINT)
            about = (stated["tenant"], stated["number"])
            digest = bytes.fromhex(stated["hash"])
        except (SignatureInvalid, KeyError, TypeError, ValueError):
            return verdict.broken(max(verdict.proved, extent.since) + 1, Fault.UNSIGNED)
        self._checkpoints += 1
        if about != (extent.tenant, verdict.checked):
            return verdict.broken(verdict.checked + 1, Fault.MISSING)
        return replace(verdict, proved=max(verdict.proved, extent.since)).confirmed(digest)


def _ended(verdict: Verdict, extent: Extent) -> Verdict:
    if verdict.checked < extent.until:
        return verdict.broken(verdict.checked + 1, Fault.TRUNCATED)
    return replace(verdict, proved=max(verdict.proved, extent.since)).confirmed(extent.until_hash)


def _parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Each line as an object; an empty one where it is something else."""
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        yield value if isinstance(value, dict) else {}


def _chained(first: dict[str, Any], rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield first
    yield from rest


_TEXTS = (
    "resource",
    "operation",
    "actor",
    "subject",
    "layer",
    "trace_id",
    "request_id",
    "event",
)


def _entry(line: dict[str, Any]) -> LoggedChange | None:
    """The entry of a line; None where it cannot be one."""
    try:
        texts = {name: line[name] for name in _TEXTS}
        details = line["details"]
        "".join([*texts.values(), *details.keys(), *details.values()]).encode()  # texts, or raises
        return LoggedChange(
            number=int(line["number"]),
            committed_at=datetime.fromisoformat(line["committed_at"]).astimezone(UTC),
            hash=bytes.fromhex(line["hash"]),
            details=details,
            amendment=_amendment(line.get("amendment")),
            **texts,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _amendment(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def _line(kind: str, **values: Any) -> bytes:
    return json.dumps({"kind": kind, **values}, ensure_ascii=False).encode() + b"\n"

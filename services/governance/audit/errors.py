"""What the audit trail refuses, and why."""

from datetime import datetime

from libs.audit import Verdict
from libs.errors import AppError, Kind


class EntryPruned(AppError):
    """A part of the trail was asked for that is in archives only."""

    kind, reason = Kind.PRECONDITION, "ENTRIES_PRUNED"

    def __init__(self, since: int, floor: int) -> None:
        super().__init__(
            f"Entries up to {floor} were pruned: they are in the archives that were made before.",
            since=str(since),
            floor=str(floor),
        )


class EntryNotFound(AppError):
    """The trail has no entry with this number."""

    kind, reason = Kind.NOT_FOUND, "AUDIT_ENTRY_NOT_FOUND"

    def __init__(self, number: int) -> None:
        super().__init__(f"The trail has no entry {number}.", number=str(number))


class ArchiveMismatch(AppError):
    """The hash is not that of the entry: the archive is of another trail, or altered."""

    kind, reason = Kind.PRECONDITION, "ARCHIVE_MISMATCH"

    def __init__(self, number: int) -> None:
        super().__init__(f"The hash is not that of entry {number}.", number=str(number))


class EntriesTooYoung(AppError):
    """Entries are kept for a while, archived or not."""

    kind, reason = Kind.PRECONDITION, "ENTRIES_TOO_YOUNG"

    def __init__(self, number: int, until: datetime) -> None:
        super().__init__(
            f"Entry {number} has to be kept until {until.isoformat(timespec='seconds')}.",
            number=str(number),
            until=until.isoformat(timespec="seconds"),
        )


class TrailBroken(AppError):
    """What is not intact is evidence: it is neither signed nor pruned."""

    kind, reason = Kind.PRECONDITION, "AUDIT_TRAIL_BROKEN"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(
            f"Entry {verdict.broken_at} of the trail is {verdict.fault}.",
            number=str(verdict.broken_at),
            fault=str(verdict.fault),
        )

"""What goes into an audit trail beside changes, and when it is to be signed. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened without changing a resource of ours."""

    name: str  # lower-case words joined by dots
    resource: str  # what it is about; free text, "" for nothing
    subject: str  # whom it is about; "" for nobody


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """A trail is signed once it has grown by so many entries, or by any a while after the last."""

    entries: int
    after: timedelta

    def is_due(self, length: int, signed: int, signed_at: datetime | None, now: datetime) -> bool:
        """Whether a trail of `length` entries, signed up to `signed` at `signed_at`, is due."""
        if length <= signed:
            return False
        return signed_at is None or length - signed >= self.entries or now - signed_at >= self.after

"""What sessions stand on, shared by all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from libs.service.admission import Admission
from libs.service.checking import Checker
from services.sync.live.means import Means
from services.sync.live.operations import Hub
from services.sync.live.ports import Documents, PresenceRooms
from services.sync.live.settings import LiveSettings


@dataclass(frozen=True, slots=True)
class Parts:
    """`now` is the time of day, by which tokens expire."""

    hub: Hub
    means: Means
    admission: Admission
    checker: Checker
    now: Callable[[], datetime]

    @property
    def settings(self) -> LiveSettings:
        """Of live connections."""
        return self.means.settings

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds that only grow."""
        return self.means.clock

    @property
    def presence(self) -> PresenceRooms | None:
        """Who is where, if that is told here."""
        return self.means.presence

    @property
    def documents(self) -> Documents | None:
        """Documents, if they are kept here."""
        return self.means.documents

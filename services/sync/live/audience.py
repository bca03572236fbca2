"""Those who hear of the same changes: one decision serves them all. Pure."""

from collections.abc import Hashable
from typing import NamedTuple

from libs.authorization.asking import Decision
from libs.authorization.engine import Asker, Bounded
from services.sync.domain.sight import Change, reading

_NOBODY = "\0"  # no person has this id
_KEPT = 256  # people whose own view of what is about them is kept


class Shown(NamedTuple):
    """Who of an audience hears of a change: the person that it is about, "" for nobody, and the
    others."""

    others: bool
    person: str
    own: bool


class Audience:
    """People of equal rights. What they hear of differs in nothing but in what is about one of
    them.

    Attributes:
        rights: Those, to be compared.
        connections: How many of its people are connected, by whoever counts.
    """

    __slots__ = ("_last", "_other", "_own", "_tenant", "connections", "rights")

    def __init__(self, tenant: str, asker: Asker) -> None:
        self._tenant, self.rights, self.connections = tenant, asker.rights, 0
        # Where policies tell people apart an audience is one person, or what acts for one.
        self._other = asker if asker.tells_people_apart else asker.instead(_NOBODY)
        self._own = Bounded[str, Asker](_KEPT)
        self._last: tuple[Change | None, Shown] = None, Shown(False, "", False)

    def admits(self, action: str) -> Decision:
        """Whether there is anything that its people may do this to: asked once for all."""
        return self._other.admits(action)

    def shown(self, change: Change) -> Shown:
        """Who hears of a change; of one in several rooms it is decided once."""
        if self._last[0] is not change:
            self._last = change, self._decided(change)
        return self._last[1]

    def _decided(self, change: Change) -> Shown:
        others = _sees(self._other, change, self._tenant)
        if not change.subject:
            return Shown(others, "", others)
        own = self._own.get(change.subject, lambda: self._other.instead(change.subject))
        return Shown(others, change.subject, _sees(own, change, self._tenant))

    def shows(self, change: Change, person: str) -> bool:
        """Whether a person of the audience hears of a change."""
        shown = self.shown(change)
        return shown.own if person == shown.person else shown.others


class Audiences:
    """Those of one tenant that somebody is in."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant
        self._by_rights: dict[Hashable, Audience] = {}

    def of(self, asker: Asker) -> Audience:
        """The one that has these rights; not kept before somebody joins it."""
        return self._by_rights.get(asker.rights) or Audience(self._tenant, asker)

    def join(self, audience: Audience) -> None:
        """One more of it."""
        self._by_rights[audience.rights] = audience
        audience.connections += 1

    def leave(self, audience: Audience | None) -> None:
        """One less of it."""
        if audience is not None:
            audience.connections -= 1
            if not audience.connections:
                self._by_rights.pop(audience.rights, None)


def _sees(asker: Asker, change: Change, tenant: str) -> bool:
    action, thing = reading(change, tenant, asker.principal.person)
    return asker.decide(action, thing).allowed

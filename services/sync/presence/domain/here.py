"""A room as one replica knows it: its own members, those of the others as far as it has read them,
and what is still to be written and told. Pure; times are in seconds of any steady clock."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from heapq import nsmallest
from itertools import chain, islice

from services.sync.presence.domain.activity import Activity, Patience
from services.sync.presence.domain.members import (
    NOBODY,
    Counts,
    Cursor,
    Member,
    Placed,
    State,
    is_large,
)
from services.sync.presence.domain.telling import Telling, Update

_SHOWN, _SHOWN_OF_MANY = 1000, 50  # members that somebody who enters is shown


class Here:
    """A room with connections at this replica.

    Attributes:
        version: Of what this replica wrote last, 0 for none. `anew`: the store has something else.
        position: Of the room's log, as far as it was read. `read_after`: when to read on.
        hinted: Whether there is more in the log. `listed`: whether all the others are known; of a
            large room they never are.
        unsure_until: Until then somebody who is not there may only not be there again yet.
    """

    def __init__(self) -> None:
        self.version, self.anew = 0, False
        self.position, self.hinted, self.listed = "", True, False
        self.read_after = self.unsure_until = float("-inf")
        self.counts = NOBODY
        self._own: dict[str, Member] = {}
        self._people: Counter[str] = Counter()
        self._asleep: dict[str, Member] = {}  # connections that gave no sign for too long
        self._activity: dict[str, Activity] = {}
        self._others: dict[str, Placed] = {}
        self._unwritten: dict[str, None] = {}  # connections, in the order of their changes
        self._telling = Telling()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is here, and everybody knows."""
        return not self._activity and not self._unwritten

    @property
    def unwritten(self) -> bool:
        """Whether there is something to write."""
        return bool(self._unwritten) or self.anew

    @property
    def is_large(self) -> bool:
        return is_large(self.known)

    @property
    def known(self) -> Counts:
        """How many are in the room, those included who were not written yet; at least."""
        connections = max(self.counts.connections, len(self._own))
        return Counts(connections, max(self.counts.people, len(self._people)))

    @property
    def alone(self) -> Counts:
        """How many are here."""
        return Counts(len(self._own), len(self._people))

    def join(self, member: Member, now: float, patience: Patience) -> float:
        """Adds a connection; one that is here already begins anew. When to let it `age`."""
        self.leave(member.connection)
        activity = self._activity[member.connection] = Activity(now, now)
        activity.due = activity.turns(now, patience)
        self._add(member)
        return activity.due

    def leave(self, connection: str) -> None:
        """Removes a connection, if it is here."""
        self._activity.pop(connection, None)
        self._asleep.pop(connection, None)
        self._remove(connection)

    def has(self, connection: str) -> bool:
        return connection in self._activity

    def do(
        self,
        connection: str,
        state: State,
        cursor: Cursor | None,
        now: float,
        patience: Patience,
    ) -> float | None:
        """What somebody who is here does. When to let them `age`, if that is earlier by it."""
        activity = self._activity[connection]
        activity.away = state is State.IDLE
        activity.active = activity.active if activity.away else now
        self.hear(connection, now)
        self._change(replace(self._own[connection], state=state, cursor=cursor))
        turns = activity.turns(now, patience)
        if turns >= activity.due:
            return None
        activity.due = turns
        return turns

    def hear(self, connection: str, now: float) -> bool:
        """A sign of life; whether somebody who was offline for lack of one is back by it."""
        self._activity[connection].heard = now
        member = self._asleep.pop(connection, None)
        if member:
            self._add(member)
        return member is not None

    def age(self, connection: str, due: float, now: float, patience: Patience) -> float | None:
        """Lets time do what it does to a connection: when to look again. None when it is not here,
        or it is looked at another time than this one."""
        activity = self._activity.get(connection)
        if activity is None or activity.due != due:
            return None
        state = activity.state(now, patience)
        member = self._own.get(connection)
        if member and state is State.OFFLINE:
            self._asleep[connection] = replace(member, state=State.IDLE)
            self._remove(connection)
        elif member and member.state is not state:
            self._change(replace(member, state=state))
        asleep = state is State.OFFLINE
        activity.due = now + patience.idle if asleep else activity.turns(now, patience)
        return activity.due

    def everyone(self) -> Sequence[Member]:
        """Whom somebody who enters is shown, in the order of their connections; of a large room
        some."""
        members = chain(self._own.values(), (each.member for each in self._others.values()))
        if self.is_large:
            return list(islice(members, _SHOWN_OF_MANY))
        return nsmallest(_SHOWN, members, key=lambda each: each.connection)

    def after(self, connection: str, limit: int) -> Sequence[Member]:
        """Those of this replica alone, in the order of their connections, after one of them."""
        later = (each for each in self._own.values() if each.connection > connection)
        return nsmallest(limit, later, key=lambda each: each.connection)

    def take_unwritten(self) -> tuple[Sequence[Member], Sequence[str]]:
        """What is to be written: members as they are, and connections that went."""
        taken, self._unwritten = self._unwritten, {}
        present = [self._own[each] for each in taken if each in self._own]
        return present, [each for each in taken if each not in self._own]

    def put_back(self, connections: Iterable[str]) -> None:
        """What was taken could not be written."""
        self._unwritten = dict.fromkeys(connections) | self._unwritten

    def rewrite(self, held: Set[str]) -> None:
        """Everybody is to be written, and everybody removed whom the store has beside."""
        self._unwritten = dict.fromkeys(chain(self._own, held)) | self._unwritten

    def follow(self, changes: Sequence[Placed], replica: str) -> None:
        """What the log says that others did."""
        for change in changes:
            if change.replica != replica:
                self._follow(change)

    def see(self, others: Mapping[str, Placed], *, complete: bool) -> None:
        """Who is at other replicas; who is not there is gone, if that is known to be `complete`."""
        gone = self._others.keys() - others.keys() if complete else ()
        for connection in tuple(gone):
            placed = self._others[connection]
            self._follow(placed._replace(member=replace(placed.member, state=State.OFFLINE)))
        for change in others.values():
            if self._others.get(change.member.connection) != change:
                self._follow(change)
        self.listed = complete

    def forget_others(self) -> None:
        """There are too many to know them."""
        self._others, self.listed = {}, False

    def update(self, now: float, counts: Counts, partial: bool) -> Update | None:
        """What to tell the room now, if it is time."""
        return self._telling.take(now, counts, partial)

    def greet(self) -> None:
        """Somebody new is to hear how many there are."""
        self._telling.repeat()

    def due(self, counts: Counts, partial: bool) -> float | None:
        """When to tell the room something, if there is something."""
        return self._telling.due(counts, partial)

    def _follow(self, change: Placed) -> None:
        connection = change.member.connection
        if change.member.state is State.OFFLINE:
            self._others.pop(connection, None)
        elif not self.is_large:
            self._others[connection] = change
        self._telling.add(change.member, self.known)

    def _add(self, member: Member) -> None:
        self._people[member.user] += 1
        self._own[member.connection] = member
        self._note(member)

    def _change(self, member: Member) -> None:
        if self._own[member.connection] != member:
            self._own[member.connection] = member
            self._note(member)

    def _remove(self, connection: str) -> None:
        member = self._own.pop(connection, None)
        if member is None:
            return
        self._people[member.user] -= 1
        if not self._people[member.user]:
            del self._people[member.user]
        self._note(replace(member, state=State.OFFLINE))

    def _note(self, member: Member) -> None:
        self._unwritten[member.connection] = None
        self._telling.add(member, self.known)

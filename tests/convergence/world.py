"""Writers, replicas and the network between them, where everything that can go wrong does.

One seed makes one episode: what happens in it, and in which order, is the same each time.
"""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from libs.ot import Operation, apply
from libs.ot.diff import diff
from libs.ot.shared import SharedText
from libs.ot.undo import Origin
from tests.convergence.server import Asked, Edits, Replica, Store, Told
from tests.convergence.texts import Typing
from tests.convergence.writer import Send, Writer

_LOST, _DOUBLED = 0.05, 0.05  # shares of messages
_SETTLING = 100  # rounds without faults, at most, until all have come to rest


@dataclass(frozen=True, slots=True)
class Plan:
    """What an episode is made of, drawn from its seed."""

    writers: int
    replicas: int
    once: bool  # whether each code point is typed once, so that none can hide
    undos: bool
    retyping: bool  # texts changed without operations
    compaction: bool
    faults: bool

    @classmethod
    def drawn(cls, random: Random) -> "Plan":
        def often(share: float) -> bool:
            return random.random() < share

        return cls(
            random.randint(3, 8),
            random.choice((1, 2)),
            often(0.6),
            often(0.4),
            often(0.3),
            often(0.3),
            often(0.9),
        )


class Connection:
    """Of a writer to a replica. What is under way from the replica is lost with it."""

    __slots__ = ("is_open", "replica", "writer")

    def __init__(self, writer: Writer, replica: Replica) -> None:
        self.writer, self.replica, self.is_open = writer, replica, True


class Message(NamedTuple):
    """Under way: to the replica if it asks, to the writer if it tells."""

    connection: Connection
    asked: Asked | None
    told: Told | None


class Witness:
    """Sees what writers do and what they are told."""

    def typed(self, writer: Writer, operation: Operation, before: str) -> None:
        """The writer did something to the text `before`."""

    def sent(self, writer: Writer) -> None:
        """What the writer typed may have become a request."""

    def heard(self, writer: Writer, told: Told, before: SharedText) -> None:
        """The writer was told something."""


class World:
    """An episode: after `run`, the store and all writers are at rest."""

    def __init__(self, seed: int, operations: int, plan: Plan | None = None) -> None:
        self.random = Random(seed)
        self.plan = plan or Plan.drawn(self.random)
        self.typing = Typing(self.random, once=self.plan.once)
        self.store = Store.holding("".join(self.typing.text() for _ in range(8)))
        self.writers = [Writer(each, 0, self.store.text) for each in range(self.plan.writers)]
        self.witnesses: list[Witness] = []
        self._left = operations
        self._faults = self.plan.faults
        self._replicas = [Replica(self.store) for _ in range(self.plan.replicas)]
        self._connections: dict[int, Connection] = {}
        self._network: list[Message] = []

    def run(self) -> None:
        """Everything that happens."""
        for writer in self.writers:
            self._connect(writer)
        while self._left:
            self._happen()
        self._faults = False
        for _ in range(_SETTLING):
            if self._is_at_rest():
                return
            self._settle()
        raise AssertionError("the writers do not come to rest")

    def _happen(self) -> None:
        writer, what = self.random.choice(self.writers), self.random.random()
        if len(self._network) > 6 * len(self.writers):
            self._deliver()
        elif what < 0.07:
            self._type(writer)
        elif what < 0.18:
            self._send(writer)
        elif what < 0.21:
            self._rarely(writer)
        elif what < 0.24:
            self._take_back(writer)
        elif what < 0.34:
            self._commit(self.random.choice(self._replicas))
        else:
            self._deliver()

    def _type(self, writer: Writer) -> None:
        before = writer.shared.text
        operation = self.typing.operation(len(before))
        if self.plan.retyping and self.random.random() < 0.2:
            operation = diff(before, apply(before, operation))
        writer.type(operation)
        self._left -= 1
        for witness in self.witnesses:
            witness.typed(writer, operation, before)

    def _send(self, writer: Writer) -> None:
        writer.send(self._sender(writer))
        for witness in self.witnesses:
            witness.sent(writer)

    def _take_back(self, writer: Writer) -> None:
        if self.plan.undos:
            origin = self.random.choice((Origin.UNDO, Origin.UNDO, Origin.REDO))
            writer.take_back(origin, self._sender(writer))

    def _rarely(self, writer: Writer) -> None:
        random, send, what = self.random, self._sender(writer), self.random.random()
        if what < 0.3:
            writer.ask_again(send)
        elif what < 0.7 or not self._faults:
            writer.ask_missed(send)
        elif what < 0.93:
            self._come_or_go(writer)
        elif what < 0.97:
            self._kill(random.randrange(len(self._replicas)))
        elif self.plan.compaction:
            self.store.compact(random.choice((5, 20, 60)))

    def _come_or_go(self, writer: Writer) -> None:
        connection = self._connections.pop(writer.number, None)
        if connection:
            connection.is_open = False
        else:
            self._connect(writer)

    def _kill(self, number: int) -> None:
        """Another process takes the place of the replica; its clients find out and come back."""
        killed, self._replicas[number] = self._replicas[number], Replica(self.store)
        killed.is_running = False
        for connection in list(self._connections.values()):
            if connection.replica is killed:
                connection.is_open = False
                del self._connections[connection.writer.number]

    def _connect(self, writer: Writer) -> None:
        connection = Connection(writer, self.random.choice(self._replicas))
        self._connections[writer.number] = connection
        writer.ask_missed(self._sender(writer))

    def _sender(self, writer: Writer) -> Send:
        connection = self._connections.get(writer.number)
        if connection is None:
            return _nowhere
        return lambda asked: self._network.append(Message(connection, asked, None))

    def _commit(self, replica: Replica) -> None:
        if not replica.prepared:
            return
        author, told = replica.commit()
        connection = self._connections.get(author)
        if told and connection and connection.replica is replica:
            self._network.append(Message(connection, None, told))
        for each in self._replicas:
            if each is replica or not self._faults or self.random.random() < 0.7:
                self._tell(each)

    def _tell(self, replica: Replica) -> None:
        """All who are connected to it."""
        if news := replica.news():
            for connection in self._connections.values():
                if connection.replica is replica:
                    self._network.append(Message(connection, None, Edits(news)))

    def _deliver(self) -> None:
        """Any message, which may be lost, or come once more later."""
        network = self._network
        if not network:
            return
        place = self.random.randrange(len(network))
        network[place], network[-1] = network[-1], network[place]
        message, luck = network.pop(), self.random.random()
        if self._faults and luck < _LOST:
            return
        if self._faults and luck > 1 - _DOUBLED:
            network.append(message)
        self._arrive(*message)

    def _arrive(self, connection: Connection, asked: Asked | None, told: Told | None) -> None:
        if asked is not None:
            if connection.replica.is_running:
                answer = connection.replica.ask(connection.writer.number, asked)
                if answer is not None:
                    self._network.append(Message(connection, None, answer))
        elif told is not None and connection.is_open:
            writer = connection.writer
            before = writer.shared
            writer.hear(told, self._sender(writer))
            for witness in self.witnesses:
                witness.heard(writer, told, before)

    def _settle(self) -> None:
        for writer in self.writers:
            if writer.number not in self._connections:
                self._connect(writer)
            self._send(writer)
            writer.ask_again(self._sender(writer))
            writer.ask_missed(self._sender(writer))
        while self._network or any(replica.prepared for replica in self._replicas):
            self._deliver()
            for replica in self._replicas:
                self._commit(replica)

    def _is_at_rest(self) -> bool:
        return all(
            writer.is_settled and writer.shared.version == self.store.version
            for writer in self.writers
        )


def _nowhere(asked: Asked) -> None:
    """Where what is sent without a connection goes."""

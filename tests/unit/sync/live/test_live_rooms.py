"""Who comes, goes or stalls while a change is being sent gets it once, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from libs.auth import Role
from libs.authorization.asking import principal_of
from libs.authorization.engine import Engine
from libs.authorization.rules import TenantRules
from libs.spine.changes import LoggedChange
from services.sync.live.api.messages import Speech
from services.sync.live.audience import Audience
from services.sync.live.domain.rooms import parse_room
from services.sync.live.members import Connection, Member, State
from services.sync.live.ports import Frames
from services.sync.live.rooms import LiveRoom, Queued
from tests.unit.sync.live.fakes import NOW, TENANT, Client, identity

ENGINE = Engine()


@dataclass
class Owner:
    """`Owner` of one room."""

    position: int = 0
    frames: Frames = field(default_factory=Speech)
    held: list[Member] = field(default_factory=list)

    def too_slow(self, member: Member) -> bool:
        return member.connection.peer.waiting > 0

    def hold(self, member: Member) -> None:
        self.held.append(member)


class Hosted:
    """A room, and people who are in it."""

    def __init__(self) -> None:
        self.owner = Owner()
        self.room = LiveRoom(self.owner, parse_room("changes"))
        viewer = ENGINE.of(principal_of(identity("ann", Role.VIEWER), TenantRules(), NOW))
        self.audience = Audience(TENANT, viewer)

    def member(self, position: int, person: str = "ann", window: int = 0) -> tuple[Member, Client]:
        client = Client()
        connection = Connection(person, client, 0.0)
        connection.identity, connection.audience = identity(person, Role.VIEWER), self.audience
        member = Member(connection, self.room, position, window, presence=False)
        member.state = State.BEHIND
        return member, client

    def live(self, count: int) -> list[Client]:
        clients = []
        for _ in range(count):
            member, client = self.member(self.owner.position)
            assert self.room.admits(member)
            self.room.admit(member)
            clients.append(client)
        return clients

    def queue(self, *subjects: str) -> None:
        for subject in subjects:
            number = self.owner.position + 1
            layer = "user" if subject else "team"
            row = LoggedChange(
                number, "memories/1", "updated", "", subject, layer, "", "", "", NOW, b""
            )
            self.room.queue.append(Queued(row))
            self.owner.position = number

    def send_all(self) -> None:
        while self.room.queue:
            self.room.turn(1000)


def numbers(clients: Sequence[Client]) -> list[list[int]]:
    return [client.numbers("changes") for client in clients]


def test_who_comes_while_a_change_is_sent_gets_it_with_the_others() -> None:
    hosted = Hosted()
    clients = hosted.live(5)
    hosted.queue("", "")
    hosted.room.turn(3)
    assert sum(map(len, numbers(clients))) == 3  # in the middle of the first
    late, client = hosted.member(0)

    assert hosted.room.admits(late)
    hosted.room.admit(late)
    hosted.send_all()

    assert numbers([*clients, client]) == [[1, 2]] * 6


def test_who_comes_while_a_change_is_sent_must_be_up_to_date() -> None:
    hosted = Hosted()
    hosted.live(5)
    hosted.queue("", "")
    hosted.send_all()
    hosted.queue("")
    hosted.room.turn(3)

    assert not hosted.room.admits(hosted.member(1)[0])  # 2 is missing
    assert hosted.room.admits(hosted.member(2)[0])
    assert not hosted.room.admits(hosted.member(3)[0])  # has what is being sent


def test_who_comes_and_goes_meanwhile_gets_nothing() -> None:
    hosted = Hosted()
    clients = hosted.live(5)
    hosted.queue("", "")
    hosted.room.turn(3)
    late, client = hosted.member(0)
    hosted.room.admit(late)

    hosted.room.leave(late)
    hosted.send_all()

    assert numbers([*clients, client]) == [[1, 2]] * 5 + [[]]


def test_who_leaves_in_the_middle_of_a_change_does_not_get_it() -> None:
    hosted = Hosted()
    leaving, client = hosted.member(0)
    clients = hosted.live(4)
    hosted.room.admit(leaving)  # the last
    hosted.queue("")
    hosted.room.turn(3)

    hosted.room.leave(leaving)
    hosted.send_all()

    assert numbers([*clients, client]) == [[1]] * 4 + [[]]


def test_who_takes_nothing_falls_behind_after_what_it_was_sent() -> None:
    hosted = Hosted()
    stalled, client = hosted.member(0)
    hosted.room.admit(stalled)
    client.stalled = True
    while not hosted.owner.held:
        hosted.queue("")
        hosted.send_all()
    behind = hosted.owner.position
    hosted.queue("", "")
    hosted.send_all()

    assert hosted.owner.held == [stalled]
    assert (stalled.state, stalled.position) == (State.BEHIND, behind)
    assert client.numbers("changes") == list(range(1, behind + 1))


def test_a_full_window_falls_behind_before_what_it_could_not_take() -> None:
    hosted = Hosted()
    member, client = hosted.member(0, window=2)
    hosted.room.admit(member)
    hosted.queue("", "", "", "")
    hosted.send_all()
    assert (member.state, member.position) == (State.BEHIND, 2)
    assert client.numbers("changes") == [1, 2]

    member.acknowledge(1)
    assert not member.full
    member.acknowledge(9)
    assert member.acknowledged == 9
    assert not member.flight


def test_what_is_about_a_person_is_heard_by_that_person() -> None:
    hosted = Hosted()
    ann, of_ann = hosted.member(0, "ann")
    bob, of_bob = hosted.member(0, "bob")
    for member in (ann, bob):
        hosted.room.admit(member)

    hosted.queue("bob", "", "ann", "cid")
    hosted.send_all()

    assert numbers([of_ann, of_bob]) == [[2, 3], [1, 2]]


def test_one_frame_serves_all_and_is_made_for_nobody() -> None:
    hosted = Hosted()
    clients = hosted.live(3)
    hosted.queue("", "cid")
    hosted.send_all()

    assert len({id(client.frames[0]) for client in clients}) == 1
    assert [len(client.frames) for client in clients] == [1, 1, 1]

"""Many writers and a network that loses, doubles and reorders: all come to one text."""

from dataclasses import replace

import pytest

from libs.ot import Operation, past_all
from libs.ot.ordering import place
from libs.ot.shared import Diverged, SharedText
from tests.convergence import server
from tests.convergence.checks import played
from tests.convergence.oracle import Peer, compared
from tests.convergence.world import Plan

OPERATIONS = 200_000
EPISODE = 400  # operations
_GROUPS = 10  # tests that can run at the same time
_SEED = 20_000_000  # of the first episode
_CALM = Plan(5, 1, once=True, undos=False, retyping=False, compaction=False, faults=False)


@pytest.mark.parametrize("group", range(_GROUPS))
def test_writers_converge_and_lose_nothing(group: int) -> None:
    episodes = OPERATIONS // EPISODE // _GROUPS
    first = _SEED + group * episodes

    for seed in range(first, first + episodes):
        played(seed, EPISODE)


def test_the_same_edits_in_a_crdt_come_to_the_same() -> None:
    for seed in range(50):
        compared(seed, EPISODE)


def test_the_oracle_notices_a_lost_insert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "learn", lambda peer, update: None)
    with pytest.raises((AssertionError, ValueError)):
        compared(1, EPISODE)


def test_an_episode_is_the_same_each_time() -> None:
    one, other = (played(7, EPISODE) for _ in "ab")

    assert one.store.entries == other.store.entries


def test_a_server_with_the_other_side_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(operation: Operation, since: list[Operation], length: int) -> Operation:
        return past_all(operation, since, "left")

    monkeypatch.setattr(server, "place", wrong)
    with pytest.raises(Diverged):
        _play_some()


def test_a_server_that_passes_over_an_edit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(operation: Operation, since: list[Operation], length: int) -> Operation:
        return place(operation, since[1:], length)

    monkeypatch.setattr(server, "place", wrong)
    with pytest.raises((Diverged, ValueError)):
        _play_some()


def test_a_client_that_forgets_its_buffer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(shared: SharedText, version: int, text: str, *, taken: bool = False) -> SharedText:
        return SharedText.opened(version, text)

    monkeypatch.setattr(SharedText, "reloaded", wrong)
    with pytest.raises(AssertionError, match="inserts are lost"):
        _play_some(replace(_CALM, compaction=True, faults=True))


def test_a_request_that_is_taken_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = SharedText.reloaded

    def wrong(shared: SharedText, version: int, text: str, *, taken: bool = False) -> SharedText:
        return original(shared, version, text, taken=False)

    monkeypatch.setattr(SharedText, "reloaded", wrong)
    with pytest.raises(AssertionError, match="there twice"):
        _play_some(replace(_CALM, compaction=True, faults=True))


def _play_some(plan: Plan = _CALM) -> None:
    for seed in range(100):
        played(seed, EPISODE, plan=plan)

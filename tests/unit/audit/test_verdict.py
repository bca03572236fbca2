"""Whatever is done to a chained trail, the verdict names the first number that suffers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from libs.audit import Verdict

_GENESIS = sha256(b"acme").digest()


@dataclass(frozen=True)
class Link:
    """An entry that is nothing but its place in the chain."""

    number: int
    text: str
    hash: bytes

    def follows(self, previous: bytes) -> bool:
        return self.hash == chained(previous, self.number, self.text)


def chained(previous: bytes, number: int, text: str) -> bytes:
    return sha256(previous + f"{number} {text}".encode()).digest()


def trail(texts: Sequence[str]) -> list[Link]:
    links: list[Link] = []
    for number, text in enumerate(texts, start=1):
        previous = links[-1].hash if links else _GENESIS
        links.append(Link(number, text, chained(previous, number, text)))
    return links


def verdict_of(links: Sequence[Link], given_out: int, page: int = 3) -> Verdict:
    verdict = Verdict(_GENESIS)
    for start in range(0, len(links), page):
        verdict = verdict.after(links[start : start + page])
        if verdict.broken_at:
            return verdict
    return verdict.ending(given_out, max((link.number for link in links), default=0))


trails = st.lists(st.text(max_size=3), min_size=1, max_size=12).map(trail)


@given(trails, st.integers(1, 13))
def test_what_nobody_touched_is_intact(links: list[Link], page: int) -> None:
    assert verdict_of(links, len(links), page) == Verdict(links[-1].hash, len(links), 0)


def test_an_empty_trail_is_intact() -> None:
    assert verdict_of([], 0) == Verdict(_GENESIS, 0, 0)


@given(trails, st.data())
def test_a_removed_entry_is_missed(links: list[Link], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(links) - 1))

    verdict = verdict_of(links[:place] + links[place + 1 :], len(links))

    assert (verdict.broken_at, verdict.checked) == (place + 1, place)


@given(trails, st.data())
def test_a_removed_tail_is_missed(links: list[Link], data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(links) - 1))

    assert verdict_of(links[:kept], len(links)).broken_at == kept + 1


@given(trails, st.data())
def test_an_altered_entry_is_found(links: list[Link], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(links) - 1))
    links[place] = replace(links[place], text=links[place].text + "!")

    assert verdict_of(links, len(links)).broken_at == place + 1


@given(trails, st.data())
def test_an_altered_entry_with_a_hash_to_match_breaks_the_next(
    links: list[Link], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(links) - 1))
    previous = links[place - 1].hash if place else _GENESIS
    text = links[place].text + "!"
    links[place] = Link(place + 1, text, chained(previous, place + 1, text))

    verdict = verdict_of(links, len(links))

    # The last one has no next: a head that was kept elsewhere tells.
    assert verdict.broken_at == (place + 2 if place + 1 < len(links) else 0)


@given(trails, st.data())
def test_entries_that_changed_places_are_found(links: list[Link], data: st.DataObject) -> None:
    one, other = (data.draw(st.integers(0, len(links) - 1)) for _ in range(2))
    first, second = links[one], links[other]
    links[one] = replace(second, number=first.number)
    links[other] = replace(first, number=second.number)

    broken = verdict_of(links, len(links)).broken_at

    assert broken == (0 if one == other else min(one, other) + 1)


@given(trails, st.text(max_size=3))
def test_an_entry_that_was_added_at_the_end_is_one_too_many(links: list[Link], text: str) -> None:
    number = len(links) + 1
    forged = Link(number, text, chained(links[-1].hash, number, text))

    assert verdict_of([*links, forged], len(links)).broken_at == number

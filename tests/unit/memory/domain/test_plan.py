"""What is asked next about a question, and how lists are ranked."""

import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from services.memory.domain.plan import asks_for_list, leading, missing, parts, weighed
from services.memory.domain.pool import Candidate
from services.memory.domain.question import analysed
from tests.unit.memory.domain.test_ranking import chat, found, unlike

OTHERS = chat("Ann has parrots, too.", session="t", first=10)


@pytest.mark.parametrize(
    ("text", "listing"),
    [
        ("What kinds of pets does Ann have?", True),
        ("Which cities has Bob visited?", True),
        ("How many trips did they make?", True),
        ("Where has Ann lived?", True),
        ("What do both of them like?", True),
        ("What is Ann's name?", False),
        ("Who was at the door?", False),
        ("When did Bob move?", False),
    ],
)
def test_lists_are_told_from_single_answers(text: str, listing: bool) -> None:
    assert asks_for_list(text) is listing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "What do Ann and Bob's children play?",
            ["What do  and Bob's children play?", "What do Ann and  children play?"],
        ),
        ("Does Ann paint or sculpt birds?", ["paint Ann", "sculpt birds Ann"]),
        ("What does Ann paint?", []),
        ("Salt and pepper and oil?", []),
    ],
)
def test_a_question_is_taken_apart(text: str, expected: Sequence[str]) -> None:
    authors = ["Ann", "Bob"]

    assert parts(text, analysed(text, authors))[: len(expected)] == expected


def test_missing_is_what_no_good_result_has() -> None:
    text = "Which vet treats the parrot?"
    pool, evidence = found(text, chat("The parrot is ill.", "It eats nuts."))

    assert missing(analysed(text, pool.authors), evidence) == ["vet", "treats"]


def test_what_the_best_results_share_leads_on() -> None:
    text = "Where is the parrot?"
    turns = ("The parrot flew to Oslo.", "A parrot in Oslo, who knew?", "Lentils for dinner.")
    pool, evidence = found(text, chat(*turns))

    assert leading(analysed(text, pool.authors), pool, evidence) == ["oslo"]


def test_of_a_list_the_session_counts_less() -> None:
    text = "What kinds of parrots does Ann have?"
    pool, evidence = found(text, [*chat("Ann keeps parrots.", "Parrots are loud."), *OTHERS])

    listed = weighed(text, pool, evidence, unlike)
    single = weighed("Which parrot does Ann have?", pool, evidence, unlike)

    assert np.allclose(
        listed.parts["list_session"] * listed.parts["session"],
        -np.abs(listed.parts["list_session"] * listed.parts["session"]),
    )
    assert listed.parts["list_session"].any()
    assert not single.parts["list_session"].any()


def lone(turn: str) -> list[Candidate]:
    """A turn without neighbours."""
    return chat(turn, session=turn, first=zlib.crc32(turn.encode()))


def test_what_is_like_the_best_results_counts() -> None:
    def alike(words: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[word == "oslo", word == "lentils"] for word in words], np.float32)

    best = [f"The parrot is in Oslo, says note {number}." for number in range(5)]
    turns = (*best, "Oslo is cold.", "Lentils for dinner.")
    pool, evidence = found("Where is the parrot?", [each for turn in turns for each in lone(turn)])

    likeness = weighed("Where is the parrot?", pool, evidence, alike).signals["like_the_best"]

    contents = [item.content for item in pool.items]
    assert likeness[contents.index("Oslo is cold.")] > 0
    assert likeness[contents.index("Lentils for dinner.")] < 0

"""What speaks for a memory, and the order that it makes."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from libs.lexical.statistics import Statistics
from services.memory.domain.abstention import answerable
from services.memory.domain.pool import Candidate, Pool
from services.memory.domain.question import Kind, Question, analysed
from services.memory.domain.ranking import Evidence, Ranked, evidence, fused, ranked
from services.memory.domain.spans import Span, unit

MAY = datetime(2023, 5, 8, tzinfo=UTC)
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def identity(number: int) -> UUID:
    return UUID(int=number)


def chat(
    *turns: str, authors: Sequence[str] = (), session: str = "s", first: int = 0
) -> list[Candidate]:
    """The turns of a session, all of them at hand."""
    ids = [identity(first + place) for place in range(len(turns))]
    return [
        Candidate(
            ids[at],
            content,
            authors[at] if authors else "",
            session,
            MAY,
            ids[max(0, at - 2) : at][::-1],
            ids[at + 1 : at + 3],
        )
        for at, content in enumerate(turns)
    ]


def unlike(words: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of words that are like nothing."""
    return np.zeros((len(words), 4), np.float32)


def found(text: str, candidates: Sequence[Candidate]) -> tuple[Pool, Evidence]:
    pool = Pool(candidates)
    question = analysed(text, pool.authors, NOW.date())
    hashes = {term: place for place, term in enumerate(question.words)}
    statistics = Statistics(1000, 8.0, dict.fromkeys(hashes.values(), 10))
    return pool, evidence(question, pool, {}, statistics, hashes, unlike, NOW)


def order(text: str, candidates: Sequence[Candidate]) -> list[Ranked]:
    pool, evidence = found(text, candidates)
    return list(ranked(pool, evidence, np.zeros(pool.size)))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("When did Ann move?", {Kind.TIME}),
        ("How long did it take?", {Kind.TIME}),
        ("Who wrote it?", {Kind.NAME}),
        ("Which book does she like?", {Kind.NAME}),
        ("Where did they eat?", {Kind.PLACE}),
        ("What happened?", set()),
        ("Whenever I sing", set()),
    ],
)
def test_a_question_tells_what_it_wants(text: str, kinds: set[Kind]) -> None:
    assert analysed(text, []).kinds == kinds


def test_a_question_is_about_the_one_author_it_names() -> None:
    authors = ["Caroline", "Melanie", "Ann Lee", "bob.lee", "Will"]

    assert analysed("What does Melanie's son play?", authors).about == "Melanie"
    assert analysed("what does ann sing?", authors).about == "Ann Lee"
    assert analysed("What does Bob Lee sing?", authors).about == "bob.lee"
    assert analysed("What does Lee sing?", authors).about == ""
    assert analysed("What will he sing?", authors).about == ""
    assert analysed("Do Caroline and Melanie sing?", authors).about == ""
    assert analysed("Does anybody sing?", authors).about == ""
    assert set(analysed("What does Melanie's son play?", authors).words) == {"son", "play"}


def test_a_question_names_months_and_years() -> None:
    assert analysed("What happened in May 2023?", []).months == {5}
    assert analysed("What happened in May 2023?", []).years == {2023}
    assert analysed("What may happen in march?", []).months == {3}
    assert analysed("Room 2150, line 12019", []).years == set()


def dated(day: str) -> Span:
    return unit("day", date.fromisoformat(day))


@pytest.mark.parametrize(
    ("text", "months", "years", "spans"),
    [
        ("What did I do last month?", {4}, {2024}, []),
        ("What did I do yesterday?", {5}, {2024}, [dated("2024-05-14")]),
        ("What did I do two years ago?", set(), {2022}, []),
        ("What did I do last summer?", {6, 7, 8}, {2023}, []),
        ("What did I do in May last year?", {5}, {2023}, []),
        ("What did I do in May?", {5}, set(), []),
        ("What did I do on 2023-03-02?", {3}, {2023}, [dated("2023-03-02")]),
        ("What did I do on March 2?", {3}, set(), [dated("2024-03-02")]),
        ("What did I plan in 2021 for next year?", set(), {2021}, []),
        (
            "What did I do the day before, yesterday, as I said on 2 March 2023?",
            {3},
            {2023},
            [dated("2023-03-02"), dated("2023-03-01")],
        ),
    ],
)
def test_a_question_means_times_of_its_own_day(
    text: str, months: set[int], years: set[int], spans: list[Span]
) -> None:
    question = analysed(text, [], date(2024, 5, 15))

    assert question.months == months
    assert question.years == years
    assert set(question.days) == set(spans)


def test_without_a_day_nothing_is_relative() -> None:
    assert analysed("What did I do last month, in May?", []).months == {5}
    assert not analysed("What did I do yesterday?", []).days


@given(st.text(), st.lists(st.text(max_size=10), max_size=3))
def test_any_text_is_a_question(text: str, authors: list[str]) -> None:
    question = analysed(text, authors)

    assert isinstance(question, Question)
    assert "" not in question.words.values()


def test_neighbours_are_those_that_follow_each_other() -> None:
    turns = chat("a", "b", "c", "d")
    pool = Pool([turns[3], turns[0], turns[1], *chat("x", "y", session="t", first=10)])
    values = np.arange(1.0, 6.0)  # a, b, d of one session, then x, y

    np.testing.assert_array_equal(pool.shifted(values, 1), [0, 1, 0, 0, 4])
    np.testing.assert_array_equal(pool.shifted(values, -1), [2, 0, 0, 5, 0])
    np.testing.assert_array_equal(pool.shifted(values, 2), [0, 0, 0, 0, 0])


def test_what_is_no_turn_has_no_neighbours_and_no_form() -> None:
    facts = [Candidate(identity(at), f"I saw fact {at}?", "", "", MAY) for at in range(3)]

    pool, evidence_found = found("fact", [*facts, *chat("Did you?", "I did.", first=10)])

    alone = [at for at, item in enumerate(pool.items) if not item.session]
    for name in ("next", "answers", "asks", "has_question", "speaks_of_itself", "session"):
        assert not evidence_found.signals[name][alone].any(), name


def test_an_answer_is_ahead_of_the_same_words_elsewhere() -> None:
    turns = chat("Which paint did you choose?", "The green one.", "Well.", "The green one.")

    best = [each.id for each in order("paint choose", turns)]

    assert best.index(identity(1)) < best.index(identity(3))


def test_what_the_named_person_said_is_ahead() -> None:
    turns = chat("I paint.", "Well.", "Fine.", "I paint.", authors=["Ann", "Bob", "Ann", "Bob"])

    assert order("Does Bob paint?", turns)[0].id == identity(3)
    assert order("Does Ann paint?", turns)[0].id == identity(0)


def test_the_month_that_is_asked_about_is_ahead() -> None:
    june = Candidate(identity(1), "We went hiking.", "", "", datetime(2023, 6, 1, tzinfo=UTC))
    august = Candidate(identity(2), "We went hiking.", "", "", datetime(2023, 8, 1, tzinfo=UTC))

    assert order("Where did they hike in August?", [june, august])[0].id == august.id
    assert order("Where did they hike in June 2023?", [june, august])[0].id == june.id


def said(number: int, text: str, at: datetime) -> Candidate:
    return Candidate(identity(number), text, "", "", at)


def test_what_a_memory_says_of_its_time_is_held_against_the_question() -> None:
    ago = said(1, "I joined the choir two years ago.", datetime(2024, 3, 1, tzinfo=UTC))
    silent = said(2, "I joined the choir.", datetime(2024, 3, 1, tzinfo=UTC))
    before = said(3, "I joined the choir.", datetime(2023, 3, 1, tzinfo=UTC))
    memories = [ago, silent, before]

    assert order("Who joined the choir in 2022?", memories)[0].id == ago.id
    assert order("Who joined the choir in 2024?", memories)[0].id == silent.id
    signals = {
        each.id: {part.name: part.value for part in each.signals()}
        for each in order("in 2024?", memories)
    }
    assert [signals[each.id]["year"] for each in memories] == [0.5, 1, 0]


def test_times_in_a_question_are_relative_to_when_it_is_asked() -> None:  # the 1st of January 2024
    memories = [
        said(1, "I baked bread.", datetime(2023, 12, 31, tzinfo=UTC)),
        said(2, "I baked bread.", datetime(2023, 12, 4, tzinfo=UTC)),
        said(3, "I baked bread.", datetime(2023, 5, 4, tzinfo=UTC)),
        said(4, "I baked bread.", datetime(2022, 8, 4, tzinfo=UTC)),
        said(5, "I baked bread the day before yesterday.", datetime(2022, 6, 2, tzinfo=UTC)),
    ]

    def values(text: str, name: str) -> list[float]:
        found = {
            each.id: {part.name: part.value for part in each.signals()}
            for each in order(text, memories)
        }
        return [found[each.id][name] for each in memories]

    assert values("What did I bake last month?", "month") == [1, 1, 0, 0, 0]
    assert values("What did I bake yesterday?", "day") == [1, 0, 0, 0, 0]
    assert values("What did I bake last year?", "year") == [1, 1, 1, 0, 0]
    assert values("What did I bake on 31 May 2022?", "day") == [0, 0, 0, 0, 1]
    assert values("What did I bake in May 2022?", "month") == [0, 0, 0, 0, 1]
    assert values("What did I bake?", "month") == [0] * 5


candidates = st.lists(
    st.builds(
        Candidate,
        st.uuids(),
        st.text(max_size=40),
        st.sampled_from(["", "Ann", "Bob"]),
        st.sampled_from(["", "s", "t"]),
        st.datetimes(timezones=st.just(UTC)),
        st.lists(st.uuids(), max_size=2),
        st.lists(st.uuids(), max_size=2),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda each: each.id,
)


@given(st.text(max_size=60), candidates)
def test_every_candidate_is_ranked_once_with_what_its_score_is_made_of(
    text: str, given_candidates: list[Candidate]
) -> None:
    result = order(text, given_candidates)

    assert {each.id for each in result} == {each.id for each in given_candidates}
    assert len(result) == len(given_candidates)
    scores = [each.score for each in result]
    assert scores == sorted(scores, reverse=True)
    assert np.isfinite(scores).all()
    for each in result:
        assert sum(part.contribution for part in each.signals()) == pytest.approx(each.score)


def test_what_only_somebody_else_said_is_less_likely_an_answer() -> None:
    turns = chat(
        *("I bought a kayak.", "Nice weather.", "I sold my car.", "Good.") * 3,
        authors=["Ann", "Bob", "Bob", "Ann"] * 3,
    )

    def likely(text: str) -> float:
        pool, seen = found(text, turns)
        return answerable(analysed(text, pool.authors), pool, seen)

    assert likely("What did Ann do with the kayak?") > likely("What did Bob do with the kayak?")
    assert likely("Did Bob sell the car?") > likely("Did Ann sell the car?")


@given(st.text(max_size=60), candidates)
def test_an_answer_is_always_a_probability(text: str, some: list[Candidate]) -> None:
    pool, seen = found(text, some)

    assert 0 <= answerable(analysed(text, pool.authors), pool, seen) <= 1


def test_what_both_found_is_first_among_what_was_found() -> None:
    one, two, three = map(identity, (1, 2, 3))

    assert fused({one: 0.9, two: 0.8}, {two: 5.0, three: 4.0})[0] == two
    assert fused({}, {}) == []
    assert fused({one: 0.5}, {}) == [one]


@given(st.floats(0, 1), st.floats(0, 1))
def test_of_equal_fit_the_more_trusted_is_first(one: float, other: float) -> None:
    assume(abs(one - other) > 1e-6)
    facts = [
        Candidate(identity(at), "The fox is red.", "", "", MAY, trust=trust)
        for at, trust in enumerate((one, other))
    ]

    best, _ = order("fox", facts)

    assert best.id == identity(int(other > one))


def test_what_its_writer_chooses_does_not_make_up_for_no_trust() -> None:
    plain = Candidate(identity(0), "The fox is red.", "", "", MAY)
    loud = Candidate(
        identity(1), "The fox is red.", "", "", NOW, precedence=1, importance=1, trust=0
    )

    assert order("fox", [plain, loud])[0].id == plain.id


def test_clear_relevance_beats_trust() -> None:
    doubted = Candidate(identity(0), "The fox sleeps in the barn.", "", "", MAY, trust=0)
    others = [
        Candidate(identity(at), text, "", "", MAY)
        for at, text in enumerate(("Taxes are due.", "It rains.", "A bike.", "The sea."), start=1)
    ]

    assert order("Where does the fox sleep?", [doubted, *others])[0].id == doubted.id


def test_a_heap_of_keywords_is_not_found_by_them() -> None:
    keywords = "parrot vet illness feather beak cage seed perch mirror bell ladder swing water bowl"
    heap = f"{keywords} {keywords}"
    text = "Which vet treats the illness of the parrot?"

    first = order(text, [*chat(heap), *chat("The parrot is at the vet.", session="t", first=10)])[0]

    assert first.id == identity(10)


def test_short_lists_and_prose_are_no_heaps() -> None:
    prose = (
        "I took the parrot to the vet because it had been ill for a week and would not eat at all."
    )
    pool, _ = found("parrot", chat("Milk, eggs, flour, butter.", prose))

    assert not pool.stuffed.any()


def test_of_long_memories_the_beginning_is_read() -> None:
    long = [
        Candidate(identity(number), f"fox {number} " + "and so on " * 7000, "", "", MAY)
        for number in range(100)
    ]
    pool = Pool([*long, Candidate(identity(100), "A fox.", "", "", MAY)])

    assert sum(len(item.content) for item in pool.items) <= 200_000
    assert [item.content[:4] for item in pool.items] == ["fox "] * 100 + ["A fo"]


def test_a_long_question_is_about_its_rarest_words_that_occur() -> None:
    words = [f"word{number}" for number in range(1000)]
    question = analysed(" ".join(words), [])
    rarity = {term: float(number) for number, term in enumerate(question.words) if number < 900}

    shortened = question.shortened(rarity)

    assert list(shortened.words.values()) == words[836:900]
    assert analysed("Where is the fox?", []).shortened({}).words == {"fox": "fox"}

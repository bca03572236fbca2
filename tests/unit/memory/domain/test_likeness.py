"""Which texts say nearly the same: never such that differ in a number, a negation or a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.memory.domain.likeness import Said, alike, same

WORDS = (
    *("the", "a", "some", "green", "old", "tea", "cat", "cats", "likes", "sees", "built", "with"),
    *("really", "please", "for", "every", "always", "colour", "color", "we", "it", "is", "had"),
)
NAMES = ("Ann", "Bob", "Carla", "Oslo", "Peters", "IT", "Java")
NUMBERS = ("5", "6", "0.5", "1,000", "two", "third", "3pm")
words = st.sampled_from([*WORDS, *NAMES, *NUMBERS])
texts = st.lists(words, max_size=12).map(" ".join)
rests = st.tuples(texts, texts)
cosines = st.floats(-1, 1)


def near(one: str, other: str, cosine: float = 1.0) -> bool:
    return alike(Said.of(one), Said.of(other), cosine)


def equal(one: str, other: str) -> bool:
    return same(Said.of(one), Said.of(other))


@given(texts, texts, cosines)
def test_it_is_the_same_either_way_and_a_text_is_like_itself(
    one: str, other: str, cosine: float
) -> None:
    assert near(one, other, cosine) == near(other, one, cosine)
    assert equal(one, other) == equal(other, one)
    assert near(one, one, cosine)
    assert equal(one, one)
    assert near(one, other, cosine) or not equal(one, other)


@given(texts, texts, cosines)
def test_a_higher_cosine_takes_nothing_away(one: str, other: str, cosine: float) -> None:
    assert near(one, other, 1.0) or not near(one, other, cosine)


@given(rests, st.sampled_from(["not", "never", "no", "without"]), cosines)
def test_an_added_negation_is_never_near(
    rest: tuple[str, str], negation: str, cosine: float
) -> None:
    one, other = f"{rest[0]} tea {rest[1]}", f"{rest[0]} {negation} tea {rest[1]}"
    assert not near(one, other, cosine)
    assert not equal(one, other)


@pytest.mark.parametrize("values", [NUMBERS, NAMES, ("kg", "g", "km", "MB", "Mb")])
@given(data=st.data(), rest=rests, cosine=cosines)
def test_a_changed_number_name_or_unit_is_never_near(
    values: tuple[str, ...], data: st.DataObject, rest: tuple[str, str], cosine: float
) -> None:
    old, new = data.draw(st.permutations(values))[:2]
    before = "7 " if "kg" in values else ""
    one, other = (f"{rest[0]} {before}{each} {rest[1]}" for each in (old, new))
    assert not near(one, other, cosine)
    assert not equal(one, other)


@given(rests, st.sampled_from([*NUMBERS, *NAMES, "only", "if", "used to"]), cosines)
def test_an_added_number_name_or_condition_is_never_near(
    rest: tuple[str, str], added: str, cosine: float
) -> None:
    assert not near(f"{rest[0]} tea {rest[1]}", f"{rest[0]} {added} tea {rest[1]}", cosine)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I don't like the green tea.", "i do not like green tea"),
        ("The colour of the house is grey.", "The color of the house is gray"),
        ("Bob's cat is called Findus.", "Bobs cat is called Findus."),
    ],
)
def test_the_same_in_other_letters_and_articles(one: str, other: str) -> None:
    assert equal(one, other) == near(one, other, 0.8) == (one[:4] != "Bob'")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bob has a dog.", "Bob has dogs."),
        ("It is really cold in the cellar.", "It is cold in the cellar."),
        ("Bob keeps butterflies.", "Bob keeps rare butterflies."),
        ("The dentist comes tomorrow.", "The dentist comes tomorrow."),
    ],
)
def test_near_but_not_the_same(one: str, other: str) -> None:
    assert near(one, other)
    assert not equal(one, other)


def test_more_words_need_a_high_cosine() -> None:
    one, other = "Bob keeps butterflies.", "Bob keeps rare butterflies."
    assert (near(one, other, 0.95), near(one, other, 0.94)) == (True, False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann likes Bob.", "Bob likes Ann."),
        ("ann likes bob", "bob likes ann"),
        ("ann likes tea", "eve likes tea"),
        ("Rollbacks are allowed.", "Rollbacks are forbidden."),
        ("The parcel weighs 5.", "The parcel weighs 5 kg."),
        ("It is the largest city.", "It is the second largest city."),
        ("Ann met Peters.", "Ann met Peter."),
        ("The company is profitable.", "The company will be profitable."),
    ],
)
def test_not_near_whatever_the_cosine(one: str, other: str) -> None:
    assert not near(one, other)


def test_of_long_texts_the_very_same_are_alike() -> None:
    text = "The owl is grey. " * 40
    assert near(text, text.replace(" ", "  "))
    assert equal(text, text)
    assert not near(text, text.replace("The", "An", 1))
    assert not equal(text, text + "It is here.")

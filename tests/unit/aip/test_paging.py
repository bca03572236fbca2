import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.aip.paging import (
    MAX_ANSWER,
    MAX_TOKEN,
    Page,
    bad_token,
    decode,
    encode,
    fitting,
    page_size,
)
from libs.errors import InvalidRequest

BINDING = 'ListThings acme kind = "adr"'
bigints = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
keys = st.lists(texts | bigints, max_size=4)
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def refused_field(refusal: pytest.ExceptionInfo[InvalidRequest]) -> str:
    [violation] = refusal.value.violations
    return violation.field


def forged(body: bytes) -> str:
    """What a client could make that has read the source: the checksum is right."""
    checksum = blake2b(blake2b(BINDING.encode()).digest() + body, digest_size=8).digest()
    return urlsafe_b64encode(checksum + body).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("requested", "size"), [(0, 50), (1, 1), (999, 999), (1000, 1000), (1001, 1000), (2**31, 1000)]
)
def test_page_size_has_a_default_and_a_maximum(requested: int, size: int) -> None:
    assert page_size(requested) == size


def test_page_size_bounds_are_the_lists_own() -> None:
    assert page_size(0, default=100) == 100
    assert page_size(20, maximum=10) == 10


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        page_size(-1)
    assert refused_field(refusal) == "page_size"


def test_no_token_is_the_first_page() -> None:
    assert decode("", binding=BINDING) is None


@given(keys, st.text())
def test_a_token_gives_its_key_back(key: list[str | int], binding: str) -> None:
    token = encode(key, binding=binding)

    assert decode(token, binding=binding) == key
    assert len(token) <= MAX_TOKEN
    assert token.replace("-", "a").replace("_", "a").isalnum()


@given(keys, st.text(), st.text())
def test_a_token_is_refused_elsewhere(key: list[str | int], here: str, there: str) -> None:
    token = encode(key, binding=here)
    if here == there:
        return
    with pytest.raises(InvalidRequest) as refusal:
        decode(token, binding=there)
    assert refused_field(refusal) == "page_token"


@given(keys, st.data())
def test_a_garbled_token_is_refused(key: list[str | int], data: st.DataObject) -> None:
    token = encode(key, binding=BINDING)
    at = data.draw(st.integers(0, len(token) - 1))
    other = token[:at] + data.draw(st.text(max_size=2)) + token[at + 1 :]
    if other in (token, ""):
        return
    with pytest.raises(InvalidRequest):
        decode(other, binding=BINDING)


@given(st.text(min_size=1) | st.binary(min_size=1).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        decode(token, binding=BINDING)
    assert refused_field(refusal) == "page_token"


@given(anything.map(json.dumps))
def test_a_forged_token_yields_only_what_could_be_encoded(body: str) -> None:
    try:
        key = decode(forged(body.encode()), binding=BINDING)
    except InvalidRequest:
        return
    assert key is not None
    assert encode(key, binding=BINDING) == forged(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"7",
        b'"text"',
        b"[null]",
        b"[true]",
        b"[1.5]",
        b"[NaN]",
        b"[[]]",
        b'{"a":1}',
        b'["\\u0000"]',
        b'["\\ud800"]',
        b"[9223372036854775808]",
        b"[1, 2]",
        b"[1]\n",
        b"\xff",
        b"[" * 700,
        b"[" + b"9" * 700 + b"]",
    ],
)
def test_a_forged_body_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode(forged(body), binding=BINDING)


def test_the_forger_of_these_tests_knows_the_format() -> None:
    assert decode(forged(b'["a",1]'), binding=BINDING) == ["a", 1]


def test_a_longer_token_than_any_is_refused_unread() -> None:
    with pytest.raises(InvalidRequest):
        decode(forged(b'["' + b"a" * 800 + b'"]'), binding=BINDING)


@pytest.mark.parametrize("key", [["a" * 800], ["\0"], ["\ud800"], [2**63], [True]])
def test_what_cannot_be_a_key_is_our_own_mistake(key: list[str | int]) -> None:
    with pytest.raises(ValueError, match=r"has at most|is made of"):
        encode(key, binding=BINDING)


def test_a_token_does_not_show_what_it_is_bound_to() -> None:
    token = encode([1], binding="secret")

    assert b"secret" not in urlsafe_b64decode(token + "==")


def test_a_list_can_refuse_a_key_like_any_other_bad_token() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        decode("garbled", binding=BINDING)
    assert refusal.value.violations == bad_token().violations


@given(st.sets(st.uuids()).map(sorted), st.integers(1, 5))
def test_pages_by_id_are_the_whole_list_once(ids: list[UUID], size: int) -> None:
    read, token, pages = list[UUID](), "", 0
    while token or not pages:
        page = Page.asked(size, token, binding=BINDING)
        after = page.after_id()
        found = [each for each in ids if after is None or each > after][: page.limit]
        shown, token = page.cut(found, lambda each: each)
        read, pages = [*read, *shown], pages + 1

    assert read == ids
    assert pages == max(1, -(-len(ids) // size))


@given(st.integers(0, 12), st.integers(1, 5))
def test_pages_by_number_are_the_whole_list_once(length: int, size: int) -> None:
    read, token, pages = list[int](), "", 0
    while token or not pages:
        page = Page.asked(size, token, binding=BINDING)
        found = range(page.after_number() + 1, length + 1)[: page.limit]
        shown, token = page.cut(found, lambda number: number)
        read, pages = [*read, *shown], pages + 1

    assert read == list(range(1, length + 1))
    assert pages == max(1, -(-length // size))


@pytest.mark.parametrize("key", [[], [1, 2], ["1"], ["A" * 36], ["{" + "0" * 36 + "}"]])
def test_a_key_of_another_list_is_a_bad_token(key: list[str | int]) -> None:
    page = Page.asked(0, encode(key, binding=BINDING), binding=BINDING)

    with pytest.raises(InvalidRequest) as by_id:
        page.after_id()
    with pytest.raises(InvalidRequest) as by_number:
        page.after_number()
    assert refused_field(by_id) == refused_field(by_number) == "page_token"


@given(st.lists(st.integers(0, MAX_ANSWER + 1), max_size=8))
def test_an_answer_holds_what_fits_but_never_nothing(sizes: list[int]) -> None:
    fits = list(fitting(sizes, lambda size: size))

    assert fits == sizes[: len(fits)]
    assert len(fits) <= 1 or sum(fits) <= MAX_ANSWER
    assert fits or not sizes
    assert fits == sizes or sum(sizes[: len(fits) + 1]) > MAX_ANSWER


def test_a_page_that_would_be_too_large_ends_early() -> None:
    page = Page.asked(10, "", binding=BINDING)

    shown, token = page.cut(range(1, 6), lambda number: number, lambda _: MAX_ANSWER // 2)

    assert list(shown) == [1, 2]
    assert Page.asked(10, token, binding=BINDING).after_number() == 2

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import embedding
from libs.embedding import MAX_CHARACTERS, Vectors
from libs.embedding.capability import TRAINED
from libs.embedding.errors import EmbeddingModelMissing
from libs.embedding.local import (
    MODEL,
    LocalEmbedder,
    load_tokenizer,
    quantised,
    restored,
)

TABLE = Path(embedding.__file__).with_name("token_frequencies.bin")
TABLE_OF_SIF_1 = "3d28d632dcc51e9f92bea87f746b5a66910323bd3952baa5c51fabed6dab50e3"
DIGEST_IN_A_NEW_PROCESS = """
import asyncio
from libs.embedding.local import LocalEmbedder
print(asyncio.run(LocalEmbedder().embed(["The café reopened."])).tobytes().hex())
"""


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()


def test_the_identity_names_model_dimensions_and_table() -> None:
    assert LocalEmbedder(128).identity == "wordllama-l2-supercat/128/sif-1"


def test_a_changed_table_needs_a_new_identity(embedder: LocalEmbedder) -> None:
    assert embedder.identity.endswith("/sif-1")
    assert hashlib.sha256(TABLE.read_bytes()).hexdigest() == TABLE_OF_SIF_1


async def test_another_process_computes_the_same_bytes(embedder: LocalEmbedder) -> None:
    command = [sys.executable, "-c", DIGEST_IN_A_NEW_PROCESS]
    printed = await asyncio.to_thread(subprocess.check_output, command, text=True)

    assert (await embedder.embed(["The café reopened."])).tobytes().hex() == printed.strip()


@pytest.mark.parametrize(
    ("text", "similar", "unrelated"),
    [
        ("A man is playing a guitar.", "Someone plays an instrument.", "Stocks fell today."),
        ("She adopted a puppy.", "A young dog joined her family.", "He fixed the bicycle chain."),
        (
            "Our database went down during the deployment.",
            "The deploy failed since Postgres was unavailable.",
            "We ate pasta for dinner.",
        ),
    ],
)
async def test_meaning_brings_texts_together(
    embedder: LocalEmbedder, text: str, similar: str, unrelated: str
) -> None:
    here, near, far = await embedder.embed([text, similar, unrelated])

    assert here @ near > here @ far + 0.2


async def test_a_shared_name_weighs_less_than_a_shared_topic(embedder: LocalEmbedder) -> None:
    question, topic, name = await embedder.embed(
        ["What did Caroline paint?", "I finished a painting of the lake.", "Caroline: Good night!"]
    )

    assert question @ topic > question @ name


@given(st.lists(st.text(), max_size=5))
def test_every_row_is_of_length_one_unless_its_text_is_blank(
    embedder: LocalEmbedder, texts: list[str]
) -> None:
    vectors = asyncio.run(embedder.embed(texts))

    assert vectors.shape == (len(texts), 256)
    assert vectors.dtype == np.float32
    expected = [1.0 if text.strip() else 0.0 for text in texts]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), expected, atol=1e-5)


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_a_vector_does_not_depend_on_its_company(embedder: LocalEmbedder, texts: list[str]) -> None:
    together = asyncio.run(embedder.embed(texts))
    alone = [asyncio.run(embedder.embed([text]))[0] for text in texts]

    np.testing.assert_array_equal(together, np.array(alone))


@pytest.mark.parametrize("blank", ["", " ", "\n\t \u2003"])
async def test_blank_text_is_like_nothing(embedder: LocalEmbedder, blank: str) -> None:
    assert not (await embedder.embed([blank])).any()


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("two words", "  two \n\t words "),
        ("café", "cafe\u0301"),
        ("half \ud800 a pair", "half ? a pair"),
    ],
)
async def test_texts_that_look_equal_are_equal(
    embedder: LocalEmbedder, one: str, same: str
) -> None:
    first, second = await embedder.embed([one, same])

    np.testing.assert_array_equal(first, second)


def test_a_marker_of_the_tokenizer_is_plain_text() -> None:
    tokens = load_tokenizer().encode("a </s> tag", add_special_tokens=False).tokens

    assert "</s>" not in tokens


@pytest.mark.parametrize("text", ["日本語のテキスト", "Привет, мир", "👍🏽", "नमस्ते", "!?"])
async def test_any_script_has_a_direction(embedder: LocalEmbedder, text: str) -> None:
    vectors = await embedder.embed([text, "an English sentence"])

    assert vectors[0] @ vectors[0] == pytest.approx(1)
    assert vectors[0] @ vectors[1] < 0.6


async def test_what_follows_the_limit_does_not_count(embedder: LocalEmbedder) -> None:
    text = "orders and invoices " * (MAX_CHARACTERS // 20 + 1)
    cut, longer, other = await embedder.embed(
        [text[:MAX_CHARACTERS], text[:MAX_CHARACTERS] + "!" * 1_000_000, "z" + text]
    )

    np.testing.assert_array_equal(cut, longer)
    assert (cut != other).any()


async def test_a_batch_run_in_a_thread_equals_one_run_inline(embedder: LocalEmbedder) -> None:
    texts = [f"memory number {number} of the release" for number in range(500)]
    threaded = await embedder.embed(texts)
    inline = np.concatenate([await embedder.embed([text]) for text in texts])

    assert sum(map(len, texts)) > MAX_CHARACTERS
    np.testing.assert_array_equal(threaded, inline)


@pytest.mark.parametrize("dimensions", TRAINED[MODEL])
async def test_fewer_dimensions_are_a_prefix_scaled_to_length_one(
    embedder: LocalEmbedder, dimensions: int
) -> None:
    texts = ["The cluster lost a node.", "Lunch is at noon."]
    prefix: Vectors = (await embedder.embed(texts))[:, :dimensions]
    short = await LocalEmbedder(dimensions).embed(texts)

    expected = prefix / np.linalg.norm(prefix, axis=1, keepdims=True)
    np.testing.assert_allclose(short, expected, atol=1e-6)


def test_dimensions_it_was_not_trained_for_are_refused() -> None:
    with pytest.raises(ValueError, match="64, 128, 256, not 100"):
        LocalEmbedder(100)


def test_a_missing_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)

    with pytest.raises(EmbeddingModelMissing, match="wordllama"):
        LocalEmbedder()


@given(st.lists(st.floats(2**-31, 1), min_size=1))
def test_a_frequency_survives_its_code_within_five_percent(frequencies: list[float]) -> None:
    given_ = np.array(frequencies)

    np.testing.assert_allclose(restored(quantised(given_)), given_, rtol=0.05)


def test_frequencies_too_small_for_a_code_are_zero() -> None:
    assert restored(quantised(np.array([0.0, 2**-40]))).tolist() == [0.0, 0.0]


async def test_single_words_have_the_vectors_of_texts(embedder: LocalEmbedder) -> None:
    words = ["painting", "quetzalcoatl", "", "don't", "東京", "the", "quetzalcoatl"]

    together = embedder.words(words)

    np.testing.assert_allclose(together, await embedder.embed(words), atol=1e-6)
    np.testing.assert_array_equal(embedder.words(words), together)  # remembered ones, too


async def test_words_are_right_when_too_many_were_met(
    embedder: LocalEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.embedding.local._PARTED", 2)
    words = ["quetzalcoatl", "popocatepetl", "xochimilco"]

    for _ in range(2):
        np.testing.assert_allclose(embedder.words(words), await embedder.embed(words), atol=1e-6)

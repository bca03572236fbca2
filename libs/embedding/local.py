"""The offline embedder: WordLlama's static token vectors, averaged with smooth inverse frequencies.

Reads the data files of the installed `wordllama` package without importing it: its loader looks
for the tokenizer in another folder than the one it ships and then goes to a model hub.
Must not know what the texts are for, and never uses the network.
"""

import asyncio
import importlib.util
import threading
import unicodedata
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from libs.embedding import Vectors
from libs.embedding.capability import prefixes
from libs.embedding.errors import EmbeddingModelMissing
from libs.embedding.rules import bounded, unit_rows

PACKAGE = "wordllama"
MODEL = "wordllama-l2-supercat"

_FREQUENCIES = Path(__file__).with_name("token_frequencies.bin")
_STEPS_PER_OCTAVE = 8  # one step of a code is 9 % of a frequency
_PARTED = 20_000  # words of several tokens: 20 MB
_SPACE = "\u2581"  # a token that begins a word begins with it
_NEVER = 255  # the code of frequency zero
_SMOOTHING = 1e-2  # `a` of the paper: 1e-3 there, but these vectors already grow with rarity
_INLINE_CHARACTERS = 8192  # about 2 ms of work; a larger batch would delay the event loop


class LocalEmbedder:
    """`Embedder` of English text on the CPU, the same in every process.

    Source: Arora, Liang, Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR
    2017, without its second step (removal of a common direction gained nothing here).
    """

    def __init__(self, dimensions: int = 256) -> None:
        """Load 18 MB of files, about 0.2 s.

        Raises:
            ValueError: the model was not trained for so many dimensions.
            EmbeddingModelMissing: the package with the files is not installed.
        """
        self.prefixes = prefixes(MODEL, dimensions)
        self.dimensions = dimensions
        self.identity = f"{MODEL}/{dimensions}/sif-1"
        self._tokenizer = load_tokenizer()
        self._adding = threading.Lock()
        self._parted = _Parted(_PARTED, dimensions)
        self._vectors = _load_vectors(dimensions)
        self._nothing = len(self._vectors) - 1

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As the port says; small batches run at once, larger ones in a thread."""
        prepared = [_prepared(text) for text in texts]
        if sum(map(len, prepared)) <= _INLINE_CHARACTERS:
            return self._embed(prepared)
        return await asyncio.to_thread(self._embed, prepared)

    def words(self, words: Sequence[str]) -> Vectors:
        """The vectors of N words, as `embed` gives them; a thousand take 1 to 5 ms.

        Words of several tokens are remembered by their hash alone.
        """
        tokens = [self._whole.get(word, self._nothing) for word in words]
        vectors = self._vectors[tokens]
        if parted := [at for at, token in enumerate(tokens) if token == self._nothing]:
            vectors[parted] = self._sums([words[at] for at in parted])
        return unit_rows(vectors)

    @cached_property
    def _whole(self) -> dict[str, int]:
        """Words that are one token."""
        return {
            token.removeprefix(_SPACE): number
            for token, number in self._tokenizer.get_vocab().items()
            if token.startswith(_SPACE) and token != _SPACE
        }

    def _sums(self, words: Sequence[str]) -> Vectors:
        """The sums of the vectors of their tokens; begins anew when too many are remembered."""
        with self._adding:
            if len(self._parted.places) + len(words) > len(self._parted.rows):
                self._parted = _Parted(max(_PARTED, len(words)), self.dimensions)
            parted = self._parted
            for word in words:
                if hash(word) not in parted.places:
                    parted.add(hash(word), self._sum(word))
        return parted.rows[[parted.places[hash(word)] for word in words]]

    def _sum(self, word: str) -> Vectors:
        tokens = self._tokenizer.encode(word, add_special_tokens=False).ids
        total: Vectors = self._vectors[tokens].sum(axis=0)
        return total

    def _embed(self, texts: list[str]) -> Vectors:
        sums = np.zeros((len(texts), self.dimensions), np.float32)
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        for row, encoding in zip(sums, encodings, strict=True):
            if tokens := encoding.ids:
                self._vectors.take(tokens, axis=0).sum(axis=0, out=row)
        return unit_rows(sums)  # a mean differs from a sum only in length


class _Parted:
    """The vectors of words of several tokens, by the hash of the word, which differs by process."""

    def __init__(self, most: int, dimensions: int) -> None:
        self.places: dict[int, int] = {}
        self.rows: Vectors = np.empty((most, dimensions), np.float32)  # memory comes as it fills

    def add(self, word: int, vector: Vectors) -> None:
        self.rows[len(self.places)] = vector
        self.places[word] = len(self.places)


def load_tokenizer() -> Tokenizer:
    """The model's tokenizer; markers such as `</s>` within a text are plain text to it."""
    tokenizer = Tokenizer.from_file(str(_home() / "tokenizers/l2_supercat_tokenizer_config.json"))
    tokenizer.encode_special_tokens = True
    return tokenizer


def quantised(frequencies: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Codes of frequencies in [0, 1]: the negative logarithm in steps of 1/8 octave, 255 for 0."""
    with np.errstate(divide="ignore"):
        steps = np.round(-np.log2(frequencies) * _STEPS_PER_OCTAVE)
    return np.minimum(steps, _NEVER).astype(np.uint8)


def restored(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The frequencies that `quantised` coded."""
    frequencies = np.exp2(codes / -_STEPS_PER_OCTAVE)
    return np.where(codes == _NEVER, 0.0, frequencies)


@lru_cache
def _load_vectors(dimensions: int) -> Vectors:
    """Token vectors times their weights a / (a + p), and one more without direction: shape
    (tokens + 1, dimensions)."""
    (table,) = load_file(_home() / "weights/l2_supercat_256.safetensors").values()
    frequencies = restored(np.frombuffer(_FREQUENCIES.read_bytes(), np.uint8))
    weights = (_SMOOTHING / (_SMOOTHING + frequencies)).astype(np.float32)
    weighted = table[:, :dimensions].astype(np.float32) * weights[:, None]
    return np.vstack([weighted, np.zeros((1, dimensions), np.float32)])


def _home() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddingModelMissing(PACKAGE)
    return Path(spec.origin).parent


def _prepared(text: str) -> str:
    """One space between words and composed accents: what looks equal is equal to the tokenizer."""
    return " ".join(unicodedata.normalize("NFC", bounded(text)).split())

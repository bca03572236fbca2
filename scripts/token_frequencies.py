"""Makes libs/embedding/token_frequencies.bin: how common each of the local model's tokens is.

    uv run --with symspellpy==6.10.1 --with names==0.3.0 python -m scripts.token_frequencies

Three sources, none of them a benchmark's data:

- words: counts of 82,765 English words (symspellpy, MIT), from Google Books Ngrams (CC BY 3.0)
  restricted to the words of SCOWL;
- first names: those of the 1990 US census (names, MIT; the lists are public domain). A name is rare
  in English but common wherever it occurs at all: who speaks is in every other turn of a dialogue.
  A rare token has a long vector, so that without this texts are alike when they name a person
  ("adaptation": Church, "Empirical estimates of adaptation", COLING 2000);
- punctuation, symbols and spaces count as being everywhere: they say nothing about a topic.
"""

import importlib.util
import unicodedata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from libs import embedding
from libs.embedding.local import load_tokenizer, quantised

_CAPITALISED = 0.08  # share of words that begin a sentence
_NAMES_IN_TEXT = 0.01  # share of words that are first names, over all English text
_NAME_IN_SCOPE = 0.1  # share of a name, in texts of a scope that knows it
_OUTPUT = Path(embedding.__file__).with_name("token_frequencies.bin")


def main() -> None:
    """Write the table, one byte for each token."""
    tokenizer = load_tokenizer()
    words, names = _words(), _names()
    plain = _token_shares(tokenizer, words) * (1 - _CAPITALISED)
    capitalised = _token_shares(tokenizer, _capitalised(words)) * _CAPITALISED
    in_names = _token_shares(tokenizer, names) * _NAMES_IN_TEXT
    in_words = plain + capitalised
    frequencies = in_words + _NAME_IN_SCOPE * in_names / (in_names + in_words + 1e-12)
    frequencies[_separators(tokenizer)] = 1.0
    _OUTPUT.write_bytes(quantised(np.minimum(frequencies, 1.0)).tobytes())


def _words() -> Counter[str]:
    lines = _package("symspellpy") / "frequency_dictionary_en_82_765.txt"
    pairs = (line.split() for line in lines.read_text("utf-8-sig").splitlines())
    return Counter({word: int(count) for word, count in pairs})


def _names() -> Counter[str]:
    """First names by how many thousandths of a percent of the people bear them."""
    names: Counter[str] = Counter()
    for gender in ("female", "male"):
        for line in (_package("names") / f"dist.{gender}.first").read_text().splitlines():
            name, percent, *_ = line.split()
            names[name.capitalize()] += round(float(percent) * 1000)
    return names


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{name} is not installed: see the first lines of this script")
    return Path(spec.origin).parent


def _capitalised(words: Mapping[str, int]) -> Counter[str]:
    return Counter({word.capitalize(): count for word, count in words.items()})


def _token_shares(tokenizer: Tokenizer, words: Mapping[str, int]) -> NDArray[np.float64]:
    """Each token's share of all tokens of these words; shape (tokens,), sum 1."""
    counts = np.zeros(tokenizer.get_vocab_size())
    encodings = tokenizer.encode_batch(list(words), add_special_tokens=False)
    for encoding, count in zip(encodings, words.values(), strict=True):
        np.add.at(counts, encoding.ids, count)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _separators(tokenizer: Tokenizer) -> list[int]:
    return [token_id for token, token_id in tokenizer.get_vocab().items() if _separates(token)]


def _separates(token: str) -> bool:
    """Whether it has only spaces (U+2581 stands for one), punctuation, symbols, controls."""
    return all(unicodedata.category(character)[0] in "PSZC" for character in token)


if __name__ == "__main__":
    main()

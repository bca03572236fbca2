"""Terms of a text: words without their endings, and without those that every text has. Pure.

English stems; words of other languages pass as they are, runs of Chinese, Japanese and Korean
characters as overlapping pairs.
"""

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Sequence

import Stemmer

END = "\x1f"  # closes a text in `words_and_ends`; no word holds it
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_WORD_OR_END = re.compile(rf"{_WORD.pattern}|{END}")
# Kana, Han, Hangul.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]+")
_LONGEST = 64  # characters of a word; what is longer is no word, and its beginning tells it apart
_REMEMBERED = 0  # words that a stemmer keeps: they come from sealed texts

# Words that say how a sentence is built, not what it is about.
STOP_WORDS = frozenset(
    """
    a about above after again against all also am an and any are aren't as at be because been
    before being below between both but by can can't cannot could couldn't did didn't do does
    doesn't doing don't done down during each either ever every few for from further get gets
    getting go goes going gonna got had hadn't has hasn't have haven't having he he'd he'll
    he's her here hers herself hey hi him himself his how i i'd i'll i'm i've if in into is
    isn't it it's its itself just let let's lets many may me might more most much must mustn't
    my myself need neither never no nor not now of off oh ok okay on once only or other ought
    our ours ourselves out over own please really same shall shan't she she'd she'll she's
    should shouldn't so some still such than thank thanks that that's the their theirs them
    themselves then there there's these they they'd they'll they're they've this those through
    to too under until up very was wasn't we we'd we'll we're we've were weren't what what's
    when where which while who whom whose why will with won't would wouldn't wow yeah yes yet
    you you'd you'll you're you've your yours yourself yourselves
    """.split()  # noqa: SIM905 - a list of words is read as words
)


def words(text: str) -> list[str]:
    """Words in order: composed, folded to one case, with a straight apostrophe."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    found = _WORD.findall(folded.replace("\u2019", "'"))
    if _UNSPACED.search(folded):  # a sentence may be one of them
        found = [part for word in found for part in _parted(word)]
    return [word[:_LONGEST] for word in found]


def words_and_ends(texts: Sequence[str]) -> list[str]:
    """The words of several texts in one list, each text closed by END: a third of the time that
    `words` takes for each."""
    folded = unicodedata.normalize("NFKC", "".join(f"{text}\n{END}\n" for text in texts)).casefold()
    found = _WORD_OR_END.findall(folded.replace("\u2019", "'"))
    if (
        folded.count(END) > len(texts)
        or _UNSPACED.search(folded)
        or len(max(found, key=len, default="")) > _LONGEST
    ):
        return [word for text in texts for word in (*words(text), END)]
    return found


def terms(text: str) -> Counter[str]:
    """How often each term occurs; empty for a text of nothing but stop words."""
    return Counter(stems([word for word in words(text) if word not in STOP_WORDS]))


class _Stemmers(threading.local):
    """One for each thread: two must not share one."""

    def __init__(self) -> None:
        self.english = Stemmer.Stemmer("english", _REMEMBERED)


_STEMMERS = _Stemmers()


def stem(word: str) -> str:
    """The term of a word as `words` gives it."""
    return stems([word])[0]


def stems(words: Sequence[str]) -> list[str]:
    """The terms of words, in their order."""
    bare = [word.removesuffix("'s").removesuffix("'") for word in words]
    return list(_STEMMERS.english.stemWords(bare))


def _parted(word: str) -> list[str]:
    """The word, or the pairs of characters of one that is written without spaces."""
    if not _UNSPACED.search(word):
        return [word]
    parts: list[str] = []
    for piece in _UNSPACED.split(word):
        parts += [piece] if piece else []
    for run in _UNSPACED.findall(word):
        parts += [run[at : at + 2] for at in range(max(1, len(run) - 1))]
    return parts

"""A text as words in order: one way to write each, and what capitals and signs tell kept. Pure."""

import re
import unicodedata
from functools import lru_cache

from libs.embedding.wording import words

_QUOTES = str.maketrans(
    {
        **dict.fromkeys("\u2019\u2018\u02bc`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d", '"'),
        **dict.fromkeys("\u2013\u2014\u2212", "-"),
    }
)
_TRAILING = re.compile(r"[\s?.!,;:]+$")
# Letters with their marks; digits with separators; names such as c++, c#, f#, .net, node.js, at&t.
_TOKEN = re.compile(
    r"(?:(?<![^\W_])[.](?=net\b))?[^\W_]+(?:(?:['.&_][^\W_]+)+)?(?:\+\+|\+|#)?"
    r"|[!<>=]=+|\(\)|\[\]|\{\}|(?<=\b\w )[-*](?= \w\b)|(?<=\d)[-*](?=\d)|(?<=\d )[-*](?= ?\d)"
    r"|[^\w\s\"'(){}\[\],;:.!?*_~-]"
)
_CASED = re.compile(r"\b[A-Z]{2,5}\b")
_UNIT = re.compile(r"(?<=\d) ?([A-Za-z]{1,3})\b")  # megabyte and megabit, milli and mega
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}\b)")
_MINUS = re.compile(r"(?<![\w)])-(?=\d)")
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.){2,}(?:[^\W\d_]\b)?")
_HYPHEN = re.compile(r"(?<=[^\W_])-(?=[^\W\d_])|(?<=[^\W\d_])-(?=[^\W_])")
_LONGEST_CASED_UNIT = 3


def fold(text: str) -> str:
    """NFKC, straight quotes, one space; case kept."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTES).split())


def exact_form(text: str) -> str:
    """Without what is no difference: NFKC, case, white space, trailing punctuation.

    Capitals stay where they make another word: US and us, IT and it, 5 MB and 5 Mb.
    """
    folded = fold(text)
    if folded.upper() != folded:
        folded = _CASED.sub(lambda found: found[0] + "^" * _capitals_tell(found[0]), folded)
        folded = _UNIT.sub(lambda found: f"{found[0]}^{sum(map(str.isupper, found[1]))}", folded)
    return _TRAILING.sub("", folded.casefold())


def tokens(text: str) -> list[str]:
    """Words in order, in lower case, contractions written out, spelling and numbers unified.

    A trailing ^ marks a word that capitals make another word (US, May); a question mark on a text
    that does not open as a question stays as a token.
    """
    folded = _MINUS.sub(" \u2212", _DOTTED.sub(_abbreviated, _GROUPED.sub("", fold(text))))
    body = _TRAILING.sub("", folded)
    found = [
        word
        for token in _read(body, shouted=folded.upper() == folded)
        for word in words.SPELLING.get(token, token).split()
    ]
    if found and found[0] not in words.OPENERS and "?" in folded[len(body) :]:
        found.append("?")
    return found


def is_titled(text: str) -> bool:
    """Whether most words begin with a capital, so that capitals tell nothing."""
    alphabetic = [word for word in text.split()[1:] if word[:1].isalpha()]
    return bool(alphabetic) and sum(word[0].isupper() for word in alphabetic) * 2 > len(alphabetic)


@lru_cache(maxsize=4096)
def singular(word: str) -> str:
    """The word without the ending of a plural or of the third person; others unchanged."""
    if word in words.IRREGULAR:
        return words.IRREGULAR[word]
    if len(word) < 4 or not word.isalpha() or word in words.NOT_PLURAL or not word.endswith("s"):
        return word
    if word.endswith("ies"):
        return word[:-1] if word in words.WITH_IE else word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    if word.endswith(("ss", "us", "is", "ics", "ous")):
        return word
    return word[:-1]


def spelled(word: str) -> str:
    """The one spelling of a word."""
    word = words.SPELLING.get(word, word)
    if found := words.ISE.match(word):
        return found[1] + "iz" + found[3]
    return word


def _capitals_tell(raw: str) -> bool:
    word = raw.casefold()
    telling = word in words.CAPITALS or word in words.OPENERS or word in words.NEGATIONS
    return len(raw) > 1 and raw.isupper() and telling


def _abbreviated(found: re.Match[str]) -> str:
    return found[0].replace(".", "").upper()


def _read(body: str, *, shouted: bool) -> list[str]:
    titled = is_titled(body)
    found: list[str] = []
    for match in _TOKEN.finditer(_HYPHEN.sub(" ", body)):
        raw = match[0]
        begins = not found or body[: match.start()].rstrip()[-1:] in (".", "?", "!")
        if found and found[-1][-1].isdigit() and _is_cased_unit(raw) and not shouted:
            found.append(raw)
        else:
            found += _expanded(raw, shouted=shouted, titled=titled or begins)
    return found


def _is_cased_unit(raw: str) -> bool:
    fits = 1 < len(raw) <= _LONGEST_CASED_UNIT and raw.isalpha()
    return fits and raw.lower() in words.CASED_UNITS


def _expanded(raw: str, *, shouted: bool, titled: bool) -> list[str]:
    word = raw.casefold()
    if word in words.CONTRACTIONS:
        return words.CONTRACTIONS[word].split()
    for suffix, full in words.SUFFIXES:
        if word.endswith(suffix) and len(word) > len(suffix):
            return [word.removesuffix(suffix), full]
    if word.endswith("'s"):
        base = word.removesuffix("'s")
        return [base, "is"] if base in words.WITH_IS else [base]
    return [word + "^"] if _is_marked(raw, word, shouted=shouted, titled=titled) else [word]


def _is_marked(raw: str, word: str, *, shouted: bool, titled: bool) -> bool:
    """Whether its capitals make it another word."""
    if shouted:
        return False
    if _capitals_tell(raw) or (raw == "A" and not titled):
        return True
    return not titled and raw[:1].isupper() and raw[1:].islower() and word in words.TITLES

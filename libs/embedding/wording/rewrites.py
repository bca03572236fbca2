"""Rewrites that leave what is asked the same, in closed groups, each for a stated reason. Pure.

Everything that no rule touches must be equal, in order: numbers, units, names, negation, antonyms,
quantifiers, question words, modals, tenses, prepositions. So there is no list of guards in which a
word could be missing.
"""

import re
from collections.abc import Sequence

from libs.embedding.wording import words
from libs.embedding.wording.tokens import singular, spelled

Rule = tuple[re.Pattern[str], str]


def _rules(*pairs: tuple[str, str]) -> list[Rule]:
    """Patterns over a text of tokens with a space before and after each."""
    return [(re.compile(pattern), replacement) for pattern, replacement in pairs]


_STATES = (
    r"(?:feel|look|know|seem|differ|appear|sound|think|like|love|want|need|be|exist|compare"
    r"|perceive|see)"
)
_SUPERLATIVE = r"(?: (?:best|worst|greatest|biggest|top|[a-z]{3,}est|(?:most|least) [a-z]+))"

# They are applied in this order; its numbering is part of what is stored.
REWRITES: dict[str, list[Rule]] = {
    # Asking to be told is the question itself.
    "asking": _rules(
        (r" (?:please|kindly)(?= )", ""),
        (r"^ (?:hi|hello|hey)(?= )", ""),
        (
            r"^ (?:can|could|will|would) (?:you|anyone|anybody|someone|somebody)"
            r" (?:tell|explain to) (?:me|us) (?=(?:what|which|who|where|when|why|how) )",
            " ",
        ),
        (r" thanks(?: in advance)? $", " "),
    ),
    # Articles, but not where they change the sense (a few, a little, the number of, the only)
    # nor where "a" is a name (vitamin A, plan A, A and B).
    "articles": _rules(
        (
            r"(?<! vitamin)(?<! hepatitis)(?<! plan)(?<! type)(?<! class)(?<! grade)"
            r" (?:an?|the)(?= )(?! (?:few|little|number|only|one|and|or|versus) )(?! $)",
            "",
        ),
    ),
    # One or several of the same thing; "is" and "are", "do" and "does": see `canonical`.
    "plural": [],
    # The ways to ask for a method, with the same person.
    "how": _rules(
        (r"^ how (?:can|do) (i|you|we|one) ", r" how do \1 "),
        (r"^ how to ", " how do i "),
        (r"^ how (i|you|we) can ", r" how do \1 "),
    ),
    # A method for me, for us, for anyone. Not "you": "how do you feel" asks another.
    "person": _rules((rf"^ how do (?:we|one) (?!{_STATES} )", " how do i ")),
    "which": _rules((r"^ which ", " what ")),
    "some": _rules((r"^ what (be|is|are) (?:some|few|a few) (?:of )?", r" what \1 ")),
    "way": _rules(
        (
            r"^ what (?:be|is|are)(?: (?:a|an|the|some))?(?: good)? ways? (?:to|for) ",
            " how do i ",
        ),
    ),
    "best_way": _rules(
        (r"^ what (?:be|is|are)(?: the)? best (?:possible )?(?:way|method)s? to ", " how do i "),
    ),
    "meaning": _rules(
        (r"^ what (?:do|does)( .+?) mean $", r" what be meaning of\1 "),
        (r"^ what (?:be|is)(?: the)? (?:meaning|definition) of ", " what be meaning of "),
        (r"^ what (?:be|is) meant by ", " what be meaning of "),
    ),
    # Words that only stress. Never beside a negation: "not really" is not "not".
    "stress": _rules((r" (?:really|actually|exactly|basically|literally)(?= )", "")),
    # The whole of time is what a superlative speaks of anyway.
    "ever": _rules((rf"(?<= )(.*{_SUPERLATIVE} .+?) (?:of all times?|ever) $", r"\1 ")),
    # Both sides of a symmetric relation, each of at most three words: see `canonical`.
    "swap": [],
}
_NOT_BESIDE_NEGATION = "stress"
_SYMMETRIC = re.compile(
    r"( (?:difference|differences|similarity|similarities|correlation|comparison)(?: be)? between) "
    r"((?!(?:from|to|not) )\S+(?: (?!(?:and|from|to|not) )\S+){0,2}) and "
    r"(\S+(?: (?!(?:and|in|from|to|not) )\S+){0,2}) $"
)


def canonical(found: Sequence[str], without: str = "") -> tuple[str, list[str]]:
    """The tokens after every group of rewrites except `without`, and the groups that changed it."""
    text = f" {' '.join(map(spelled, found))} "
    for old, new in words.JOINED.items():
        text = text.replace(old, new)
    fired = []
    if without != "plural":
        text, before = f" {' '.join(map(_unified, text.split()))} ", text
        fired += ["plural"] * (text != before)
    negated = not words.NEGATIONS.isdisjoint(found)
    for group in REWRITES:
        if group == without or (negated and group == _NOT_BESIDE_NEGATION):
            continue
        text, before = _rewritten(text, group), text
        fired += [group] * (text != before)
    return text.strip(), fired


def _rewritten(text: str, group: str) -> str:
    if group == "swap":
        return _SYMMETRIC.sub(_sorted_sides, text)
    for pattern, replacement in REWRITES[group]:
        text = pattern.sub(replacement, text)
    return text


def _unified(word: str) -> str:
    return words.AGREEMENT.get(word) or spelled(singular(word))


def _sorted_sides(found: re.Match[str]) -> str:
    one, two = sorted((found[2], found[3]))
    return f"{found[1]} {one} and {two} "

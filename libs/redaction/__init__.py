"""Taking personal data and secrets out of texts, by what tells them apart for certain: checksums,
prefixes, number plans. Pure.

Knows no names of people, streets or dates of birth: what has no form of its own is left in place.
"""

from typing import Any, NamedTuple

from libs.redaction.numbers import card, iban, national_id
from libs.redaction.phones import phone
from libs.redaction.texts import address, email, mac, secret

# What comes first takes what several would: a password in a URL before the e-mail it looks like.
_RECOGNISERS = {
    "secret": secret,
    "email": email,
    "iban": iban,
    "card": card,
    "national_id": national_id,
    "mac_address": mac,
    "ip_address": address,
    "phone": phone,
}
KINDS = tuple(_RECOGNISERS)
_PASSES = 8  # a replacement may free what stood beside it; two are nearly always enough


class Redacted(NamedTuple):
    """A text without what was found, and what that was: some of KINDS, in their order."""

    text: str
    kinds: tuple[str, ...]


def redact(text: str) -> Redacted:
    """Replaces what is found by its kind in brackets: `[email]`.

    Takes time in proportion to the length; what it has replaced it leaves alone.
    """
    kinds: set[str] = set()
    for _ in range(_PASSES):
        before = text
        for kind, recogniser in _RECOGNISERS.items():
            replaced = recogniser(text, f"[{kind}]")
            if replaced != text:
                kinds.add(kind)
                text = replaced
        if text == before:
            break
    return Redacted(text, tuple(kind for kind in KINDS if kind in kinds))


def redact_values(value: Any) -> tuple[Any, set[str]]:
    """The same for every text in a JSON value, whose keys and numbers stay."""
    match value:
        case str():
            text, kinds = redact(value)
            return text, set(kinds)
        case list():
            parts = [redact_values(each) for each in value]
            return [each for each, _ in parts], set().union(*(kinds for _, kinds in parts))
        case dict():
            named = {name: redact_values(each) for name, each in value.items()}
            found = set().union(*(kinds for _, kinds in named.values()))
            return {name: each for name, (each, _) in named.items()}, found
    return value, set()

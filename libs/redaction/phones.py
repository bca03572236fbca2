"""Phone numbers, by the number plans of all countries (phonenumbers, Google's metadata)."""

import re

import phonenumbers

from libs.redaction.matching import labelled, replaced

_MOST_TRIES = 1 << 20  # candidates that are no number: more than any text holds
# Written as for calls from abroad: a country, then groups that are no thousands.
_ABROAD = re.compile(
    r"(?<![\w+.-])\+(?P<country>[1-9]\d{0,2})(?:[ .-]{1,2}\(?\d{1,5}\)?){2,6}(?![\w%]|[.,]\d)"
)
_THOUSANDS = re.compile(r"\+\d{1,3}([ .])\d{3}(?:\1\d{3})*$")
# Said to be one.
_SAID = re.compile(
    r"\b(?:phone|telephone|tel|mobile|cell|cellphone|fax|whatsapp|hotline"
    r"|(?:call|ring|text|reach) (?:me|us|him|her|them) (?:at|on))"
    r"(?: (?:number|no))?(?:\.| is|:|=)?:? {0,2}(?P<value>[+(]{0,2}\d(?:[ ./()-]{0,2}\d){5,14})"
    r"(?![\w%]|[.,:]\d)",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def phone(text: str, by: str) -> str:
    """Numbers with their country that its plan has, or that are written as one; those of North
    America in their usual groups; and what is said to be a phone number."""
    text = _planned(text, by, None, phonenumbers.Leniency.VALID)
    text = _planned(text, by, "US", phonenumbers.Leniency.STRICT_GROUPING)
    text = replaced(text, _ABROAD, by, _is_abroad, False)
    return replaced(text, _SAID, by, lambda found: not _DATE.match(found), False)


def _planned(text: str, by: str, region: str | None, leniency: int) -> str:
    parts, end = [], 0
    for match in phonenumbers.PhoneNumberMatcher(text, region, leniency, _MOST_TRIES):
        if region and (match.raw_string.isdigit() or labelled(text, match.start)):
            continue
        parts += [text[end : match.start], by]
        end = match.end
    return "".join([*parts, text[end:]]) if parts else text


def _is_abroad(value: str) -> bool:
    digits = sum(each.isdigit() for each in value)
    country = int(re.split(r"[ .-]", value[1:], maxsplit=1)[0])
    known = country in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    return known and 8 <= digits <= 15 and not _THOUSANDS.match(value)

"""Numbers that prove themselves by their check digits: cards, accounts, persons."""

import re

from libs.redaction.matching import replaced

_CARD = re.compile(
    r"(?<![\w.+-])(?:\d{4}(?P<by>[ \xa0-])\d{4}(?P=by)\d{4}(?P=by)\d{1,7}"
    r"|\d{4}(?P<then>[ \xa0-])\d{6}(?P=then)\d{4,5}|\d{13,19})(?![\w-]|\.\d)"
)
# Visa, Mastercard, American Express, Discover, Diners, JCB, UnionPay, Maestro.
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}$|(?:5[1-5]|2[2-7])\d{14}$|3[47]\d{13}$|6(?:011|5\d\d)\d{12}$"
    r"|3(?:0[0-5]|[68]\d)\d{11}$|35\d{14}$|62\d{14,17}$|(?:50|5[6-9]|6[37])\d{10,17}$"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9_])[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
# Length by country: the registry of SWIFT, 2026.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM TL SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
_SSN = re.compile(r"(?<![\w.+-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-]|\.\d)")
_NINO = re.compile(
    r"(?<!\w)(?!BG|GB|KN|NK|NT|TN|ZZ)[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z]"
    r"(?: ?\d{2}){3} ?[A-D](?!\w)"
)
_DNI = re.compile(r"(?<![\w+-])[XYZ\d]-?\d{7}-?[A-HJ-NP-TV-Z](?![\w-])")
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_NIR = re.compile(
    r"(?<![\w.+-])[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-4]\d) ?(?:\d\d|2[AB])"
    r" ?\d{3} ?\d{3} ?\d\d(?![\w-])"
)
_CPF = re.compile(r"(?<![\w.+-])\d{3}\.\d{3}\.\d{3}-\d\d(?![\w-])")
_HETU = re.compile(r"(?<![\w.+-])[0-3]\d[01]\d{3}[-+ABCDEFYXWVU]\d{3}[0-9A-FHJ-NPR-Y](?![\w-])")
_HETU_SIGNS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_FNR = re.compile(r"(?<![\w.+-])[0-7]\d[0-5]\d{3} ?\d{5}(?![\w-]|\.\d)")
_FNR_WEIGHTS = ((3, 7, 6, 1, 8, 9, 4, 5, 2, 1), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))


def card(text: str, by: str) -> str:
    """Numbers of payment cards: an issuer's prefix and length, and Luhn's check digit."""
    return replaced(text, _CARD, by, _is_card, True)


def iban(text: str, by: str) -> str:
    """Numbers of bank accounts: the country's length, and the check digits of ISO 7064."""
    return replaced(text, _IBAN, by, _is_iban, False)


def national_id(text: str, by: str) -> str:
    """Persons' numbers of the United States and the United Kingdom by the rules of their forms;
    of Brazil, Finland, France, Norway and Spain by check digits."""
    for pattern, check in _PERSONS:
        text = replaced(text, pattern, by, check, True)
    return text


def _digits(value: str) -> list[int]:
    return [int(each) for each in value if each in "0123456789"]


def _is_card(value: str) -> bool:
    digits = _digits(value)
    if not _ISSUERS.match("".join(map(str, digits))):
        return False
    doubled = (sum(divmod(2 * each, 10)) for each in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(value: str) -> bool:
    packed = value.replace(" ", "")
    if _IBAN_LENGTHS.get(packed[:2]) != len(packed):
        return False
    return int("".join(str(int(each, 36)) for each in packed[4:] + packed[:4])) % 97 == 1


def _is_dni(value: str) -> bool:
    packed = value.replace("-", "")
    number = packed[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI_LETTERS[int(number) % 23] == packed[-1]


def _is_nir(value: str) -> bool:
    packed = value.replace(" ", "").replace("2A", "19").replace("2B", "18")
    return 97 - int(packed[:13]) % 97 == int(packed[13:])


def _is_cpf(value: str) -> bool:
    digits = _digits(value)
    checks = (
        -sum(each * weight for each, weight in zip(digits, range(first, 1, -1), strict=False)) % 11
        for first in (10, 11)
    )
    return len(set(digits)) > 1 and [each % 10 for each in checks] == digits[9:]


def _is_hetu(value: str) -> bool:
    return _HETU_SIGNS[int(value[:6] + value[7:10]) % 31] == value[10]


def _is_fnr(value: str) -> bool:
    digits = _digits(value)
    return len(set(digits)) > 2 and all(
        sum(each * weight for each, weight in zip(digits, weights, strict=False)) % 11 == 0
        for weights in _FNR_WEIGHTS
    )


_PERSONS = (
    (_SSN, lambda value: value != "123-45-6789"),
    (_NINO, lambda _: True),
    (_DNI, _is_dni),
    (_NIR, _is_nir),
    (_CPF, _is_cpf),
    (_HETU, _is_hetu),
    (_FNR, _is_fnr),
)

"""Which days a text speaks of: `two years ago`, `last Friday`, `May 2022`, `7 May 2023`. Pure.

English. What is relative, and what lacks a year, is resolved against a day: that of the text.
Weeks begin on Monday, seasons are those of the north.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date

from services.memory.domain.spans import Span, recurring, unit, whole_months

MONTHS = {
    name: number
    for number, name in enumerate(
        """
        january february march april may june july august september october november december
        """.split(),  # noqa: SIM905 - a list of words is read as words
        start=1,
    )
}
_SHORT = {name[:3]: number for name, number in MONTHS.items()}
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()  # noqa: SIM905
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # their first months
_SHIFTS = {"last": -1, "past": -1, "this": 0, "next": 1}
_BEFORE_MONTHS = ("in", "during", "since", "early", "late", "mid")
_NEAR = {
    "day before yesterday": -2,
    "yesterday": -1,
    "last night": -1,
    **dict.fromkeys(("today", "tonight", "this morning", "this afternoon", "this evening"), 0),
    "day after tomorrow": 2,
    "tomorrow": 1,
}
_NUMBERS = "two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_MANY: Mapping[str, tuple[int, int]] = {
    **{word: (number, number) for number, word in enumerate(_NUMBERS, start=2)},
    **dict.fromkeys(("a couple of", "a couple", "couple of", "couple"), (2, 2)),
    **dict.fromkeys(("a few", "few"), (2, 4)),
}
_COUNTS: Mapping[str, tuple[int, int]] = {**_MANY, **dict.fromkeys(("a", "an", "one"), (1, 1))}


def spoken(text: str, day: date) -> tuple[Span, ...]:
    """All that a text of a day speaks of, in order."""
    return tuple(span for _, span in _found(text, day))


def named_days(text: str, day: date) -> tuple[Span, ...]:
    """Only single days with their number; those without a year are the nearest."""
    return tuple(span for form, span in _found(text, day) if form in ("iso", "day", "american"))


def meant(text: str, day: date) -> tuple[Span, ...]:
    """What a question of a day means beside the months and years that it names.

    Beside a date, what is relative is so to that date; beside a year alone it tells nothing.
    """
    dates = [span.first for span in named_days(text, day)]
    anchored = bool(dates) or not re.search(rf"\b{_YEAR}", text)
    forms = (*_WHOLE, *_RELATIVE) if anchored else _WHOLE
    return tuple(span for form, span in _found(text, [*dates, day][0]) if form in forms)


def _found(text: str, day: date) -> Iterator[tuple[str, Span]]:
    for match in _matches(text):
        form = str(match.lastgroup)
        with suppress(ValueError, OverflowError):  # the 31st of June, 999 years before the year 5
            yield form, _FORMS[form][1](_parts(form, match.group()), day)


def _matches(text: str) -> Iterator[re.Match[str]]:
    """The long pattern is tried only where a word begins that can be the first of one."""
    end = 0
    for word in _WORD.finditer(text):
        if word.start() < end or not (word[0][0].isdecimal() or word[0].lower() in _HEADS):
            continue
        if match := _ANY.match(text, word.start()):
            end = match.end()
            yield match


def _parts(form: str, text: str) -> dict[str, str]:
    """The named parts that are there, in small letters with single spaces."""
    match = _PATTERNS[form].fullmatch(text)
    parts = (match.groupdict(default="") if match else {}) | {"whole": text}
    return {name: " ".join(part.lower().split()) for name, part in parts.items()}


def _date(parts: Mapping[str, str], day: date) -> Span:
    number, month = int(parts["number"]), _month_number(parts["month"])
    if parts["year"]:
        return unit("day", date(int(parts["year"]), month, number))
    return recurring(lambda year: unit("day", date(year, month, number)), day)


def _month_number(name: str) -> int:
    return int(name) if name.isdecimal() else _SHORT[name[:3]]


def _year(name: str, day: date) -> int:
    return int(name) if name.isdecimal() else day.year + _SHIFTS[name.split()[0]]


def _named_month(parts: Mapping[str, str], day: date) -> Span:
    return whole_months(_year(parts["year"], day), _month_number(parts["month"]))


def _any_month(parts: Mapping[str, str], day: date) -> Span:
    month, shift = _month_number(parts["month"]), _SHIFTS.get(parts.get("shift", ""), 0)
    return recurring(lambda year: whole_months(year, month), day, shift)


def _season(parts: Mapping[str, str], day: date) -> Span:
    month = _SEASONS[parts["season"]]
    if year := parts.get("year"):
        return whole_months(_year(year, day), month, 3)
    return recurring(lambda year: whole_months(year, month, 3), day, _SHIFTS[parts["shift"]])


def _weekday(parts: Mapping[str, str], day: date) -> Span:
    ahead, shift = _WEEKDAYS.index(parts["weekday"]) - day.weekday(), _SHIFTS[parts["shift"]]
    if shift:
        ahead = (ahead - 1) % 7 + 1 if shift > 0 else -((-ahead - 1) % 7 + 1)
    return unit("day", day, ahead)


def _counted(parts: Mapping[str, str], day: date, way: int) -> Span:
    count = parts["count"]
    least, most = _COUNTS.get(count) or (int(count), int(count))
    near, far = (unit(parts["unit"], day, way * each) for each in (least, most))
    return Span(min(near.first, far.first), max(near.last, far.last))


def _either(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=lambda word: -len(word)))  # the longer first


_YEAR = r"(?:19|20)\d\d\b"
_NUMBER = r"(?P<number>\d\d?)(?:st|nd|rd|th)?"
_NAMED = (
    r"(?P<month>(?-i:Mar(?:ch)?|May)|jan(?:uary)?|feb(?:ruary)?|apr(?:il)?|june?|july?"
    r"|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
_SHIFT = rf"(?P<shift>{_either(_SHIFTS)})"
_WHICH_YEAR = rf"(?P<year>{_YEAR}|(?:last|this|next) year\b)"
_UNITS = r"(?P<unit>day|week|weekend|month|year)s?\b"
_SEASON = rf"(?P<season>{_either(_SEASONS)})"
_Form = tuple[str, Callable[[Mapping[str, str], date], Span]]
_FORMS: Mapping[str, _Form] = {
    "iso": (r"(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)-(?P<number>\d\d)\b", _date),
    "day": (rf"{_NUMBER}(?: of)? {_NAMED}(?:,? ?(?P<year>{_YEAR}))?", _date),
    "american": (rf"{_NAMED} {_NUMBER}\b(?:,? ?(?P<year>{_YEAR}))?", _date),
    "month": (rf"{_NAMED}(?:,| of)? {_WHICH_YEAR}", _named_month),
    "recurring": (rf"(?:{_either(_BEFORE_MONTHS)})[ -]{_NAMED}", _any_month),
    "near": (rf"(?:{_either(_NEAR)})\b", lambda of, day: unit("day", day, _NEAR[of["whole"]])),
    "unit": (
        rf"{_SHIFT} (?P<unit>weekend|week|month|year)\b(?! of\b)",
        lambda of, day: unit(of["unit"], day, _SHIFTS[of["shift"]]),
    ),
    "weekday": (rf"{_SHIFT} (?P<weekday>{_either(_WEEKDAYS)})\b", _weekday),
    "shifted": (rf"{_SHIFT} {_NAMED}", _any_month),
    "season": (rf"{_SHIFT} {_SEASON}\b", _season),
    "summer": (rf"{_SEASON}(?: of)? {_WHICH_YEAR}", _season),
    "ago": (
        rf"(?P<count>{_either(_COUNTS)}|\d{{1,3}}) {_UNITS} ago\b",
        lambda of, day: _counted(of, day, -1),
    ),
    "ahead": (
        rf"in (?P<count>{_either(_MANY)}|\d{{1,3}}) {_UNITS}",
        lambda of, day: _counted(of, day, 1),
    ),
    "year": (
        rf"(?<![$€£#.,-])(?P<year>{_YEAR})(?![%-]|[.,]\d)",
        lambda of, day: whole_months(int(of["year"]), 1, 12),
    ),
}
_WHOLE = ("iso", "month", "summer")  # as fixed as what a question names, but not seen by words
_RELATIVE = ("near", "unit", "weekday", "shifted", "season", "ago", "ahead")


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(" ", r"\s+").replace(r"\s+?", r"\s*"), re.IGNORECASE)


_WORD = re.compile(r"[^\W_]+")
_HEADS = frozenset(
    phrase.split()[0]
    for phrase in (*_SHIFTS, *_NEAR, *_COUNTS, *_SEASONS, *MONTHS, *_SHORT, "sept", *_BEFORE_MONTHS)
)
_PATTERNS = {name: _compiled(pattern) for name, (pattern, _) in _FORMS.items()}
_ANY = _compiled(
    "|".join(
        f"(?P<{name}>{re.sub(r'[(][?]P<[a-z]+>', '(?:', pattern)})"
        for name, (pattern, _) in _FORMS.items()
    )
)

"""Filters of lists, a part of AIP-160: comparisons joined by AND, pushed down into SQL.

`layer = "user" AND importance >= 0.5`. What the database cannot decide is refused, never dropped.
Knows nothing of tables: a list declares the fields that it can be filtered by.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from libs.aip import storable
from libs.errors import InvalidRequest, invalid

MAX_COMPARISONS = 32

Value = str | float | datetime

_AND = re.compile(r"\s+AND(?!\S)")
_KEYWORDS = frozenset({"AND", "OR", "NOT"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_OPERATOR = re.compile(r"[!<>]=|[=<>]")
_QUOTED = r'"(?:[^"\\*]|\\["\\*])*"'
_BARE = r"""[^\s"'`\\*(),=<>!~\x00-\x1f\x7f]+"""
_LITERAL = re.compile(f"{_QUOTED}|{_BARE}")
_ESCAPE = re.compile(r"\\(.)")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TIME = re.compile(
    r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,6}0*)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_UNSUPPORTED = "OR, NOT, parentheses, functions and wildcards are not supported"


class Kind(Enum):
    """What a field holds, hence how it is written and compared."""

    TEXT = auto()
    NUMBER = auto()  # compared as double precision
    TIME = auto()
    ENUM = auto()


_EQUALITY = ("=", "!=")
_ORDER = (*_EQUALITY, "<", "<=", ">", ">=")
_OPERATORS = {
    Kind.TEXT: _EQUALITY,
    Kind.ENUM: _EQUALITY,
    Kind.NUMBER: _ORDER,
    Kind.TIME: _ORDER,
}
_EXPECTED = {
    Kind.TEXT: r"text without NUL: a bare word, or in double quotes with the escapes \" \\ \*",
    Kind.NUMBER: "a number without quotes, in the range of a double",
    Kind.TIME: "an RFC 3339 timestamp with at most six decimals of a second",
}


@dataclass(frozen=True, slots=True)
class Field:
    """What a filter may compare. `column` is SQL from our own code, never from a request.

    `values`: for ENUM, what a client may write (`adr`) and what the column holds for it.
    """

    column: str
    kind: Kind
    values: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition; `operator` is one of = != < <= > >= and suits the field's kind."""

    name: str
    field: Field
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Among:
    """A row whose columns hold one of `rows`: our own condition, which no client writes.

    `columns` are SQL from our own code, `names` what they are called elsewhere.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Condition = Comparison | Among


def parse(text: str, fields: Mapping[str, Field]) -> list[Comparison]:
    """The comparisons of a filter, in order; none for an empty one.

    Raises:
        InvalidRequest: Anything else; names `filter`, says where and what was expected.
    """
    cursor = _Cursor(text)
    comparisons: list[Comparison] = []
    if cursor.at_end():
        return comparisons
    while True:
        comparisons.append(_comparison(cursor, fields))
        if cursor.at_end():
            return comparisons
        cursor.take_and()
        if len(comparisons) == MAX_COMPARISONS:
            raise cursor.refusal(f"the end: at most {MAX_COMPARISONS} comparisons are allowed")


def to_sql(conditions: Sequence[Condition], first_parameter: int) -> tuple[str, list[object]]:
    """` AND column = $n` for each condition, and the parameters from `$first_parameter` on.

    A NULL is unequal to every value, and neither smaller nor greater.
    """
    sql, values = "", list[object]()
    for each in conditions:
        number = first_parameter + len(values)
        if isinstance(each, Among):
            sql += _among(each, number)
            values += [[row[at] for row in each.rows] for at in range(len(each.columns))]
        else:
            sql += f" AND {each.field.column} {_sql_operator(each)} ${number}{_sql_cast(each)}"
            values.append(each.value)
    return sql, values


def _among(condition: Among, first: int) -> str:
    columns = ", ".join(condition.columns)
    if len(condition.columns) == 1:
        return f" AND {columns} = ANY(${first}::text[])"
    lists = ", ".join(f"${first + at}::text[]" for at in range(len(condition.columns)))
    return f" AND ({columns}) IN (SELECT * FROM unnest({lists}))"


def _sql_operator(comparison: Comparison) -> str:
    return "IS DISTINCT FROM" if comparison.operator == "!=" else comparison.operator


def _sql_cast(comparison: Comparison) -> str:
    """Without it a fraction could not be compared with a column of integers."""
    return "::float8" if comparison.field.kind is Kind.NUMBER else ""


class _Cursor:
    """Reads a text from left to right; refusals give positions in characters, from 1."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        return not self._text[self._at :].strip()

    def take_and(self) -> None:
        if not (match := _AND.match(self._text, self._at)):
            raise self.refusal(f"AND or the end; {_UNSUPPORTED}")
        self._at = match.end()

    def take(self, pattern: re.Pattern[str], allowed: Collection[str], kind: str) -> str:
        """The next word, which must be one of `allowed`."""
        word = self.peek(pattern)
        if word not in allowed:
            raise self.refusal(f"one of the {kind} {', '.join(allowed)}; {_UNSUPPORTED}")
        return self.accept(word)

    def peek(self, pattern: re.Pattern[str]) -> str:
        """The next word; empty when there is none such."""
        self._skip_space()
        match = pattern.match(self._text, self._at)
        return match[0] if match else ""

    def accept(self, word: str) -> str:
        self._at += len(word)
        return word

    def refusal(self, expected: str) -> InvalidRequest:
        self._skip_space()
        return invalid("filter", f"position {self._at + 1}: expected {expected}")

    def _skip_space(self) -> None:
        self._at = len(self._text) - len(self._text[self._at :].lstrip())


def _comparison(cursor: _Cursor, fields: Mapping[str, Field]) -> Comparison:
    name = cursor.take(_NAME, fields, "fields")
    field = fields[name]
    operator = cursor.take(_OPERATOR, _OPERATORS[field.kind], "operators")
    return Comparison(name, field, operator, _take_value(cursor, field))


def _take_value(cursor: _Cursor, field: Field) -> Value:
    word = cursor.peek(_LITERAL)
    value = _value(field, word) if word else None
    if value is None:
        raise cursor.refusal(_expected(field))
    cursor.accept(word)
    return value


def _expected(field: Field) -> str:
    if field.kind is Kind.ENUM:
        return f"one of the values {', '.join(field.values or ())}"
    return f"{_EXPECTED[field.kind]}; {_UNSUPPORTED}"


def _value(field: Field, word: str) -> Value | None:
    if word in _KEYWORDS:
        return None
    match field.kind:
        case Kind.TEXT:
            return _text(word)
        case Kind.NUMBER:
            return _number(word)
        case Kind.TIME:
            return _time(_unquoted(word))
        case Kind.ENUM:
            return (field.values or {}).get(_unquoted(word))


def _unquoted(word: str) -> str:
    return _ESCAPE.sub(r"\1", word[1:-1]) if word.startswith('"') else word


def _text(word: str) -> str | None:
    text = _unquoted(word)
    return text if storable(text) else None


def _number(word: str) -> float | None:
    number = float(word) if _NUMBER.fullmatch(word) else math.inf
    return number if math.isfinite(number) else None


def _time(text: str) -> datetime | None:
    """In UTC. No date has a leap second, nor a place before year 1 (OverflowError)."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if _TIME.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None

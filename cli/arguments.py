"""Turns what was typed into what the contract wants."""

import re
import sys
from datetime import timedelta
from typing import Any

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from libs.errors import invalid

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def name(collection: str, text: str) -> str:
    """A resource name; the collection may be left out."""
    return text if "/" in text else f"{collection}/{text}"


def text_or_input(text: str) -> str:
    """The text, or standard input for `-`."""
    return sys.stdin.read().rstrip("\n") if text == "-" else text


def enum(kind: Any, value: str) -> int:
    """The number of a choice in an enum of the contract: `user` is LAYER_USER."""
    prefix = kind.Name(0).removesuffix("UNSPECIFIED")
    number: int = kind.Value(f"{prefix}{value.upper()}")
    return number


def struct(text: str) -> Struct:
    """A JSON object."""
    try:
        message: Struct = Parse(text, Struct())
    except ParseError:
        raise invalid("metadata", "must be a JSON object") from None
    return message


def moment(text: str, field: str) -> Timestamp:
    """A time of RFC 3339: `2026-01-31T09:00:00Z`."""
    message = Timestamp()
    try:
        message.FromJsonString(text)
    except ValueError:
        raise invalid(field, "must be a time as 2026-01-31T09:00:00Z") from None
    return message


def rates(pairs: list[str], field: str) -> dict[str, float]:
    """`user=0.03` and so on; `default` alone: none."""
    if pairs == ["default"]:
        return {}
    try:
        split = (pair.split("=") for pair in pairs)
        return {layer: float(rate) for layer, rate in split}
    except ValueError:
        raise invalid(field, "must be a layer and a rate as user=0.03") from None


def money(text: str, currency: str, field: str) -> Money:
    """`100` or `2.50`, exactly."""
    if not re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text):
        raise invalid(field, "must be an amount as 100 or 2.50")
    units, _, parts = text.partition(".")
    return Money(currency_code=currency, units=int(units), nanos=int(parts.ljust(9, "0")))


def duration(text: str, field: str) -> timedelta:
    """`90s`, `15m`, `12h` or `30d`."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if not match:
        raise invalid(field, "must be a number with its unit: 90s, 15m, 12h, 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def ahead(text: str, field: str) -> Timestamp:
    """The moment that is a `duration` from now."""
    moment = Timestamp()
    moment.GetCurrentTime()
    moment.seconds += int(duration(text, field).total_seconds())
    return moment

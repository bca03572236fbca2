"""Between the contract's common messages and the suite's own types, both ways."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from aeterna.common.v1 import change_pb2, scope_pb2
from libs.changes import Asked, Operation, Origin, Request
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.scope import PLACE, SCOPE_IDS, Scope
from libs.service.caller import Caller
from libs.spine.changes import LoggedChange

E = TypeVar("E")

_BILLION = 10**9

_OPERATIONS = {
    each.value: change_pb2.Operation.Value(f"OPERATION_{each.name}") for each in Operation
}


def scope_from(message: scope_pb2.Scope) -> Scope:
    """The ids of the message."""
    return Scope(*(getattr(message, name) for name in SCOPE_IDS))


def scope_to(scope: Scope) -> scope_pb2.Scope:
    """The message of a scope."""
    return scope_pb2.Scope(**{name: getattr(scope, name) for name in SCOPE_IDS})


def timestamp(moment: datetime) -> Timestamp:
    """The message of a moment, to the microsecond."""
    message = Timestamp()
    message.FromDatetime(moment.astimezone(UTC))
    return message


def moment(message: Timestamp, field: str) -> datetime:
    """The moment of a message, to the microsecond.

    Raises:
        InvalidRequest: It is not in the years 1 to 9999; `field` is named.
    """
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError) as exc:
        raise invalid(field, "must be between the years 1 and 9999") from exc


def money_to(amount: Decimal, currency: str) -> Money:
    """The message of an amount, to a billionth."""
    nanos = int((amount * _BILLION).to_integral_value())
    units = abs(nanos) // _BILLION * (1 if nanos >= 0 else -1)
    return Money(currency_code=currency, units=units, nanos=nanos - units * _BILLION)


def money_from(message: Money, currency: str, field: str) -> Decimal:
    """The amount of a message that must be in `currency`, and not negative.

    Raises:
        InvalidRequest: It is not, or is no amount; `field` is named.
    """
    if message.currency_code != currency:
        raise invalid(f"{field}.currency_code", f"must be {currency}, as the prices are")
    if message.units < 0:
        raise invalid(f"{field}.units", "must not be negative")
    if not 0 <= message.nanos < _BILLION:
        raise invalid(f"{field}.nanos", "must be 0 to 999999999")
    return Decimal(message.units) + Decimal(message.nanos) / _BILLION


def change_to(change: LoggedChange) -> change_pb2.Change:
    """The message of a row of the change log."""
    return change_pb2.Change(
        number=change.number,
        resource=change.resource,
        operation=_OPERATIONS.get(change.operation, change_pb2.OPERATION_UNSPECIFIED),
        actor=change.actor,
        subject=change.subject,
        layer=change.layer,
        trace_id=change.trace_id,
        commit_time=timestamp(change.committed_at),
        scope=_place_to(change.details),
    )


def _place_to(details: Mapping[str, str]) -> scope_pb2.Scope | None:
    """Where a change is, as far as the log says it."""
    ids = {PLACE[name]: details[name] for name in PLACE if name in details}
    return scope_pb2.Scope(**ids) if ids else None


def enum_from(values: Mapping[int, E], value: int, field: str) -> E:
    """The own value of an enum of the contract; UNSPECIFIED is refused.

    Raises:
        InvalidRequest: `value` is not among `values`; `field` is named.
    """
    if value not in values:
        raise invalid(field, "is required")
    return values[value]


def masked(
    message: Message, paths: list[str], allowed: tuple[str, ...], field: str = "update_mask"
) -> tuple[str, ...]:
    """The fields that an update replaces (AIP-134): those of the mask, or those that are set.

    Raises:
        InvalidRequest: The mask names another field, or there is nothing to update.
    """
    if "*" in paths:
        return allowed
    for path in paths:
        if path not in allowed:
            raise invalid(field, f"may name {', '.join(allowed)} only")
    names = tuple(paths) or tuple(name for name in allowed if _is_set(message, name))
    if not names:
        raise invalid(field, "nothing to update")
    return names


def _is_set(message: Message, name: str) -> bool:
    descriptor = message.DESCRIPTOR.fields_by_name[name]
    return message.HasField(name) if descriptor.has_presence else bool(getattr(message, name))


async def asked(caller: Caller, keyring: Keyring, method: str, message: Message) -> Asked:
    """Who asks for a change, and the request to remember when it has an id."""
    request_id: str = getattr(message, "request_id")  # noqa: B009 - Message has no such attribute
    if not request_id:
        return Asked(caller.origin, None)
    identity = UUID(request_id)
    content = message.SerializeToString(deterministic=True)
    fingerprint = await keyring.mac(caller.route, "request", method.encode() + b"\0" + content)
    origin = Origin(caller.origin.actor, caller.origin.trace_id, str(identity))
    return Asked(origin, Request(identity, method, fingerprint))

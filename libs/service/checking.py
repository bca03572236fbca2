"""What a message has to keep of its contract's rules. Knows nothing of what carried it."""

from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from protovalidate import Validator

from libs.errors import AppError, FieldViolation, InvalidRequest, Kind


class MalformedMessage(AppError):
    """The bytes are not a message of the expected type."""

    kind, reason = Kind.INVALID, "MALFORMED_MESSAGE"

    def __init__(self) -> None:
        super().__init__("The request is not a valid message of its type.")


@dataclass(frozen=True, slots=True)
class Malformed:
    """Stands in for a request that could not be parsed, until it may be answered. `id` is what an
    answer is to name, as far as that could be read; `size` is in bytes."""

    error: AppError = field(default_factory=MalformedMessage)
    id: str = ""
    size: int = 0


class Checker:
    """Checks messages by the rules that their contracts state."""

    def __init__(self) -> None:
        self._validator = Validator()

    def checked(self, request: Message | Malformed) -> Message:
        """The request, if it keeps them.

        Raises:
            MalformedMessage, InvalidRequest: It does not.
        """
        if isinstance(request, Malformed):
            raise request.error
        violations = self._validator.collect_violations(request)
        if violations:
            raise InvalidRequest([_violation(each.proto) for each in violations])
        return request


def _violation(violation: Any) -> FieldViolation:
    """A rule of the contract that was broken, without the value that broke it."""
    path = ".".join(map(_path_part, violation.field.elements))
    return FieldViolation(path, violation.message or violation.rule_id)


def _path_part(element: Any) -> str:
    """A field's name, with the place in a list. The key of a map is the caller's text: left out."""
    subscript = element.subscript
    place = f"[{subscript.value}]" if subscript and subscript.field == "index" else ""
    return f"{element.field_name}{place}"

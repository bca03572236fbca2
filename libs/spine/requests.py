"""Idempotency (AIP-155): a repeat of a request id gets the first answer.

What is remembered is ids and versions, never content; the fingerprint is a keyed hash of the
request, so that an id reused for something else is refused.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from libs.changes import Request
from libs.errors import AppError, Kind
from libs.spine import Write

KEPT_FOR = timedelta(hours=24)  # at least
KEY = "request_pkey"
_FORGETTING = 256  # changes of a tenant after which old answers are dropped
_FORGOTTEN = 2 * _FORGETTING  # at most, at a time: more than can have come since
_NONE: Mapping[UUID, tuple[Request, dict[str, Any]]] = {}

_ANSWERED = """
    SELECT request_id, method, fingerprint, result FROM aeterna.request
    WHERE tenant_id = $1 AND request_id = ANY($2::uuid[])
"""
# In the order of the index by age, which leaves alone what is young.
_FORGET = """
    DELETE FROM aeterna.request WHERE tenant_id = $1 AND request_id = ANY(ARRAY(
        SELECT request_id FROM aeterna.request
        WHERE tenant_id = $1 AND created_at < now() - $2::interval ORDER BY created_at LIMIT $3))
"""
_REMEMBER = """
    INSERT INTO aeterna.request (tenant_id, request_id, method, fingerprint, result)
    SELECT $1, r.id, r.method, r.fingerprint, r.result
    FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::jsonb[])
        AS r (id, method, fingerprint, result)
"""


class RequestIdReused(AppError):
    """The request id was used before, for another request."""

    kind, reason = Kind.INVALID, "REQUEST_ID_REUSED"

    def __init__(self, request_id: UUID) -> None:
        super().__init__(
            f"Request id {request_id} was used for another request.", requestId=str(request_id)
        )


class Answers:
    """The answers to the requests of one write: those given before, and those of this write."""

    def __init__(self, before: Mapping[UUID, tuple[Request, dict[str, Any]]] = _NONE) -> None:
        self._known = dict(before)
        self._new: list[tuple[Request, dict[str, Any]]] = []

    @classmethod
    async def load(cls, write: Write, requests: Iterable[Request | None]) -> "Answers":
        """What was answered before to any of these."""
        ids = [request.id for request in requests if request]
        if not ids:
            return cls()
        rows = await write.conn.fetch(_ANSWERED, write.route.tenant, ids)
        return cls(
            {
                row["request_id"]: (
                    Request(row["request_id"], row["method"], row["fingerprint"]),
                    json.loads(row["result"]),
                )
                for row in rows
            }
        )

    def get(self, request: Request | None) -> dict[str, Any] | None:
        """The first answer to `request`, if there was one.

        Raises:
            RequestIdReused: Its id belongs to another request.
        """
        if request is None or request.id not in self._known:
            return None
        first, result = self._known[request.id]
        if first != request:
            raise RequestIdReused(request.id)
        return result

    def add(self, request: Request | None, result: dict[str, Any]) -> None:
        """Remembers an answer; a request without an id is not remembered."""
        if request is not None:
            self._known[request.id] = (request, result)
            self._new.append((request, result))

    def save(self, write: Write) -> None:
        """Stores the new answers with the write that they answer.

        A request that was answered before, but not loaded, violates the constraint KEY then.
        """
        if self._new:
            write.add(_REMEMBER, *_columns(self._new))


def forget(write: Write, first: int, count: int) -> None:
    """Drops what need not be remembered, now and then: as part of a write of so many changes."""
    if (first + count - 1) // _FORGETTING > (first - 1) // _FORGETTING:
        write.add(_FORGET, KEPT_FOR, _FORGOTTEN)


def _columns(answers: Sequence[tuple[Request, dict[str, Any]]]) -> tuple[list[Any], ...]:
    return (
        [request.id for request, _ in answers],
        [request.method for request, _ in answers],
        [request.fingerprint for request, _ in answers],
        [json.dumps(result) for _, result in answers],
    )

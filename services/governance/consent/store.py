"""Consents in the shard's PostgreSQL; each change is a row of the change log."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import asyncpg

from libs.changes import Asked, Change, Operation
from libs.consent import ConsentPolicy
from libs.consent.known import POLICY, policy_of
from libs.errors import invalid
from libs.spine import SubjectErased, Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.wakeups import Wakeups
from services.governance.consent.domain import NAME, Consent, changed
from services.governance.consent.errors import ConsentNotFound

_COLUMNS = "subject, purpose, granted, expires_at, number, updated_at"
_GET = f"""
    SELECT {_COLUMNS} FROM aeterna.consent
    WHERE tenant_id = $1 AND subject = $2 AND purpose = $3
"""
_PAGE = f"""
    SELECT {_COLUMNS} FROM aeterna.consent
    WHERE tenant_id = $1 AND ($2 = '' OR subject = $2) AND (subject, purpose) > ($3, $4)
    ORDER BY subject, purpose LIMIT $5
"""
_EVENTS = """
    SELECT subject, purpose, granted, expires_at, number, happened_at AS updated_at, actor
    FROM aeterna.consent_event WHERE tenant_id = $1 AND subject = $2 AND number > $3
    ORDER BY number LIMIT $4
"""
_PUT = """
    INSERT INTO aeterna.consent
        (tenant_id, subject, purpose, granted, expires_at, number, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, subject, purpose) DO UPDATE SET granted = excluded.granted,
        expires_at = excluded.expires_at, number = excluded.number,
        updated_at = excluded.updated_at
"""
_TELL = """
    INSERT INTO aeterna.consent_event
        (tenant_id, subject, purpose, granted, expires_at, number, happened_at, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_PUT_POLICY = """
    INSERT INTO aeterna.consent_policy (tenant_id, purposes, required_to_store,
        required_to_retrieve, knowledge_authors, version, number, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (tenant_id) DO UPDATE SET purposes = excluded.purposes,
        required_to_store = excluded.required_to_store,
        required_to_retrieve = excluded.required_to_retrieve,
        knowledge_authors = excluded.knowledge_authors,
        version = excluded.version, number = excluded.number, updated_at = excluded.updated_at
"""


@dataclass(frozen=True)
class PostgresConsents:
    """Every method raises StoreUnavailable when the shard cannot be reached; those that write also
    RequestIdReused, TenantMoved, TenantSuspended and SubjectErased."""

    wakeups: Wakeups
    now: Callable[[], datetime]

    async def note(
        self,
        route: Route,
        asked: Asked,
        subject: str,
        purpose: str,
        *,
        granted: bool,
        expires_at: datetime | None = None,
    ) -> Consent:
        """Notes what a person says; a repeat of the request gets the first answer.

        Raises:
            InvalidRequest: The tenant has no such purpose, or the end is over already.
            ConsentNotFound: What was never granted is to be withdrawn.
        """
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is None:
                consent = await self._noted(write, asked, subject, purpose, granted, expires_at)
                answers.add(asked.request, {"number": consent.number})
                answers.save(write)
            else:
                consent = await _answered(write, subject, answer["number"])
        self.wakeups.publish(route.tenant)
        return consent

    async def get(self, route: Route, subject: str, purpose: str) -> Consent | None:
        """The last word of a person on a purpose."""
        rows = _consents(await read(route, _GET, subject, purpose))
        return rows[0] if rows else None

    async def page(
        self, route: Route, subject: str, after: tuple[str, str], limit: int
    ) -> list[Consent]:
        """By person and purpose, those after the given ones; `subject`: "" for all."""
        return _consents(await read(route, _PAGE, subject, *after, limit))

    async def events(self, route: Route, subject: str, since: int, limit: int) -> list[Consent]:
        """What a person has said after the change `since`, oldest first."""
        return _consents(await read(route, _EVENTS, subject, since, limit))

    async def policy(self, route: Route) -> ConsentPolicy:
        """What the tenant asks consent for."""
        return policy_of(await read(route, POLICY))

    async def update(
        self, route: Route, asked: Asked, expected: int, values: Mapping[str, Any]
    ) -> ConsentPolicy:
        """Changes the policy; a repeat of the request gets the policy as it is.

        Raises:
            PolicyVersionMismatch, InvalidRequest: As they say.
        """
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            policy = policy_of(await write.conn.fetch(POLICY, route.tenant))
            if answers.get(asked.request) is None:
                policy = changed(policy, expected, values, self.now())
                number = await write.append([Change(NAME, Operation.UPDATED, asked.origin)])
                policy = replace(policy, number=number)
                write.add(_PUT_POLICY, *asdict(policy).values())
                answers.add(asked.request, {"version": policy.version})
                answers.save(write)
        self.wakeups.publish(route.tenant)
        return policy

    async def _noted(
        self,
        write: Write,
        asked: Asked,
        subject: str,
        purpose: str,
        granted: bool,
        expires_at: datetime | None,
    ) -> Consent:
        tenant, now = write.route.tenant, self.now()
        policy = policy_of(await write.conn.fetch(POLICY, tenant))
        if granted and purpose not in policy.purposes:
            raise invalid("purpose", f"must be one of {', '.join(policy.purposes)}")
        if expires_at is not None and expires_at <= now:
            raise invalid("expire_time", "must be later than now")
        if not granted and not await write.conn.fetch(_GET, tenant, subject, purpose):
            raise ConsentNotFound(purpose)
        event = "consent.granted" if granted else "consent.withdrawn"
        change = Change("consents", Operation.RECORDED, asked.origin, subject, event=event)
        number = await write.append([change])
        values = (subject, purpose, granted, expires_at, number, now)
        write.add(_PUT, *values)
        write.add(_TELL, *values, asked.origin.actor)
        write.add(_PUT_POLICY, *asdict(replace(policy, number=number)).values())
        return Consent(*values, actor=asked.origin.actor)


async def _answered(write: Write, subject: str, number: int) -> Consent:
    """What was noted before; raises SubjectErased."""
    tenant = write.route.tenant
    for consent in _consents(await write.conn.fetch(_EVENTS, tenant, subject, number - 1, 1)):
        if consent.number == number:
            return consent
    raise SubjectErased(tenant)


def _consents(rows: list[asyncpg.Record]) -> list[Consent]:
    return [Consent(**row) for row in rows]

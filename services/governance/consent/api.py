"""gRPC servicer of consents: translates, nothing else."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aeterna.governance.v1 import consent_pb2 as pb
from aeterna.governance.v1 import consent_pb2_grpc as pb_grpc
from libs.aip.paging import Page, bad_token
from libs.consent import ConsentPolicy
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.service.caller import Caller, caller
from libs.service.convert import asked, masked, moment, timestamp
from libs.service.pipeline import Context
from services.governance.consent.domain import NAME, Consent
from services.governance.consent.store import PostgresConsents

_LISTS = ("purposes", "required_to_store", "required_to_retrieve")
_MUTABLE = (*_LISTS, "knowledge_authors")


class ConsentServicer(pb_grpc.ConsentServiceServicer):
    """`aeterna.governance.v1.ConsentService` over the store."""

    def __init__(
        self, consents: PostgresConsents, keyring: Keyring, now: Callable[[], datetime]
    ) -> None:
        self._consents, self._keyring, self._now = consents, keyring, now

    async def GrantConsent(self, request: pb.GrantConsentRequest, context: Context) -> pb.Consent:
        current = _of(request.subject)
        by = await asked(current, self._keyring, "GrantConsent", request)
        ends = (
            moment(request.expire_time, "expire_time") if request.HasField("expire_time") else None
        )
        consent = await self._consents.note(
            current.route, by, request.subject, request.purpose, granted=True, expires_at=ends
        )
        return self._message(consent)

    async def WithdrawConsent(
        self, request: pb.WithdrawConsentRequest, context: Context
    ) -> pb.Consent:
        current = _of(request.subject)
        by = await asked(current, self._keyring, "WithdrawConsent", request)
        consent = await self._consents.note(
            current.route, by, request.subject, request.purpose, granted=False
        )
        return self._message(consent)

    async def ListConsents(
        self, request: pb.ListConsentsRequest, context: Context
    ) -> pb.ListConsentsResponse:
        current = _of(request.subject)
        binding = f"ListConsents/{current.tenant}/{request.subject}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._consents.page(current.route, request.subject, _after(page), page.limit)
        shown, token = page.cut(found, lambda each: f"{each.subject}\n{each.purpose}")
        return pb.ListConsentsResponse(consents=map(self._message, shown), next_page_token=token)

    async def ListConsentEvents(
        self, request: pb.ListConsentEventsRequest, context: Context
    ) -> pb.ListConsentEventsResponse:
        current = _of(request.subject)
        binding = f"ListConsentEvents/{current.tenant}/{request.subject}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        since = page.after_number()
        found = await self._consents.events(current.route, request.subject, since, page.limit)
        shown, token = page.cut(found, lambda each: each.number)
        events = [
            pb.ConsentEvent(consent=_message(each, expired=False), actor=each.actor)
            for each in shown
        ]
        return pb.ListConsentEventsResponse(events=events, next_page_token=token)

    async def CheckConsent(
        self, request: pb.CheckConsentRequest, context: Context
    ) -> pb.CheckConsentResponse:
        route = caller().route
        policy = await self._consents.policy(route)
        if request.purpose not in policy.purposes:
            raise invalid("purpose", f"must be one of {', '.join(policy.purposes)}")
        consent = await self._consents.get(route, request.subject, request.purpose)
        return pb.CheckConsentResponse(
            allowed=consent is not None and consent.counts(self._now()),
            consent=self._message(consent) if consent else None,
        )

    async def GetConsentPolicy(
        self, request: pb.GetConsentPolicyRequest, context: Context
    ) -> pb.ConsentPolicy:
        return _policy(await self._consents.policy(caller().route))

    async def UpdateConsentPolicy(
        self, request: pb.UpdateConsentPolicyRequest, context: Context
    ) -> pb.ConsentPolicy:
        current, given = caller(), request.consent_policy
        if given.name != NAME:
            raise invalid("consent_policy.name", f"must be {NAME}")
        names = masked(given, list(request.update_mask.paths), _MUTABLE)
        if "purposes" in names and not given.purposes:
            raise invalid("consent_policy.purposes", "must not be empty")
        by = await asked(current, self._keyring, "UpdateConsentPolicy", request)
        values: dict[str, Any] = {name: getattr(given, name) for name in names}
        values |= {name: list(values[name]) for name in _LISTS if name in values}
        changed = await self._consents.update(current.route, by, given.version, values)
        return _policy(changed)

    def _message(self, consent: Consent) -> pb.Consent:
        return _message(consent, expired=consent.granted and not consent.counts(self._now()))


def _of(subject: str) -> Caller:
    """The caller, who is the person or an administrator."""
    current = caller()
    if not subject or current.identity.subject != subject:
        current.demand("HandleConsents")
    return current


def _after(page: Page) -> tuple[str, str]:
    match page.key:
        case None:
            return "", ""
        case [str(key)] if key.count("\n") == 1:
            subject, _, purpose = key.partition("\n")
            return subject, purpose
    raise bad_token()


def _message(consent: Consent, *, expired: bool) -> pb.Consent:
    granted = pb.CONSENT_STATE_EXPIRED if expired else pb.CONSENT_STATE_GRANTED
    return pb.Consent(
        subject=consent.subject,
        purpose=consent.purpose,
        state=granted if consent.granted else pb.CONSENT_STATE_WITHDRAWN,
        update_time=timestamp(consent.updated_at),
        expire_time=timestamp(consent.expires_at) if consent.expires_at else None,
        change_number=consent.number,
    )


def _policy(policy: ConsentPolicy) -> pb.ConsentPolicy:
    return pb.ConsentPolicy(
        name=NAME,
        version=policy.version,
        purposes=policy.purposes,
        required_to_store=policy.required_to_store,
        required_to_retrieve=policy.required_to_retrieve,
        knowledge_authors=policy.knowledge_authors,
        update_time=timestamp(policy.updated_at) if policy.updated_at else None,
    )

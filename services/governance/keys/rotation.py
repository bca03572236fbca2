"""New keys: of the tenant and of one subject at once, of all subjects in steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from libs.changes import Asked
from libs.encryption import SubjectKeyNotFound, TenantKeyMissing
from libs.encryption.keyring import Keyring
from libs.encryption.store import KeyStore, StoredSubjectKey
from libs.operations import Fields, Progress
from libs.operations.asking import origin_of
from libs.spine import SubjectErased
from libs.tenancy import Route
from services.governance.keys.ports import Keys

KIND = "RotateSubjectKeys"
_BATCH = 200


@dataclass(frozen=True)
class Rotation:
    """Rotates what one call can."""

    keys: Keys
    store: KeyStore
    keyring: Keyring

    async def tenant(self, route: Route, asked: Asked) -> int:
        """A new version of the tenant's key, or the one that the request made before.

        Raises:
            TenantKeyMissing: The tenant was never given a key.
            KmsUnavailable and others: The key management service makes none.
        """
        while True:
            stored = await self.store.tenant_keys(route)
            if not stored:
                raise TenantKeyMissing(route.tenant)
            fresh = await self.keyring.hierarchy.new_tenant_key(route, stored[-1].version + 1)
            added = await self.keys.add_tenant_key(route, asked, fresh)
            if added is not None:
                self.keyring.invalidate(route.tenant)
                return added

    async def subject(self, route: Route, asked: Asked, subject: str) -> UUID:
        """A new key of the subject, or the one that the request made before.

        Raises:
            SubjectKeyNotFound: It has none that could be followed.
        """
        while True:
            newest = await self.store.newest_subject_key(route, subject)
            if newest is None:
                raise SubjectKeyNotFound
            fresh = await _next(self.keyring, route, subject, newest.version)
            added = await self.keys.add_subject_key(route, asked, fresh)
            self.keyring.invalidate(route.tenant)
            if added is not None:
                return added


async def _next(keyring: Keyring, route: Route, subject: str, version: int) -> StoredSubjectKey:
    return await keyring.hierarchy.new_subject_key(route, subject, version + 1)


@dataclass(frozen=True)
class RotateAll:
    """`libs.operations.Step` of RotateSubjectKeys. Keys that are made meanwhile are young enough: a
    step that is repeated makes none twice."""

    keys: Keys
    keyring: Keyring
    now: Callable[[], datetime]

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        if not progress.cursor:
            return await self._start(route, parameters)
        before = datetime.fromisoformat(progress.cursor["before"])
        aged = await self.keys.aged(route, before, progress.cursor["after"], _BATCH)
        made = await self._make(route, parameters, aged)
        done = progress.done + len(aged)
        return Progress(
            done,
            max(progress.total, done),
            finished=len(aged) < _BATCH,
            cursor={"before": before.isoformat(), "after": aged[-1][0] if aged else None},
            result={"subject_keys": progress.result.get("subject_keys", 0) + made},
        )

    async def _start(self, route: Route, parameters: Fields) -> Progress:
        before = self.now() - timedelta(seconds=parameters["older_than"])
        total = await self.keys.count_aged(route, before)
        return Progress(0, total, cursor={"before": before.isoformat(), "after": None})

    async def _make(self, route: Route, parameters: Fields, aged: Sequence[tuple[str, int]]) -> int:
        fresh = [await _next(self.keyring, route, *each) for each in aged]
        if not fresh:
            return 0
        try:
            made = await self.keys.add_subject_keys(route, origin_of(parameters), fresh)
        except SubjectErased:  # one of them is; the others are rotated all the same
            made = sum([await self._make_one(route, parameters, each) for each in fresh])
        self.keyring.invalidate(route.tenant)
        return made

    async def _make_one(self, route: Route, parameters: Fields, key: StoredSubjectKey) -> int:
        try:
            return await self.keys.add_subject_keys(route, origin_of(parameters), [key])
        except SubjectErased:
            return 0

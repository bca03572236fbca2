"""Wraps keys anew, those of the tenant by the key management service and those of subjects by the
newest of these; what they seal is not touched."""

from dataclasses import dataclass
from uuid import UUID

from libs.encryption.keyring import Keyring
from libs.encryption.store import KeyStore
from libs.operations import Fields, Progress
from libs.tenancy import Route
from services.governance.keys.ports import Keys

KIND = "RewrapTenantKeys"
_BATCH = 500
_NOWHERE = UUID(int=0)


@dataclass(frozen=True)
class Rewrap:
    """`libs.operations.Step` of RewrapTenantKeys: the tenant's keys in the first step."""

    keys: Keys
    store: KeyStore
    keyring: Keyring

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        if not progress.cursor:
            return await self._tenant_keys(route)
        return await self._subject_keys(route, progress)

    async def _tenant_keys(self, route: Route) -> Progress:
        stored = await self.store.tenant_keys(route)
        rewrapped = 0
        for key in stored:
            fresh = await self.keyring.hierarchy.rewrapped_by_kms(route, key)
            rewrapped += await self.keys.replace_tenant_key(route, key, fresh)
        self.keyring.invalidate(route.tenant)
        newest = stored[-1].version if stored else 0
        old = await self.keys.count_wrapped_before(route, newest)
        return Progress(
            len(stored),
            len(stored) + old,
            finished=not old,
            cursor={"newest": newest, "after": str(_NOWHERE)},
            result={"tenant_keys": rewrapped, "subject_keys": 0},
        )

    async def _subject_keys(self, route: Route, progress: Progress) -> Progress:
        newest, after = progress.cursor["newest"], UUID(progress.cursor["after"])
        old = await self.keys.wrapped_before(route, newest, after, _BATCH)
        changed = [(key, await self.keyring.hierarchy.rewrapped(route, key)) for key in old]
        count = await self.keys.replace_subject_keys(route, changed) if changed else 0
        done = progress.done + len(old)
        return Progress(
            done,
            max(progress.total, done),
            finished=len(old) < _BATCH,
            cursor={"newest": newest, "after": str(old[-1].id if old else after)},
            result={
                **progress.result,
                "subject_keys": progress.result["subject_keys"] + count,
            },
        )

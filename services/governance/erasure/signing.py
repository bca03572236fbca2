"""Whose signatures vouch for rows of the change log that erasing a person has changed."""

from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from libs.audit.amendments import voucher
from libs.signing.store import public_keys
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId


@dataclass(frozen=True)
class SignedAmendments:
    """`Vouchers` of the platform's keys; `control` is a pool of governance's role."""

    control: asyncpg.Pool

    async def voucher(self, tenant: TenantId) -> Callable[[LoggedChange], bool]:
        """Says whether the platform has signed a row of the log as it is."""
        return voucher(tenant, (await public_keys(self.control)).values())

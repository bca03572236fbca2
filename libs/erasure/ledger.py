"""What was asked to be erased, as the control database keeps it; services read, governance writes.

Who it was is sealed, so that no dump of the database says it.
"""

import json
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from libs.encryption.kms import Context, Kms
from libs.erasure import Erasure, Strategy
from libs.erasure.vault import Kept, keep, reopen
from libs.errors import AppError, Kind
from libs.postgres import lend, store_errors
from libs.tenancy import TenantId

_GET = """
    SELECT strategy, pseudonym, kms_key_id, wrapped, request FROM control.erasure
    WHERE tenant_id = $1 AND id = $2
"""


class ErasureNotFound(AppError):
    """There is no such erasure in the tenant."""

    kind, reason = Kind.NOT_FOUND, "ERASURE_NOT_FOUND"

    def __init__(self, erasure: UUID) -> None:
        name = f"erasures/{erasure}"
        super().__init__(f"There is no {name}.", erasure=name)


class ErasureForgotten(AppError):
    """Who it was is not known any more, as no backup is so old."""

    kind, reason = Kind.PRECONDITION, "ERASURE_FORGOTTEN"

    def __init__(self, erasure: UUID) -> None:
        name = f"erasures/{erasure}"
        super().__init__(f"Who {name} was of is not kept any more.", erasure=name)


@dataclass(frozen=True)
class Ledger:
    """Erasures of all tenants."""

    control: asyncpg.Pool
    kms: Kms

    async def asked(self, tenant: TenantId, erasure: UUID) -> Erasure:
        """Who is to be erased, and how.

        Raises:
            ErasureNotFound, ErasureForgotten: As they say.
            StoreUnavailable: The control database cannot be reached.
        """
        with store_errors():
            async with lend(self.control) as conn:
                row = await conn.fetchrow(_GET, tenant, erasure)
        if row is None:
            raise ErasureNotFound(erasure)
        if row["wrapped"] is None:
            raise ErasureForgotten(erasure)
        kept = Kept(row["kms_key_id"], row["wrapped"], row["request"])
        asked = json.loads(await reopen(self.kms, _context(tenant, erasure), kept))
        return Erasure(
            erasure,
            asked["subject"],
            tuple(asked["identifiers"]),
            Strategy(row["strategy"]),
            row["pseudonym"],
        )

    async def sealed(self, tenant: TenantId, erasure: Erasure) -> Kept:
        """What is kept of it."""
        asked = {"subject": erasure.subject, "identifiers": erasure.identifiers}
        data = json.dumps(asked, ensure_ascii=False).encode()
        return await keep(self.kms, _context(tenant, erasure.id), data)


def _context(tenant: TenantId, erasure: UUID) -> Context:
    return {"purpose": "erasure", "tenant": tenant, "erasure": str(erasure)}

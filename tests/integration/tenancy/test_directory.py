"""The routes in memory while the control database cannot be heard."""

from urllib.parse import urlsplit

import pytest

from libs.postgres import CONTROL_ROLE
from libs.tenancy import TenantId, TenantSuspended
from libs.tenancy.directory import Directory, open_directory
from tests.databases import Database, add_tenant
from tests.eventually import eventually
from tests.gate import gate_to

ACME = TenantId("acme")
SILENCE = 0.2  # seconds


async def until_known(directory: Directory) -> None:
    """Until the directory hears announcements, and so keeps the tenant's route."""

    async def known() -> bool:
        await directory.route(ACME)
        return directory.known == 1

    await eventually(known)


async def test_a_route_is_not_kept_when_the_control_database_falls_silent(
    database: Database,
) -> None:
    await add_tenant(database, ACME)
    async with gate_to(database.superuser) as gate:
        through_gate = (
            f"postgresql://{urlsplit(gate.url).netloc.rpartition('@')[2]}/{database.name}"
        )
        settings = database.settings().model_copy(update={"dsn": through_gate})
        async with open_directory(settings, silence=SILENCE) as directory:
            await until_known(directory)

            gate.freeze()
            async with database.connect(CONTROL_ROLE) as conn:
                await conn.execute("UPDATE control.tenant SET state = 'suspended'")

            async def forgotten() -> bool:
                return directory.known == 0

            await eventually(forgotten)
            gate.thaw()
            with pytest.raises(TenantSuspended):
                await directory.route(ACME)

"""Escalates and expires requests when it is time: any replica, a second late at most."""

from datetime import timedelta

from libs.service.rounds import TenantRounds, answering
from libs.tenancy import Route
from libs.tenancy.directory import Directory
from services.governance.approvals.ports import Requests

_INTERVAL = timedelta(seconds=1)
_WHOM = "SELECT * FROM aeterna.tenants_with_due_approvals()"


def timers(requests: Requests, directory: Directory) -> TenantRounds:
    """Does what is due, of every tenant."""

    async def tick(route: Route) -> None:
        while await requests.tick(route):
            pass

    return TenantRounds("approvals.due", directory, answering(_WHOM), tick, _INTERVAL)

"""Looks every few seconds whether a shard lacks erasures, as one does that was restored."""

import asyncio
from datetime import timedelta
from itertools import groupby

import structlog

from libs.errors import AppError
from libs.service.errors import expected
from libs.tenancy.directory import Directory
from services.governance.erasure.operations import Erasures

log = structlog.get_logger(__name__)


async def replaying(
    erasures: Erasures, directory: Directory, interval: timedelta, kept_for: timedelta
) -> None:
    """Works until cancelled; what fails is tried again."""
    while True:
        try:
            await erasures.ledger.forget(kept_for)
            await _pass(erasures, directory)
        except AppError as exc:
            log.warning("erasure.not_looked_for", error=exc.reason)
        await asyncio.sleep(interval.total_seconds())


async def _pass(erasures: Erasures, directory: Directory) -> None:
    entries = sorted(await erasures.ledger.entries(), key=lambda each: each.tenant)
    for tenant, own in groupby(entries, key=lambda each: each.tenant):
        try:
            lacking = await erasures.begin_again(await directory.route(tenant), list(own))
        except Exception as exc:
            log.warning("erasure.not_replayed", tenant=tenant, error=expected(exc).reason)
        else:
            if lacking:
                log.warning("erasure.replaying", tenant=tenant, lacking=len(lacking))

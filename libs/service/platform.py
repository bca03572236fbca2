"""What every service stands on, opened once per process and closed in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from libs.auth.authenticator import Authenticator, open_authenticator
from libs.auth.clock import utc_now
from libs.authorization.authority import Authority
from libs.authorization.denials import Denials, open_denials
from libs.authorization.recording import Recorder, open_recorder
from libs.encryption.keyring import Keyring
from libs.encryption.kms import Kms, self_test
from libs.encryption.kms_guard import GuardedKms
from libs.encryption.settings import KmsSettings, open_kms
from libs.encryption.shares import ControlShares
from libs.encryption.store import PostgresKeyStore
from libs.errors import AppError, Kind
from libs.service.background import background
from libs.service.settings import PlatformSettings
from libs.tenancy.directory import Directory, open_directory
from libs.traffic import Traffic, open_traffic
from libs.usage.till import Spending, open_spending
from libs.wakeups import Wakeups
from libs.wakeups.settings import open_wakeups


class KmsNotForProduction(AppError):
    """Production mode was asked for with keys in a file."""

    kind, reason = Kind.PRECONDITION, "KMS_NOT_FOR_PRODUCTION"

    def __init__(self) -> None:
        super().__init__("Production mode refuses the local key management service.")


@dataclass(frozen=True, slots=True)
class Platform:
    """The shared parts; services take what they need."""

    settings: PlatformSettings
    authenticator: Authenticator
    directory: Directory
    kms: GuardedKms
    keyring: Keyring
    wakeups: Wakeups
    spending: Spending
    authority: Authority
    denials: Denials
    recorder: Recorder
    traffic: Traffic


@asynccontextmanager
async def open_platform(settings: PlatformSettings) -> AsyncIterator[Platform]:
    """Opens the shared parts and tests the keys.

    Raises:
        KmsUnusable, KmsUnavailable, KmsAccessDenied, KmsKeyMissing, KmsKeyDisabled: The self-test.
        KmsNotForProduction, LocalIssuerInProduction: Production mode with what is not meant for it.
        PricesInvalid: The file of prices cannot be used.
        StoreUnavailable: The control database cannot be reached.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(threadpool_limits(1, "blas"))  # its threads spin between small tasks
        kms = await stack.enter_async_context(open_kms(settings.kms))
        await _check(kms, settings.production)
        authenticator = await stack.enter_async_context(open_authenticator(settings.auth))
        directory = await stack.enter_async_context(open_directory(settings.control))
        wakeups = await stack.enter_async_context(open_wakeups(settings.wakeups, directory.control))
        traffic = await stack.enter_async_context(open_traffic(directory, utc_now))
        prices = settings.prices.open()
        spending = await stack.enter_async_context(open_spending(prices, directory, wakeups))
        await stack.enter_async_context(background(kms.look()))
        denials = await stack.enter_async_context(open_denials(wakeups, directory))
        recorder = await stack.enter_async_context(open_recorder())
        keyring = _keyring(kms, settings.kms, ControlShares(directory.control))
        yield Platform(
            settings,
            authenticator,
            directory,
            kms,
            keyring,
            wakeups,
            spending,
            Authority(wakeups),
            denials,
            recorder,
            traffic,
        )


def _keyring(kms: Kms, settings: KmsSettings, shares: ControlShares) -> Keyring:
    return Keyring(
        kms,
        PostgresKeyStore(),
        ttl_seconds=settings.keep.total_seconds(),
        grace_seconds=settings.outage_grace.total_seconds(),
        longest_use=settings.subject_key_age,
        shares=shares,
    )


async def _check(kms: Kms, production: bool) -> None:
    if production and not kms.is_production_safe:
        raise KmsNotForProduction
    await self_test(kms)

"""Which key management service wraps the tenants' keys, and opening it. The only module that knows
all providers."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

import httpx
from pydantic import BaseModel, Field, model_validator

from libs.encryption.errors import KmsUnusable
from libs.encryption.kms import Kms
from libs.encryption.kms_guard import GuardedKms
from libs.encryption.kms_local import LocalKms
from libs.encryption.vault_login import VaultSettings

_Provider = Literal["local", "aws", "vault"]


class AwsKeySettings(BaseModel, frozen=True):
    """Credentials come from boto3's own chain: variables, files, the pod's identity."""

    key: str = Field(min_length=1)  # ARN, id or alias/name of a symmetric key
    region: str | None = None  # boto3's own when not given
    endpoint_url: str | None = None  # of a private endpoint; AWS's own when not given


class ProviderSettings(BaseModel, frozen=True):
    """One provider, and what it needs."""

    provider: _Provider = "local"
    keyring: Path | None = None  # of `local`: its file; refused in production
    aws: AwsKeySettings | None = None
    vault: VaultSettings | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        name = "keyring" if self.provider == "local" else self.provider
        if getattr(self, name) is None:
            raise ValueError(f"provider {self.provider} needs {name}")
        return self


class KmsSettings(ProviderSettings, frozen=True):
    """The key management service. `previous` still unwraps what it wrapped, until all is rewrapped;
    it may be of another provider, or the same one with another key."""

    timeout: timedelta = timedelta(seconds=5)  # for one attempt at a call
    keep: timedelta = timedelta(minutes=10)  # unwrapped keys, before they are asked for again
    outage_grace: timedelta = timedelta(minutes=30)  # longer, while the service does not answer
    subject_key_age: timedelta | None = None  # then a subject gets a new key; never when not given
    previous: ProviderSettings | None = None


@asynccontextmanager
async def open_kms(settings: KmsSettings) -> AsyncIterator[GuardedKms]:
    """The service of these settings.

    Raises:
        KmsUnusable: What it needs cannot be read.
    """
    async with AsyncExitStack() as stack:
        current = await stack.enter_async_context(_open(settings, settings.timeout))
        previous = None
        if settings.previous:
            opened = _open(settings.previous, settings.timeout)
            previous = await stack.enter_async_context(opened)
        yield GuardedKms(current, previous)


@asynccontextmanager
async def _open(settings: ProviderSettings, patience: timedelta) -> AsyncIterator[Kms]:
    match settings:
        case ProviderSettings(provider="local", keyring=Path() as keyring):
            yield LocalKms.open(keyring)
        case ProviderSettings(provider="aws", aws=AwsKeySettings() as aws):
            from libs.encryption.kms_aws import AwsKms  # boto3 is slow to import

            with closing(AwsKms(aws.key, aws.region, aws.endpoint_url, patience)) as opened:
                yield opened
        case ProviderSettings(provider="vault", vault=VaultSettings() as vault):
            async with _vault(vault, patience) as kms:
                yield kms
        case _:
            raise KmsUnusable("its settings are incomplete")


@asynccontextmanager
async def _vault(settings: VaultSettings, patience: timedelta) -> AsyncIterator[Kms]:
    from libs.encryption.kms_vault import VaultKms

    headers = {"X-Vault-Namespace": settings.namespace} if settings.namespace else {}
    try:
        trusted = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as exc:
        raise KmsUnusable("the file of certificates for Vault cannot be read") from exc
    async with httpx.AsyncClient(
        base_url=settings.url,
        headers=headers,
        timeout=patience.total_seconds(),
        verify=trusted,
        trust_env=False,
    ) as client:
        yield VaultKms(client, settings.login(), settings.mount, settings.key)

"""What only Vault and OpenBao have: logins, namespaces, versions that are too old; a double."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from libs.encryption import (
    DecryptionFailed,
    KmsAccessDenied,
    KmsKeyDisabled,
    KmsKeyMissing,
    KmsUnavailable,
    KmsUnusable,
)
from libs.encryption.kms import Kms, WrappedKey, self_test
from libs.encryption.settings import KmsSettings, open_kms
from libs.encryption.vault_login import VaultSettings
from tests.fakes.vault import ROOT, Key, Server, vault

ACME = {"tenant": "acme", "version": "1"}
KEY = bytes(range(32))
PATIENT, BRIEF = timedelta(seconds=30), timedelta(seconds=0.2)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with vault() as server:
        server.keys["aeterna"] = Key()
        yield server


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(ROOT)
    return path


def renew(path: Path, token: str) -> None:
    path.write_text(token)


def opened(
    server: Server, timeout: timedelta = PATIENT, **values: Any
) -> AbstractAsyncContextManager[Kms]:
    settings = VaultSettings(url=server.url, **values)
    return open_kms(KmsSettings(provider="vault", vault=settings, timeout=timeout))


@pytest.fixture
async def kms(server: Server, token_file: Path) -> AsyncIterator[Kms]:
    async with opened(server, token_file=token_file) as kms:
        yield kms


async def test_a_version_below_the_oldest_that_may_decrypt_is_refused(
    kms: Kms, server: Server
) -> None:
    wrapped = await kms.wrap(KEY, ACME)
    rewrapped = WrappedKey(await kms.rotate(), (await kms.rewrap(wrapped, ACME)).ciphertext)
    server.keys["aeterna"].oldest = 2

    with pytest.raises(KmsKeyDisabled):
        await kms.unwrap(wrapped, ACME)
    assert await kms.unwrap(rewrapped, ACME) == KEY
    assert (await kms.describe()).versions == 1


async def test_a_version_that_does_not_exist_is_missing(kms: Kms) -> None:
    wrapped = await kms.wrap(KEY, ACME)
    ahead = WrappedKey("vault:transit/aeterna:v9", wrapped.ciphertext.replace(b":v1:", b":v9:"))

    with pytest.raises(KmsKeyMissing):
        await kms.unwrap(ahead, ACME)


async def test_the_name_of_a_key_and_its_ciphertext_belong_together(kms: Kms) -> None:
    wrapped = await kms.wrap(KEY, ACME)
    await kms.rotate()

    with pytest.raises(DecryptionFailed):
        await kms.unwrap(WrappedKey("vault:transit/aeterna:v2", wrapped.ciphertext), ACME)


async def test_a_key_that_ignores_contexts_is_not_used(kms: Kms, server: Server) -> None:
    server.keys["aeterna"].derived = False

    with pytest.raises(KmsUnusable, match="derived"):
        await kms.describe()
    with pytest.raises(KmsUnusable):
        await self_test(kms)


async def test_a_key_that_is_not_there_is_missing(kms: Kms, server: Server) -> None:
    server.keys.clear()

    with pytest.raises(KmsKeyMissing):
        await kms.describe()
    with pytest.raises(KmsKeyMissing):
        await kms.generate(ACME)


async def test_a_token_that_was_replaced_in_its_file_is_used_at_once(
    kms: Kms, server: Server, token_file: Path
) -> None:
    await kms.describe()
    server.tokens = {"fresh"}
    with pytest.raises(KmsAccessDenied):
        await kms.describe()
    renew(token_file, "fresh\n")

    assert (await kms.describe()).provider == "vault"


async def test_a_namespace_goes_with_every_request(server: Server, token_file: Path) -> None:
    server.namespace = "team"
    async with opened(server, token_file=token_file, namespace="team") as kms:
        await self_test(kms)
    async with opened(server, token_file=token_file) as kms:
        with pytest.raises(KmsAccessDenied):
            await kms.describe()


async def test_a_pod_logs_in_with_its_own_token(server: Server, tmp_path: Path) -> None:
    proof = tmp_path / "jwt"
    proof.write_text("a.b.c\n")
    async with opened(server, kubernetes_role="aeterna", kubernetes_token_file=proof) as kms:
        await kms.describe()
        await kms.describe()
        assert server.logins == [("auth/kubernetes/login", {"role": "aeterna", "jwt": "a.b.c"})]

        server.tokens.clear()  # revoked before its time
        await kms.describe()
        assert len(server.logins) == 2


async def test_a_login_is_renewed_before_it_ends(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    server.lease = 0
    async with opened(server, approle_role_id="role", approle_secret_file=secret) as kms:
        await kms.describe()
        await kms.describe()
    assert server.logins == [("auth/approle/login", {"role_id": "role", "secret_id": "s3cret"})]


async def test_a_login_that_is_refused_denies_access(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("denied")
    async with opened(server, approle_role_id="role", approle_secret_file=secret) as kms:
        with pytest.raises(KmsAccessDenied):
            await kms.describe()


async def test_a_sealed_vault_is_tried_again(kms: Kms, server: Server) -> None:
    server.failing = 2
    assert (await kms.wrap(KEY, ACME)).ciphertext


async def test_one_that_stays_sealed_is_an_outage(kms: Kms, server: Server) -> None:
    server.failing = 10
    with pytest.raises(KmsUnavailable):
        await kms.wrap(KEY, ACME)


async def test_silence_is_an_outage(server: Server, token_file: Path) -> None:
    server.down = True
    async with opened(server, BRIEF, token_file=token_file) as impatient:
        with pytest.raises(KmsUnavailable):
            await impatient.wrap(KEY, ACME)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"token_file": Path("a"), "kubernetes_role": "b"},
        {"approle_role_id": "role"},
    ],
)
def test_settings_name_one_whole_login(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VaultSettings(url="https://vault", **values)


@pytest.mark.parametrize("provider", ["local", "aws", "vault"])
def test_a_provider_needs_its_settings(provider: Any) -> None:
    with pytest.raises(ValidationError, match="needs"):
        KmsSettings(provider=provider)


async def test_certificates_that_cannot_be_read_are_said(server: Server, token_file: Path) -> None:
    settings = VaultSettings(url=server.url, token_file=token_file, ca_file=Path("/nonexistent"))
    with pytest.raises(KmsUnusable, match="certificates"):
        async with open_kms(KmsSettings(provider="vault", vault=settings)):
            pass


async def test_a_token_that_cannot_be_read_is_said(server: Server, token_file: Path) -> None:
    async with opened(server, token_file=token_file.with_name("nowhere")) as kms:
        with pytest.raises(KmsUnusable, match="proof"):
            await kms.describe()

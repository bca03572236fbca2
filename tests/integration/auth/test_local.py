"""The issuer of embedded mode on a real folder, under a real keyring file."""

import asyncio
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from libs.auth import (
    AuthSettings,
    Identity,
    LocalIssuer,
    LocalIssuerUnusable,
    Role,
    TokenInvalid,
    open_authenticator,
)
from libs.encryption import DecryptionFailed, KmsKeyMissing
from libs.encryption.kms_local import LocalKms
from libs.errors import InvalidRequest
from libs.tenancy import TenantId

ACME = TenantId("acme")


@pytest.fixture
def kms(tmp_path: Path) -> LocalKms:
    return LocalKms.open(tmp_path / "keyring.json")


async def identity_of(token: str, folder: Path) -> Identity:
    async with open_authenticator(AuthSettings(local_issuer=folder)) as authenticator:
        return await authenticator.authenticate(token)


async def test_what_it_mints_is_accepted(tmp_path: Path, kms: LocalKms) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    issuer = await LocalIssuer.open(tmp_path, kms, lambda: now)

    identity = await identity_of(issuer.mint(ACME, "Ann Lee", [Role.AGENT], "planner"), tmp_path)

    expected = Identity(
        tenant=ACME,
        subject="Ann Lee",
        roles=frozenset({Role.AGENT}),
        agent="planner",
        delegation=(),
        issuer="aeterna-local",
        expires_at=now + timedelta(hours=12),
    )
    assert identity == expected


async def test_the_key_outlives_the_process(tmp_path: Path, kms: LocalKms) -> None:
    token = (await LocalIssuer.open(tmp_path, kms)).mint(ACME, "ann", [Role.VIEWER])

    again = LocalKms.open(tmp_path / "keyring.json")
    await again.rotate()
    await LocalIssuer.open(tmp_path, again)

    assert (await identity_of(token, tmp_path)).subject == "ann"


async def test_processes_that_start_together_have_one_key(tmp_path: Path, kms: LocalKms) -> None:
    issuers = await asyncio.gather(*(LocalIssuer.open(tmp_path, kms) for _ in range(8)))

    assert len({issuer.public_keys() for issuer in issuers}) == 1
    for issuer in issuers:
        assert await identity_of(issuer.mint(ACME, "ann", [Role.VIEWER]), tmp_path)


async def test_no_file_holds_the_private_key(tmp_path: Path, kms: LocalKms) -> None:
    await LocalIssuer.open(tmp_path, kms)
    public = json.loads((tmp_path / "local-issuer.jwks.json").read_text())
    private = tmp_path / "local-issuer.json"

    assert set(public["keys"][0]) == {"kty", "crv", "x", "kid", "alg", "use"}
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert set(json.loads(private.read_text())) == {"kms_key_id", "wrapped_key", "private_key"}
    assert len(os.listdir(tmp_path)) == 3  # with the keyring


async def test_another_keyring_does_not_open_it(tmp_path: Path, kms: LocalKms) -> None:
    await LocalIssuer.open(tmp_path, kms)

    with pytest.raises(KmsKeyMissing):
        await LocalIssuer.open(tmp_path, LocalKms.open(tmp_path / "other.json"))


async def test_an_altered_key_is_not_used(tmp_path: Path, kms: LocalKms) -> None:
    await LocalIssuer.open(tmp_path, kms)
    file = tmp_path / "local-issuer.json"
    stored = json.loads(file.read_text())
    first = stored["private_key"][0]
    stored["private_key"] = ("B" if first == "A" else "A") + stored["private_key"][1:]
    file.write_text(json.dumps(stored))

    with pytest.raises(DecryptionFailed):
        await LocalIssuer.open(tmp_path, kms)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kms_key_id": 5}'])
async def test_a_damaged_file_is_refused(tmp_path: Path, kms: LocalKms, content: str) -> None:
    file = tmp_path / "local-issuer.json"
    file.touch(0o600)
    file.write_text(content)

    with pytest.raises(LocalIssuerUnusable, match="damaged"):
        await LocalIssuer.open(tmp_path, kms)


async def test_a_file_that_others_may_read_is_refused(tmp_path: Path, kms: LocalKms) -> None:
    await LocalIssuer.open(tmp_path, kms)
    (tmp_path / "local-issuer.json").chmod(0o640)

    with pytest.raises(LocalIssuerUnusable, match="others may read"):
        await LocalIssuer.open(tmp_path, kms)


async def test_tokens_of_another_folder_are_refused(tmp_path: Path, kms: LocalKms) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    await LocalIssuer.open(here, kms)
    issuer = await LocalIssuer.open(there, kms)

    with pytest.raises(TokenInvalid):
        await identity_of(issuer.mint(ACME, "ann", [Role.VIEWER]), here)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tenant": "Acme Inc"}, "tenant"),
        ({"subject": ""}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"agent": "a\tb"}, "agent"),
        ({"lifetime": timedelta(0)}, "lifetime"),
        ({"lifetime": timedelta(hours=25)}, "lifetime"),
    ],
)
async def test_what_would_be_refused_is_not_minted(changes: dict[str, Any], field: str) -> None:
    issuer = LocalIssuer(OKPKey.generate_key("Ed25519"), lambda: datetime.now(UTC))
    arguments = {"tenant": ACME, "subject": "ann", "roles": [Role.VIEWER], **changes}

    with pytest.raises(InvalidRequest) as caught:
        issuer.mint(**arguments)

    assert [violation.field for violation in caught.value.violations] == [field]

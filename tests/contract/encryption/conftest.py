"""Every key management service that the contract is checked against, with one key each.

AETERNA_TEST_VAULT (`URL TOKEN`) adds a real Vault or OpenBao whose transit engine is at `transit`.
"""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest

from libs.embedded.processes import spawn
from libs.encryption.kms import Kms
from libs.encryption.settings import AwsKeySettings, KmsSettings, open_kms
from libs.encryption.vault_login import VaultSettings
from tests.eventually import eventually
from tests.fakes import aws_kms, vault
from tests.servers import free_ports

REGION = "eu-central-1"
_REAL_VAULT = os.environ.get("AETERNA_TEST_VAULT", "")
NAMES = ["local", "moto", "aws", "vault", *(["real-vault"] if _REAL_VAULT else [])]


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """moto's server, a process of its own."""
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("moto")
    command: list[str | Path] = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with (folder / "log").open("ab") as log:
        process: subprocess.Popen[bytes] = spawn(command, output=log, folder=folder)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """For boto3: any will do."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def aws_settings(url: str, key: str, **values: Any) -> KmsSettings:
    return KmsSettings(
        provider="aws", aws=AwsKeySettings(key=key, region=REGION, endpoint_url=url), **values
    )


def vault_settings(url: str, token_file: Path, **values: Any) -> VaultSettings:
    return VaultSettings(url=url, token_file=token_file, **values)


@pytest.fixture(params=NAMES)
async def kms(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kms]:
    """The service, as it is opened from settings."""
    opened: dict[str, Callable[[], AbstractAsyncContextManager[Kms]]] = {
        "local": lambda: open_kms(KmsSettings(keyring=tmp_path / "keyring.json")),
        "moto": lambda: _moto(request.getfixturevalue("moto_url")),
        "aws": _aws,
        "vault": lambda: _vault(tmp_path),
        "real-vault": lambda: _real_vault(tmp_path),
    }
    async with opened[request.param]() as service:
        yield service


@asynccontextmanager
async def _moto(url: str) -> AsyncIterator[Kms]:
    async def answers() -> bool:
        try:
            return (await client.get(url)).status_code < 500
        except httpx.HTTPError:
            return False

    async with httpx.AsyncClient(trust_env=False) as client:
        await eventually(answers, 60)
    made = boto3.client("kms", region_name=REGION, endpoint_url=url).create_key()
    async with open_kms(aws_settings(url, made["KeyMetadata"]["Arn"])) as service:
        yield service


@asynccontextmanager
async def _aws() -> AsyncIterator[Kms]:
    async with aws_kms.aws_kms() as server:
        key = server.create("aeterna")
        async with open_kms(aws_settings(server.url, key.arn)) as service:
            yield service


@asynccontextmanager
async def _vault(folder: Path) -> AsyncIterator[Kms]:
    token_file = folder / "token"
    token_file.write_text(f"{vault.ROOT}\n")
    async with vault.vault() as server:
        server.keys["aeterna"] = vault.Key()
        settings = KmsSettings(provider="vault", vault=vault_settings(server.url, token_file))
        async with open_kms(settings) as service:
            yield service


@asynccontextmanager
async def _real_vault(folder: Path) -> AsyncIterator[Kms]:
    url, token = _REAL_VAULT.split()
    name, token_file = f"test-{uuid4().hex}", folder / "token"
    token_file.write_text(token)
    async with httpx.AsyncClient(base_url=url, headers={"X-Vault-Token": token}) as client:
        made = await client.post(f"/v1/transit/keys/{name}", json={"derived": True})
        made.raise_for_status()
    settings = KmsSettings(provider="vault", vault=vault_settings(url, token_file, key=name))
    async with open_kms(settings) as service:
        yield service

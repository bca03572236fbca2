"""Where governance listens, and with which role it reaches the databases."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from libs.auth import AuthSettings
from libs.encryption.settings import KmsSettings
from libs.postgres import CONTROL_ROLE, SERVICE_ROLE, DatabaseSettings
from libs.service.settings import PlatformSettings
from services.governance.settings import Settings

_PLATFORM = PlatformSettings(
    control=DatabaseSettings(dsn="postgresql://db/aeterna", password=SecretStr("p"), pool_size=3),
    auth=AuthSettings(local_issuer=Path("keys")),
    kms=KmsSettings(keyring=Path("keyring.json")),
)


def test_it_has_a_role_of_its_own_for_the_same_databases() -> None:
    control = Settings(platform=_PLATFORM).control

    assert control.user == CONTROL_ROLE != SERVICE_ROLE
    assert control == _PLATFORM.control.model_copy(update={"user": CONTROL_ROLE})


def test_it_is_set_by_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(platform=_PLATFORM).server.address == "0.0.0.0:50053"
    monkeypatch.setenv("GOVERNANCE_SERVER__ADDRESS", "127.0.0.1:7")

    assert Settings(platform=_PLATFORM).server.address == "127.0.0.1:7"

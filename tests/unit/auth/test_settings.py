"""Which settings are refused."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from libs.auth import (
    AuthSettings,
    Grant,
    InsecureKeysInProduction,
    IssuerSettings,
    LocalIssuerInProduction,
)
from libs.errors import InvalidRequest
from tests.unit.auth.support import ISSUER, issuer_settings

FOLDER = Path("/srv/data")


@pytest.mark.parametrize(
    "local",
    [
        {"local_issuer": FOLDER},
        {"issuers": [issuer_settings(issuer="aeterna-local")]},
    ],
)
def test_production_refuses_the_local_issuer(local: dict[str, Any]) -> None:
    with pytest.raises(LocalIssuerInProduction):
        AuthSettings(production=True, **local)

    assert AuthSettings(**local).trusted


def test_production_refuses_keys_over_http() -> None:
    issuer = issuer_settings(jwks_url="http://login.example/keys")
    with pytest.raises(InsecureKeysInProduction) as caught:
        AuthSettings(production=True, issuers=(issuer,))

    assert caught.value.metadata == {"issuer": ISSUER}
    assert AuthSettings(issuers=(issuer,)).trusted == (issuer,)


def test_production_accepts_https_and_files() -> None:
    file = IssuerSettings(issuer="https://cluster", audience="aeterna", jwks_file=FOLDER / "keys")
    issuers = (issuer_settings(), file)

    assert AuthSettings(production=True, issuers=issuers).trusted == issuers


@pytest.mark.parametrize("source", [{"jwks_url": None}, {"jwks_file": FOLDER}])
def test_an_issuer_has_one_source_of_keys(source: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either jwks_url or jwks_file"):
        issuer_settings(**source)


@pytest.mark.parametrize(
    "settings",
    [
        {"issuers": [issuer_settings(), issuer_settings(audience="other")]},
        {"issuers": [issuer_settings(issuer="aeterna-local")], "local_issuer": FOLDER},
    ],
)
def test_issuers_have_different_names(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="same name"):
        AuthSettings(**settings)


def test_a_grant_names_a_tenant_and_known_roles() -> None:
    assert Grant.model_validate({"tenant": "acme", "roles": ["agent"]}).roles == {"agent"}
    with pytest.raises(InvalidRequest):
        Grant.model_validate({"tenant": "Acme Inc", "roles": ["agent"]})
    with pytest.raises(ValidationError):
        Grant.model_validate({"tenant": "acme", "roles": ["root"]})
    with pytest.raises(ValidationError):
        Grant.model_validate({"tenant": "acme", "roles": []})

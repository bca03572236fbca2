"""Which issuers are trusted, and what is believed of what they say.

Knows nothing of tokens.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, HttpUrl, model_validator

from libs.auth.errors import InsecureKeysInProduction, LocalIssuerInProduction
from libs.auth.roles import Role
from libs.tenancy import TenantId, parse_tenant_id

LOCAL_ISSUER = "aeterna-local"
LOCAL_AUDIENCE = "aeterna"
LOCAL_KEYS = "local-issuer.jwks.json"  # in the local issuer's folder


class Grant(BaseModel, frozen=True):
    """What a subject is given when its issuer knows nothing of tenants and roles."""

    tenant: Annotated[TenantId, AfterValidator(parse_tenant_id)]
    roles: frozenset[Role] = Field(min_length=1)


class IssuerSettings(BaseModel, frozen=True):
    """An issuer, its keys (from a URL or a file) and how to read its tokens.

    For Kubernetes service-account tokens: `issuer` and `jwks_url` are what the API server says at
    /.well-known/openid-configuration; in a pod the CA and token beside it let the keys be fetched;
    `subjects` maps system:serviceaccount:<namespace>:<name> to what it is given.
    """

    issuer: str = Field(min_length=1, max_length=256)  # the claim `iss`, exactly
    audience: str = Field(min_length=1)  # has to be in the claim `aud`
    jwks_url: HttpUrl | None = None
    jwks_ca_file: Path | None = None  # PEM; the system's certificates when not given
    jwks_token_file: Path | None = None  # a bearer token to fetch the keys with
    jwks_file: Path | None = None
    tenant_claim: str = "tenant"
    roles_claim: str = "roles"
    subjects: dict[str, Grant] | None = None  # if given: only these, and both claims are ignored

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError("an issuer needs either jwks_url or jwks_file")
        return self


class AuthSettings(BaseModel, frozen=True):
    """Everything an authenticator goes by.

    Raises:
        LocalIssuerInProduction, InsecureKeysInProduction: Production mode, and as they say.
    """

    issuers: tuple[IssuerSettings, ...] = ()
    local_issuer: Path | None = None  # the folder of embedded mode's own issuer
    production: bool = False
    leeway: timedelta = Field(timedelta(seconds=30), ge=timedelta(0), le=timedelta(minutes=5))
    max_lifetime: timedelta = Field(timedelta(hours=24), gt=timedelta(0))  # of a token

    @property
    def trusted(self) -> tuple[IssuerSettings, ...]:
        """The issuers, and the local one when there is one."""
        if self.local_issuer is None:
            return self.issuers
        file = self.local_issuer / LOCAL_KEYS
        local = IssuerSettings(issuer=LOCAL_ISSUER, audience=LOCAL_AUDIENCE, jwks_file=file)
        return (*self.issuers, local)

    @model_validator(mode="after")
    def _issuers_differ(self) -> Self:
        if len({issuer.issuer for issuer in self.trusted}) < len(self.trusted):
            raise ValueError("two issuers have the same name")
        return self

    @model_validator(mode="after")
    def _is_fit_for_production(self) -> Self:
        if not self.production:
            return self
        for issuer in self.trusted:
            if issuer.issuer == LOCAL_ISSUER:
                raise LocalIssuerInProduction
            if issuer.jwks_url and issuer.jwks_url.scheme != "https":
                raise InsecureKeysInProduction(issuer.issuer)
        return self

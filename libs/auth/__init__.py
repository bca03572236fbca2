"""Who is calling: bearer tokens in, identities out.

Servers call `open_authenticator`, embedded mode and its command line `LocalIssuer`. Knows nothing
of gRPC, nor of what an identity may do.
"""

from libs.auth.authenticator import Authenticator, open_authenticator
from libs.auth.errors import (
    InsecureKeysInProduction,
    IssuerUnknown,
    KeysUnavailable,
    LocalIssuerInProduction,
    LocalIssuerUnusable,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
)
from libs.auth.identity import Identity
from libs.auth.local import LocalIssuer
from libs.auth.roles import Role
from libs.auth.settings import AuthSettings, Grant, IssuerSettings

__all__ = [
    "AuthSettings",
    "Authenticator",
    "Grant",
    "Identity",
    "InsecureKeysInProduction",
    "IssuerSettings",
    "IssuerUnknown",
    "KeysUnavailable",
    "LocalIssuer",
    "LocalIssuerInProduction",
    "LocalIssuerUnusable",
    "Role",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "open_authenticator",
]

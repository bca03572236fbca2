"""The issuer of embedded mode: a key made on first start, from which `aeterna token` mints.

The private key is on disk wrapped only; whoever has the keyring file beside it can unwrap it, so
production mode refuses this issuer.
"""

import asyncio
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Self
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field

from libs.auth.clock import Clock, utc_now
from libs.auth.errors import LocalIssuerUnusable
from libs.auth.identity import is_name
from libs.auth.roles import Role
from libs.auth.settings import LOCAL_AUDIENCE, LOCAL_ISSUER, LOCAL_KEYS
from libs.auth.signatures import sign
from libs.encryption.kms import Kms, WrappedKey
from libs.encryption.primitives import unwrap_secret, wrap_secret
from libs.errors import invalid
from libs.tenancy import TenantId, parse_tenant_id

_PRIVATE_FILE = "local-issuer.json"
_CONTEXT = {"purpose": "local-issuer"}
_MAX_LIFETIME = timedelta(hours=24)


class _Stored(BaseModel):
    """The key file: a KMS key wraps `wrapped_key`, which wraps the private key (RFC 5649)."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    kms_key_id: str
    wrapped_key: bytes
    private_key: bytes = Field(repr=False)


class LocalIssuer:
    """Mints tokens that `AuthSettings(local_issuer=folder)` trusts."""

    def __init__(self, key: OKPKey, clock: Clock) -> None:
        self._key, self._key_id, self._clock = key, key.thumbprint(), clock

    @classmethod
    async def open(cls, folder: Path, kms: Kms, clock: Clock = utc_now) -> Self:
        """Read the key in this folder, or make it; publish its public half there.

        Processes may do so at the same time.

        Raises:
            LocalIssuerUnusable: The key file is damaged, or may be read by others.
            DecryptionFailed, KmsKeyMissing: The keyring is not the one that wrapped the key.
        """
        path = folder / _PRIVATE_FILE
        if not await asyncio.to_thread(path.exists):
            await asyncio.to_thread(_create, path, await _new_key(kms))
        stored = await asyncio.to_thread(_read, path)
        issuer = cls(await _unwrapped(stored, kms), clock)
        await asyncio.to_thread(_publish, folder / LOCAL_KEYS, issuer.public_keys())
        return issuer

    def mint(
        self,
        tenant: TenantId,
        subject: str,
        roles: Iterable[Role],
        agent: str = "",
        lifetime: timedelta = timedelta(hours=12),
        capabilities: Iterable[str] = (),
    ) -> str:
        """A token for this subject, or for an agent that acts in its name.

        Args:
            capabilities: What the agent may do, unless it is registered.

        Raises:
            InvalidRequest: An authenticator would refuse it; says which argument is at fault.
        """
        names = sorted(set(roles))
        _check(subject, agent, lifetime)
        issued_at = int(self._clock().timestamp())
        claims = {
            "iss": LOCAL_ISSUER,
            "aud": LOCAL_AUDIENCE,
            "sub": subject,
            "tenant": parse_tenant_id(tenant),
            "roles": names,
            "iat": issued_at,
            "exp": issued_at + int(lifetime.total_seconds()),
            "jti": str(uuid4()),
        }
        if agent:
            claims |= {"agent": agent, "capabilities": sorted(set(capabilities))}
        return sign(claims, self._key_id, self._key)

    def public_keys(self) -> str:
        """The JWK set that verifies the tokens, as JSON."""
        extra = {"kid": self._key_id, "alg": "EdDSA", "use": "sig"}
        return json.dumps({"keys": [self._key.as_dict(private=False, **extra)]})


def _check(subject: str, agent: str, lifetime: timedelta) -> None:
    if not is_name(subject):
        raise invalid("subject", "must be 1 to 256 bytes of printable characters")
    if agent and not is_name(agent):
        raise invalid("agent", "must be at most 256 bytes of printable characters")
    if not timedelta(seconds=1) <= lifetime <= _MAX_LIFETIME:
        raise invalid("lifetime", "must be 1 second to 24 hours")


async def _new_key(kms: Kms) -> _Stored:
    generated = await kms.generate(_CONTEXT)
    private = Ed25519PrivateKey.generate().private_bytes_raw()
    return _Stored(
        kms_key_id=generated.wrapped.key_id,
        wrapped_key=generated.wrapped.ciphertext,
        private_key=wrap_secret(generated.plaintext, private),
    )


async def _unwrapped(stored: _Stored, kms: Kms) -> OKPKey:
    wrapping_key = await kms.unwrap(WrappedKey(stored.kms_key_id, stored.wrapped_key), _CONTEXT)
    private = unwrap_secret(wrapping_key, stored.private_key)
    return OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(private))


def _read(path: Path) -> _Stored:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise LocalIssuerUnusable(path, "others may read it; its mode must be 0600")
        try:
            return _Stored.model_validate_json(file.read())
        except ValueError:
            raise LocalIssuerUnusable(path, "it is damaged") from None


def _create(path: Path, key: _Stored) -> None:
    """Write it where no file is; the first of several processes wins."""
    draft = _draft(path, key.model_dump_json(), 0o600)
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()


def _publish(path: Path, keys: str) -> None:
    _draft(path, keys, 0o644).replace(path)


def _draft(path: Path, text: str, mode: int) -> Path:
    """The text in a new file beside `path`, for the caller to put into place at once."""
    draft = path.with_name(f"{path.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft

"""How a process proves to Vault or OpenBao who it is, and gets the token of its calls."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, Self

import httpx
from pydantic import BaseModel, Field, model_validator

from libs.encryption.errors import KmsAccessDenied, KmsUnavailable, KmsUnusable

_PROVIDER = "vault"
_RENEWED_AT = 2 / 3  # of a token's time
_POD_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class VaultSettings(BaseModel, frozen=True):
    """A transit key made with `derived=true`, and one way to log in: a token in a file that others
    keep fresh, a role of the Kubernetes login, or one of AppRole."""

    url: str = Field(min_length=1)  # such as https://vault:8200
    key: str = Field("aeterna", min_length=1)
    mount: str = "transit"
    namespace: str = ""
    ca_file: Path | None = None  # PEM; the system's certificates when not given
    token_file: Path | None = None
    kubernetes_role: str = ""
    kubernetes_mount: str = "kubernetes"
    kubernetes_token_file: Path = _POD_TOKEN
    approle_role_id: str = ""
    approle_secret_file: Path | None = None
    approle_mount: str = "approle"

    @model_validator(mode="after")
    def _has_one_login(self) -> Self:
        ways = (self.token_file, self.kubernetes_role, self.approle_role_id)
        if sum(map(bool, ways)) != 1:
            raise ValueError("give one of token_file, kubernetes_role, approle_role_id")
        if self.approle_role_id and not self.approle_secret_file:
            raise ValueError("approle_role_id needs approle_secret_file")
        return self

    def login(self) -> "Login":
        """The way that was chosen."""
        if self.token_file:
            return TokenFile(self.token_file)
        if self.kubernetes_role:
            return Exchange(
                f"/v1/auth/{self.kubernetes_mount}/login",
                lambda: {"role": self.kubernetes_role, "jwt": _read(self.kubernetes_token_file)},
            )
        secret = self.approle_secret_file
        assert secret  # validated
        return Exchange(
            f"/v1/auth/{self.approle_mount}/login",
            lambda: {"role_id": self.approle_role_id, "secret_id": _read(secret)},
        )


class Login(Protocol):
    """Where tokens come from."""

    async def token(self, client: httpx.AsyncClient) -> str:
        """One to call with; raises httpx.HTTPError, KmsAccessDenied, KmsUnavailable."""
        ...

    def forget(self, token: str) -> bool:
        """It was refused: whether another one may be had."""
        ...


class TokenFile:
    """A token that something else keeps fresh in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self, client: httpx.AsyncClient) -> str:
        """See `Login`: read anew each time."""
        return await asyncio.to_thread(_read, self._path)

    def forget(self, token: str) -> bool:
        """See `Login`."""
        return _read(self._path) != token


class Exchange:
    """Tokens for a proof, renewed by asking again before they end."""

    def __init__(
        self,
        path: str,
        proof: Callable[[], Mapping[str, str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._proof, self._clock = path, proof, clock
        self._token, self._until = "", 0.0
        self._lock = asyncio.Lock()

    async def token(self, client: httpx.AsyncClient) -> str:
        """See `Login`."""
        async with self._lock:
            if not self._token or self._clock() >= self._until:
                await self._exchange(client)
            return self._token

    def forget(self, token: str) -> bool:
        """See `Login`."""
        if token == self._token:
            self._token = ""
        return True

    async def _exchange(self, client: httpx.AsyncClient) -> None:
        asked, proof = self._clock(), await asyncio.to_thread(self._proof)
        answer = await client.post(self._path, json=dict(proof))
        if answer.is_client_error:
            raise KmsAccessDenied(_PROVIDER)
        if not answer.is_success:
            raise KmsUnavailable(_PROVIDER)
        given = answer.json()["auth"]
        self._token = given["client_token"]
        lease = given["lease_duration"] or float("inf")  # 0: it never ends
        self._until = asked + lease * _RENEWED_AT


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as exc:
        raise KmsUnusable("the file with the proof for Vault cannot be read") from exc

"""HTTP clients of model providers: the one place that sees their keys."""

import httpx
from pydantic import SecretStr


def provider_client(base_url: str, api_key: SecretStr | None) -> httpx.AsyncClient:
    """A client that sends the key as a bearer token, and leaves time limits to who uses it: httpx
    cannot bound a whole call."""
    key = api_key.get_secret_value().strip() if api_key else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=None)

"""Sends a message to a webhook: to an address that was checked, and to no other.

The name of the host is looked up for each attempt, all its addresses are checked, and the
connection goes to one of those: a name that points elsewhere a moment later gains nothing.
Redirects are not followed, proxies of the environment are not used, answers are not read.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import httpx

from libs.errors import InvalidRequest
from services.governance.alerts.domain import Address, Rules, Told

_TIMEOUT = 10.0  # seconds, for all of it
_LOOKUP = 5.0  # of these


class AddressRefused(Exception):
    """The host is nowhere that messages may go to."""


@dataclass(frozen=True)
class Sender:
    """Sends by the rules; the client is the process's own."""

    client: httpx.AsyncClient
    rules: Rules

    async def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Told:
        """How it ended; never fails."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                return await self._send(url, headers, body)
        except TimeoutError:
            return Told(0, "timeout")
        except (AddressRefused, InvalidRequest):
            return Told(0, "address_refused")
        except (OSError, UnicodeError):  # a label of a name may be too long to be looked up
            return Told(0, "host_unknown")
        except httpx.ConnectError:
            return Told(0, "not_connected")
        except (httpx.HTTPError, httpx.InvalidURL):
            return Told(0, "connection_lost")

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> Told:
        self.rules.check(url, "url")
        there = httpx.URL(url)
        host, secure = there.raw_host.decode(), there.scheme == "https"
        address = await self._address(host, there.port or (443 if secure else 80))
        named = {**headers, "host": there.netloc.decode()}
        extensions = {"sni_hostname": host} if secure else {}
        request = self.client.build_request(
            "POST",
            there.copy_with(host=str(address)),
            headers=named,
            content=body,
            extensions=extensions,
        )
        response = await self.client.send(request, stream=True)
        await response.aclose()
        return Told(response.status_code, "" if response.is_success else "http_status")

    async def _address(self, host: str, port: int) -> Address:
        """Raises AddressRefused when messages must not go to one of the host's addresses."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_LOOKUP):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ip_address(each[4][0]) for each in found]
        if not addresses or not all(map(self.rules.permits, addresses)):
            raise AddressRefused
        return addresses[0]


@asynccontextmanager
async def open_sender(rules: Rules) -> AsyncIterator[Sender]:
    """A sender for the length of the block."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        trust_env=False, follow_redirects=False, timeout=_TIMEOUT, limits=limits
    ) as client:
        yield Sender(client, rules)

"""Sending never fails, whatever a host is called."""

import socket
from typing import Any

import httpx
import pytest

from services.governance.alerts.domain import Rules, Told
from services.governance.alerts.sender import Sender


async def sent_to(url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Told, list[httpx.Request]]:
    """How it ends, and what reaches a server that every name leads to."""
    received: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        received.append(request)
        return httpx.Response(200)

    def looked_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        host.encode("idna")  # as the real one does
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return await Sender(client, Rules(local=False))(url, {}, b"{}"), received


async def test_a_host_may_have_letters_of_any_language(monkeypatch: pytest.MonkeyPatch) -> None:
    told, (request,) = await sent_to("https://münchen.example:8443/hook", monkeypatch)

    assert told == Told(200, "")
    assert str(request.url) == "https://93.184.216.34:8443/hook"
    assert request.headers["host"] == "xn--mnchen-3ya.example:8443"
    assert request.extensions["sni_hostname"] == "xn--mnchen-3ya.example"


@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example"])
async def test_a_name_that_cannot_be_looked_up_is_an_outcome(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rules, "check", lambda *_: None)  # as one that was stored before

    told, received = await sent_to(f"https://{host}/", monkeypatch)

    assert (told, received) == (Told(0, "host_unknown"), [])

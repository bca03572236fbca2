"""The opening handshake, and what the port says to those who want none."""

import ssl
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from wsproto.events import RejectConnection, Request

from libs.service.server import AddressInUse
from libs.service.settings import TlsSettings
from tests.integration.sync.web.conftest import Web, open_web
from tests.integration.sync.web.peer import (
    JSON,
    PATH,
    PROTOBUF,
    TEXT,
    Got,
    answer,
    connected,
    frame,
    handshake,
    opened,
    ping_binary,
    said,
    status_of,
    text,
)

_PAGE = "<!doctype html><title>Console</title>"
_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "console"
    (folder / "client").mkdir(parents=True)
    (folder / "index.html").write_text(_PAGE)
    (folder / "client" / "ot.js").write_text("export const x = 1;\n")
    (folder / "notes.py").write_text("secret = 1\n")
    (tmp_path / "outside.html").write_text("outside")
    return folder


async def get(address: str, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        return await client.request(method, path, headers=headers)


async def test_the_page_and_what_belongs_to_it(files: Path) -> None:
    async with open_web(files) as web:
        page, same = await get(web.address, "/"), await get(web.address, "/index.html?x=1")
        script = await get(web.address, "/client/ot.js")

    assert (page.text, same.text) == (_PAGE, _PAGE)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    for each in (page, script):
        assert each.headers["x-content-type-options"] == "nosniff"
        assert each.headers["cache-control"] == "no-cache"
        policy = each.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'"} < set(policy)
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in each.headers["content-security-policy"]


async def test_a_browser_that_has_it_is_told_so(files: Path) -> None:
    async with open_web(files) as web:
        etag = (await get(web.address, "/")).headers["etag"]
        known = await get(web.address, "/", **{"If-None-Match": f'"other", W/{etag}'})
        changed = await get(web.address, "/", **{"If-None-Match": '"other"'})
        head = await get(web.address, "/", "HEAD")

    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    assert (changed.status_code, changed.text) == (200, _PAGE)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(_PAGE)))


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/notes.py",
        "/../outside.html",
        "/%2e%2e/outside.html",
        "/client/../../outside.html",
        "//outside.html",
        "/client",
    ],
)
async def test_there_is_nothing_else(files: Path, path: str) -> None:
    async with open_web(files) as web:
        status, _ = await status_of(web.address, f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())

    assert status == 404


async def test_files_are_only_read(files: Path) -> None:
    async with open_web(files) as web:
        answer = await get(web.address, "/", "DELETE")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64 + b"\n",  # TLS
        b"GET\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_request(web: Web, garbage: bytes) -> None:
    status, _ = await status_of(web.address, garbage)
    assert status == 400
    async with opened(web.address) as peer:
        await peer.send(text("a"))
        assert await said(peer) == answer("a")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 9000 + b"\r\n\r\n", 431),
    ],
)
async def test_requests_that_are_too_long(web: Web, request_: bytes, status: int) -> None:
    assert (await status_of(web.address, request_))[0] == status


async def test_a_handshake_as_in_the_rfc(web: Web) -> None:
    async with connected(web.address) as peer:
        await peer.send(handshake())

        said = await peer.head()
    assert said.startswith(b"HTTP/1.1 101 ")
    assert f"Sec-WebSocket-Accept: {_ACCEPT}".encode() in said
    assert b"Sec-WebSocket-Protocol" not in said


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (handshake(Upgrade=None), 426),
        (handshake(Connection="close"), 426),
        (handshake(Sec_WebSocket_Key=None), 400),
        (handshake(Sec_WebSocket_Key="short"), 400),
        (handshake(Sec_WebSocket_Version="8"), 400),
        (handshake(Sec_WebSocket_Protocol="soap"), 400),
        (handshake(Sec_WebSocket_Protocol=""), 400),
        (handshake("/v1/else"), 404),
        (handshake().replace(b"GET", b"POST"), 405),
        (handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 505),
    ],
)
async def test_handshakes_that_are_none(web: Web, request_: bytes, status: int) -> None:
    assert (await status_of(web.address, request_))[0] == status


async def test_frames_before_the_answer(web: Web) -> None:
    status, _ = await status_of(web.address, handshake() + text("early"))

    assert status == 0
    assert web.hub.seen == []


async def test_a_client_that_names_no_subprotocol_gets_json(web: Web) -> None:
    async with opened(web.address, ()) as peer:
        await peer.send(text("a"))
        assert await said(peer) == answer("a")


async def test_the_first_subprotocol_that_is_known_is_taken(web: Web) -> None:
    async with opened(web.address, [PROTOBUF, JSON]) as peer:
        await peer.send(frame(2, ping_binary("a")))
        assert await said(peer) == Got("binary", "a")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://h", 101),
        ("https://h", 101),
        ("https://H:443", 101),
        ("https://console.example.com", 101),
        ("http://h:81", 403),
        ("https://evil.example.com", 403),
        ("https://h.evil.example.com", 403),
        ("null", 403),
        ("", 403),
        ("file://h", 403),
    ],
)
async def test_pages_of_other_origins_may_not_connect(origin: str | None, status: int) -> None:
    allowed = ("https://console.example.com",)
    async with open_web(origins=allowed) as web, connected(web.address) as peer:
        await peer.send(handshake(Origin=origin))

        assert f" {status} ".encode() in (await peer.head()).partition(b"\r\n")[0]


async def test_a_token_in_the_header_is_the_first_message(web: Web) -> None:
    headers = [(b"Authorization", b"bearer abc.def"), (b"X-Aeterna-Tenant", b"acme")]
    async with opened(web.address, [JSON], headers) as peer:
        await peer.send(text("a"))

        assert await said(peer) == answer("")  # of what the header said
        assert await said(peer) == answer("a")
    first = web.hub.seen[0].authenticate
    assert (first.token, first.tenant) == ("abc.def", "acme")


async def test_another_kind_of_authorization_is_none(web: Web) -> None:
    async with opened(web.address, [JSON], [(b"Authorization", b"Basic abc")]) as peer:
        await peer.send(text("a"))
        assert await said(peer) == answer("a")


async def test_who_begins_tls_and_says_no_more_makes_room_for_others(certificates: Path) -> None:
    tls = TlsSettings(certificate=certificates / "cert.pem", key=certificates / "key.pem")
    long = timedelta(minutes=1)
    async with (
        open_web(tls=tls, openings=3, opening_timeout=long) as web,
        AsyncExitStack() as stack,
    ):
        silent = [await stack.enter_async_context(connected(web.address)) for _ in range(8)]
        for peer in silent:
            await peer.send(b"\x16\x03\x01")  # a handshake, to be continued

        for peer in silent[:5]:
            assert await peer.closed()


@pytest.mark.parametrize("mutual", [False, True])
async def test_tls(certificates: Path, mutual: bool) -> None:
    names = {name: certificates / f"{name}.pem" for name in ("cert", "key", "ca")}
    tls = TlsSettings(
        certificate=names["cert"], key=names["key"], client_ca=names["ca"] if mutual else None
    )
    known = ssl.create_default_context(cafile=names["ca"])
    known.check_hostname = False
    async with open_web(tls=tls, opening_timeout=timedelta(seconds=5)) as web:
        if mutual:
            async with connected(web.address, ssl=known) as stranger:
                with pytest.raises((ssl.SSLError, AssertionError)):
                    await stranger.ask(Request(host="h", target=PATH))
            known.load_cert_chain(names["cert"], names["key"])
        async with connected(web.address, ssl=known) as peer:
            assert not isinstance(await peer.ask(Request(host="h", target=PATH)), RejectConnection)
            await peer.send(frame(TEXT, b'{"id":"secret","ping":{}}'))
            assert await said(peer) == answer("secret")


async def test_a_taken_port_is_told_so(web: Web) -> None:
    with pytest.raises(AddressInUse, match=web.address):
        async with open_web(address=web.address):
            raise AssertionError

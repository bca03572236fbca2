"""Answers of HTTP that are no WebSocket: files, and why there is none. Pure."""

from email.utils import formatdate
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from services.sync.web.files import File


def of_file(file: File, request: Request) -> Response:
    """A file, or that the browser has it already (RFC 9110, 13.1.2)."""
    known = file.is_known(",".join(request.headers.get_all("If-None-Match")))
    headers = _headers(file.headers)
    if known:
        return _response(HTTPStatus.NOT_MODIFIED, headers)
    headers["Content-Length"] = str(len(file.content))
    return _response(HTTPStatus.OK, headers, b"" if request.method == "HEAD" else file.content)


def refusal(status: HTTPStatus, why: str, **more: str) -> Response:
    """Why not, in a line. `more` are headers, with _ for -."""
    body = f"{why}\n".encode()
    headers = _headers({name.replace("_", "-"): value for name, value in more.items()})
    headers["Content-Type"] = "text/plain; charset=utf-8"
    headers["Content-Length"] = str(len(body))
    headers["X-Content-Type-Options"] = "nosniff"
    return _response(status, headers, body)


def _headers(more: dict[str, str]) -> Headers:
    return Headers({"Date": formatdate(usegmt=True), "Connection": "close", **more})


def _response(status: HTTPStatus, headers: Headers, body: bytes = b"") -> Response:
    return Response(status.value, status.phrase, headers, body)

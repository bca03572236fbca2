"""The console's files, read once, with what browsers are to be told of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_INDEX = "index.html"
# Scripts, styles and connections of this server's own, and nothing of anybody else's.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
SAFETY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file and its headers; browsers keep it, and ask each time whether it has changed."""

    content: bytes
    kind: str
    etag: str

    @property
    def headers(self) -> dict[str, str]:
        return {"ETag": self.etag, "Cache-Control": "no-cache", "Content-Type": self.kind, **SAFETY}

    def is_known(self, tags: str) -> bool:
        """Whether a browser that has what `tags` name has this (If-None-Match)."""
        names = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
        return self.etag in names or "*" in names


def read_files(folder: Path) -> Mapping[str, File]:
    """The files below a folder by their paths in URLs: a request finds one of them, or nothing."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _TYPES:
            content = path.read_bytes()
            etag = f'"{sha256(content).hexdigest()[:32]}"'
            found[f"/{path.relative_to(folder).as_posix()}"] = File(
                content, _TYPES[path.suffix], etag
            )
    if f"/{_INDEX}" in found:
        found["/"] = found[f"/{_INDEX}"]
    return found

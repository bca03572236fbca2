"""How far a transfer has come, in a file beside the one that is transferred.

It lets the next run of the same command go on where this one ended, however it ended. Knows
nothing of what is transferred.
"""

import hashlib
import json
import os
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.options import Options

_RENEWED = ("exp", "iat", "nbf", "jti")  # claims that are new in each token


def whose(options: Options) -> str:
    """Tells apart the tenants, on whatever servers, that transfers are for, and is the same once a
    token has been renewed; keeps no secret."""
    server = options.server or str(options.folder.absolute())
    bearer = _bearer(options.token) if options.token else ""
    return f"{server} {options.tenant or ''} {bearer}"


def _bearer(token: str) -> str:
    """A digest of what stays of a token when it is renewed; of all of one that is no JWT."""
    lasting = token
    with suppress(ValueError, IndexError, AttributeError):
        body = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        kept = {name: value for name, value in claims.items() if name not in _RENEWED}
        lasting = json.dumps(kept, sort_keys=True)
    return hashlib.sha256(lasting.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Bookmark:
    """A mark for `what` is done; a mark that was made for something else does not count."""

    path: Path
    what: Mapping[str, object]

    def load(self) -> dict[str, object]:
        """The last mark; empty when there is none."""
        with suppress(OSError, ValueError):
            found = json.loads(self.path.read_text())
            if found.pop("what") == dict(self.what):
                return dict(found)
        return {}

    def save(self, **mark: object) -> None:
        """Replaces the mark as a whole."""
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_text(json.dumps({"what": dict(self.what), **mark}))
        os.replace(new, self.path)

    def remove(self) -> None:
        """The transfer is complete."""
        self.path.unlink(missing_ok=True)

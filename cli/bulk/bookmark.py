"""How far a transfer has come, in a file beside the one that is transferred.

It lets the next run of the same command go on where this one ended, however it ended. Knows
nothing of what is transferred.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.options import Options


def whose(options: Options) -> str:
    """Tells apart the tenants, on whatever servers, that transfers are for; keeps no secret."""
    server = options.server or str(options.folder.absolute())
    token = hashlib.sha256(options.token.encode()).hexdigest()[:16] if options.token else ""
    return f"{server} {options.tenant or ''} {token}"


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

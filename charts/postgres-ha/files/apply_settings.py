"""After an upgrade: gives a running cluster the settings that Patroni reads from its store only.

Patroni takes them from patroni.yml once, at bootstrap; without this, new values change nothing.
"""

import base64
import os
import sys
import time
import urllib.request
from urllib.error import HTTPError

_TRIES = 60


def _patch(member: str) -> None:
    login = base64.b64encode(f"patroni:{os.environ['RESTAPI_PASSWORD']}".encode()).decode()
    request = urllib.request.Request(
        f"http://{member}:8008/config",
        method="PATCH",
        data=os.environ["SETTINGS"].encode(),
        headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        print(f"{member}: {response.read().decode()}")


def main(members: list[str]) -> int:
    for _ in range(_TRIES):
        for member in members:
            try:
                _patch(member)
                return 0
            except OSError as error:
                if isinstance(error, HTTPError) and error.code < 500:
                    raise  # refused: asking again would not change that
                print(f"{member}: {error}", file=sys.stderr)
        time.sleep(2)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Takes a snapshot of every collection on every node, then removes all but the newest few.

A snapshot of a collection holds the shards of the node that takes it only: asking the Service would
save one node, another one each time. What fails does not keep the rest from being saved.

Environment: NODES (base URLs, separated by spaces), KEEP, API_KEY.
"""

import json
import os
import sys
import urllib.parse
import urllib.request
from typing import Any

_TIMEOUT = 3600  # seconds: the call returns when the snapshot is written


def _call(method: str, url: str) -> Any:
    request = urllib.request.Request(url, method=method, headers={"api-key": os.environ["API_KEY"]})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
        return json.load(response)["result"]


def _collections(node: str) -> list[str]:
    return [each["name"] for each in _call("GET", f"{node}/collections")["collections"]]


def _snapshot(node: str, collection: str, keep: int) -> None:
    url = f"{node}/collections/{urllib.parse.quote(collection, safe='')}/snapshots"
    made = _call("POST", f"{url}?wait=true")
    print(f"{node}: {collection}: {made['name']}, {made['size']} bytes", flush=True)
    known = sorted(_call("GET", url), key=lambda each: each["creation_time"], reverse=True)
    for old in known[keep:]:
        _call("DELETE", f"{url}/{urllib.parse.quote(old['name'], safe='')}?wait=true")


def main(nodes: list[str], keep: int) -> int:
    """The number of nodes and collections that could not be saved."""
    failed = 0
    for node in nodes:
        try:
            collections = _collections(node)
        except OSError as error:
            print(f"{node}: {error}", file=sys.stderr)
            failed += 1
            continue
        for collection in collections:
            try:
                _snapshot(node, collection, keep)
            except OSError as error:
                print(f"{node}: {collection}: {error}", file=sys.stderr)
                failed += 1
    return failed


if __name__ == "__main__":
    sys.exit(min(main(os.environ["NODES"].split(), int(os.environ["KEEP"])), 1))

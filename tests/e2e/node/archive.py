"""An image archive of one static program, for the node's own pods: no engine, no base image.

`python3 archive.py PROGRAM TAG USER` writes a Docker archive to standard output.
"""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path


def main(program: Path, tag: str, user: str) -> None:
    """The same program always gives the same bytes: files carry no times and no names."""
    layer = tar({program.name: program.read_bytes()})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "User": user},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    files = {"layer.tar": layer, "config.json": to_json(config), "manifest.json": to_json(manifest)}
    sys.stdout.buffer.write(tar(files))


def tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def to_json(value: object) -> bytes:
    return json.dumps(value).encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])

"""The rules of buf.yaml stop a contract that is undocumented or that breaks its clients.

Each case runs buf on a small contract; `make protos-check` runs it on the real ones.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONTRACT = """
syntax = "proto3";

// A contract to try the rules on.
package aeterna.trial.v1;

import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/protobuf/timestamp.proto";

// Something with a name.
message Thing {
  // What people call it.
  string name = 1 [
    (buf.validate.field).string.max_len = 64,
    (google.api.field_behavior) = REQUIRED
  ];
  // When it was made.
  google.protobuf.Timestamp create_time = 2;
}
"""


class Workspace:
    """A contract beside the repository's own buf.yaml, vendored and compiled includes."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        shutil.copy(root / "buf.yaml", folder)
        shutil.copytree(root / "protos" / "buf", folder / "protos" / "buf")
        shutil.copytree(root / "gen" / "includes", folder / "gen" / "includes")
        self.write(CONTRACT)

    def write(self, contract: str) -> None:
        path = self.folder / "protos" / "aeterna" / "trial" / "v1" / "trial.proto"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contract)

    def buf(self, *arguments: str) -> str:
        """What buf complains of; empty when it is content."""
        buf = Path(sys.executable).with_name("buf")
        command = [str(buf), arguments[0], "protos", *arguments[1:]]
        result = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert bool(result.returncode) == bool(result.stdout), result.stderr
        return result.stdout


@pytest.fixture
def workspace(tmp_path: Path, pytestconfig: pytest.Config) -> Workspace:
    return Workspace(tmp_path, pytestconfig.rootpath)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("  // What people call it.\n", "", 'Field "name" should have a non-empty comment'),
        ("// Something with a name.\n", "", 'Message "Thing" should have a non-empty comment'),
        ("create_time", "createTime", "should be lower_snake_case"),
    ],
)
def test_lint_demands_comments_and_style(
    workspace: Workspace, before: str, after: str, complaint: str
) -> None:
    assert workspace.buf("lint") == ""

    workspace.write(CONTRACT.replace(before, after))

    assert complaint in workspace.buf("lint")


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("string name = 1", "bytes name = 1", 'changed type from "string" to "bytes"'),
        ("create_time = 2", "create_time = 3", 'field "2" with name "create_time"'),
        ("message Thing", "message Object", 'message "Thing" was deleted'),
    ],
)
def test_a_change_that_breaks_clients_is_refused(
    workspace: Workspace, before: str, after: str, complaint: str
) -> None:
    workspace.buf("build", "--path", "protos/aeterna", "--exclude-source-info", "-o", "old.binpb")
    assert workspace.buf("breaking", "--against", "old.binpb") == ""

    workspace.write(CONTRACT.replace(before, after))

    assert complaint in workspace.buf("breaking", "--against", "old.binpb")

"""Copies of an audit trail and anomalies, through the command line."""

import json
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Folder


@pytest.fixture
def copy(served: Folder, tmp_path: Path) -> Path:
    served.run("audit", "record", "login")
    path = tmp_path / "trail.ndjson"
    written = served.run("audit", "export", str(path))
    assert written.code == 0, written.err
    return path


def test_a_copy_is_checked_without_a_server(served: Folder, copy: Path) -> None:
    (key,) = served.json("audit", "keys")

    for options in ((), ("--key", key["publicKey"])):
        found = served.json(
            "audit", "verify", "--file", str(copy), "--server", "127.0.0.1:1", *options
        )
        assert found["intact"]
    stranger = served.run("audit", "verify", "--file", str(copy), "--key", "A" * 43 + "=")
    assert (stranger.code, "NOT_AN_AUDIT_EXPORT" in stranger.err) == (2, True)
    wrong = served.run("audit", "verify", "--file", str(copy), "--key", "abc")
    assert (wrong.code, "key" in wrong.err) == (2, True)
    missing = served.run("audit", "verify", "--file", str(copy.with_name("none")))
    assert (missing.code, "file" in missing.err) == (2, True)


def test_a_damaged_copy_is_found_and_prunes_nothing(served: Folder, copy: Path) -> None:
    lines = copy.read_text().splitlines(keepends=True)
    copy.write_text("".join(lines[:-1]))

    result = served.run("audit", "verify", "--file", str(copy), "--output", "json")

    assert result.code == 1
    assert json.loads(result.out)["fault"] == "AUDIT_FAULT_TRUNCATED"
    pruned = served.run("audit", "prune", str(copy))
    assert (pruned.code, "COPY_BROKEN" in pruned.err) == (5, True)


def test_young_entries_are_kept_whatever_copies_there_are(served: Folder, copy: Path) -> None:
    result = served.run("audit", "prune", str(copy), "--until", "1")

    assert (result.code, "ENTRIES_TOO_YOUNG" in result.err) == (5, True)
    beyond = served.run("audit", "prune", str(copy), "--until", "100000")
    assert (beyond.code, "COPY_BROKEN" in beyond.err) == (5, True)


def test_a_file_is_not_overwritten_unasked(served: Folder, copy: Path) -> None:
    assert served.run("audit", "export", str(copy)).code == 5
    assert served.run("audit", "export", str(copy), "--overwrite").code == 0
    streamed = served.run("audit", "export", "-")
    assert json.loads(streamed.out.splitlines()[0])["kind"] == "export"


def test_series_are_listed_and_configured(served: Folder) -> None:
    changed = served.json("anomaly", "configure", "error-rate", "--sigma", "3", "--window", "50")
    assert changed["sigma"] == {"window": 50, "factor": 3.0}
    muted = served.json("anomaly", "configure", "error-rate", "--mute")
    assert muted["muted"]
    assert muted["sigma"] == changed["sigma"]
    table = served.run("anomaly", "detectors").out
    assert "3 sigma over 50" in table
    assert "adaptive, sensitivity 1" in table
    both = served.run("anomaly", "configure", "volume", "--sigma", "3", "--sensitivity", "2")
    assert both.code == 2
    assert served.json("anomaly", "list") == []
    missing = served.run("anomaly", "show", "00000000-0000-7000-8000-000000000000")
    assert (missing.code, "ANOMALY_NOT_FOUND" in missing.err) == (3, True)

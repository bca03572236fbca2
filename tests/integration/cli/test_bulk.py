"""Files of memories out of a tenant and into another, whole or interrupted."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.cli.conftest import Folder

KEPT = (
    *("content", "layer", "scope", "metadata", "importance", "author", "eventTime"),
    *("source", "trust", "validFrom", "validUntil"),
)


def text(number: int, **values: Any) -> str:
    memory = {
        "content": f"memory {number} é\n🦊",
        "layer": "LAYER_USER",
        "scope": {"userId": f"u{number % 3}"},
        "metadata": {"n": number},
        "importance": 0.25,
        "author": "Zoë",
        "eventTime": "2026-01-31T09:00:00Z",
        "source": "wiki",
        "trust": 0.75,
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2030-01-01T00:00:00Z",
    }
    return json.dumps(memory | values)


@pytest.fixture
def tenant(served: Folder) -> str:
    """A new one."""
    label = f"t{uuid4().hex[:8]}"
    assert served.run("tenant", "create", label).code == 0
    return label


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def contents(served: Folder, tenant: str) -> list[str]:
    listed = served.json("--tenant", tenant, "memory", "list", "--limit", "100000")
    return sorted(each["content"] for each in listed)


@contextmanager
def killed_when(served: Folder, mark: Path, *arguments: str) -> Iterator[None]:
    """Runs a command and kills it once it has left a mark."""
    with served.process(*arguments) as process:
        until = time.monotonic() + 60
        while not mark.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.001)
        process.kill()
        process.wait()
    assert mark.exists(), "it was faster than its end"
    yield


def test_what_was_exported_is_imported_whole(served: Folder, tenant: str, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_text("\n".join(map(text, range(450))))

    first = served.run("--tenant", tenant, "memory", "import", str(source))
    exported = served.run("--tenant", tenant, "memory", "export", str(copy))

    assert (first.code, first.out) == (0, "450 memories are stored.\n")
    assert (exported.code, exported.out) == (0, f"450 memories are in {copy}.\n")
    kept = [{name: each.get(name) for name in KEPT} for each in lines(copy)]
    expected = [json.loads(text(number)) for number in range(450)]
    key = json.dumps
    assert sorted(kept, key=key) == sorted(
        [{name: each.get(name) for name in KEPT} for each in expected], key=key
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


def test_a_repeat_stores_nothing_twice(served: Folder, tenant: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("\n".join([text(1), text(1), "", text(2)]))

    for _ in range(2):
        result = served.run("--tenant", tenant, "memory", "import", str(source))
        assert result.out == "3 memories are stored.\n"

    assert len(contents(served, tenant)) == 3


def test_bad_lines_are_told_of_and_the_rest_is_stored(
    served: Folder, tenant: str, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    bad = [
        "{",
        text(3, scope={}),
        text(4, importance=2),
        text(5, content=""),
    ]
    source.write_text("\n".join([text(1), *bad, text(2)]))

    result = served.run("--tenant", tenant, "memory", "import", str(source))

    assert result.code == 2
    assert sorted(result.err.splitlines()) == [
        "error: LINES_REFUSED: 4 lines were refused, 2 memories are stored.",
        "line 2: is not JSON",
        "line 3: memory.scope.user_id: is needed in layer user",
        "line 4: memory.importance: must be greater than or equal to 0 and less than or equal to 1",
        "line 5: memory.content: is required",
    ]
    assert len(contents(served, tenant)) == 2


def test_the_first_bad_line_ends_it_when_asked(served: Folder, tenant: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("\n".join([text(1), "{", text(2)]))
    run = ("--tenant", tenant, "memory", "import", str(source), "--stop-on-error")

    result = served.run(*run)

    assert result.code == 2
    assert len(contents(served, tenant)) == 1
    source.write_text("\n".join([text(1), text(3), text(2)]))  # mended
    assert served.run(*run).out == "3 memories are stored.\n"
    assert len(contents(served, tenant)) == 3


def test_standard_streams_take_part(served: Folder, tenant: str) -> None:
    there = ("--tenant", tenant, "memory")

    stored = served.run(*there, "import", "-", text=f"{text(1)}\n{text(2)}\n")
    exported = served.run(*there, "export", "-", "--filter", 'user_id = "u1"')

    assert stored.out == "2 memories are stored.\n"
    (line,) = exported.out.splitlines()
    assert json.loads(line)["content"] == "memory 1 é\n🦊"


def test_a_file_is_not_overwritten_unasked(served: Folder, tenant: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    run = ("--tenant", tenant, "memory", "export", str(target))

    refused = served.run(*run)

    assert (refused.code, target.read_text()) == (5, "precious")
    assert "FILE_EXISTS" in refused.err
    assert served.run(*run, "--overwrite").code == 0
    assert target.read_text() == ""


def test_an_interrupted_import_goes_on(served: Folder, tenant: str, tmp_path: Path) -> None:
    source, mark = tmp_path / "source", tmp_path / "source.importing"
    source.write_text("\n".join(map(text, range(3000))))
    run = ("--tenant", tenant, "memory", "import", str(source))

    with killed_when(served, mark, *run):
        done = json.loads(mark.read_text())["number"]
        result = served.run(*run)

    assert 0 < done < 3000
    assert result.out == "3000 memories are stored.\n"
    assert len(set(contents(served, tenant))) == len(contents(served, tenant)) == 3000
    assert not mark.exists()


def test_an_interrupted_export_goes_on(served: Folder, tenant: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("\n".join(map(text, range(3000))))
    served.run("--tenant", tenant, "memory", "import", str(source))
    mark = tmp_path / "target.exporting"
    run = ("--tenant", tenant, "memory", "export", str(target))

    with killed_when(served, mark, *run):
        done = json.loads(mark.read_text())["count"]
        with target.open("a") as half:
            half.write('{"content": "half a li')  # what a page that was not marked leaves
        result = served.run(*run)

    assert 0 < done < 3000
    assert result.out == f"3000 memories are in {target}.\n"
    exported = [each["content"] for each in lines(target)]
    assert len(set(exported)) == len(exported) == 3000
    assert not mark.exists()

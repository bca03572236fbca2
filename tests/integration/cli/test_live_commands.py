"""`aeterna live` and `aeterna document` as people call them."""

import json
import shlex
import sys
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from tests.integration.cli.conftest import Folder


def _next(tail: Popen[str]) -> dict[str, Any]:
    assert tail.stdout
    event: dict[str, Any] = json.loads(tail.stdout.readline())
    return event


def _create(served: Folder, text: str, *options: str) -> str:
    return str(served.json("document", "create", text, "--title", "T", *options)["name"])


def _text(served: Folder, name: str) -> str:
    return str(served.json("document", "show", name).get("text", ""))


def _editor(folder: Path, script: str) -> str:
    """An editor that does to the file what the script does to `text`."""
    program = folder / "editor.py"
    program.write_text(
        "import pathlib, subprocess, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "text = path.read_text()\n"
        f"{script}\n"
        "path.write_text(text)\n"
    )
    return shlex.join([sys.executable, str(program)])


def test_rooms_are_watched_as_they_fill(served: Folder) -> None:
    with served.process(
        "live", "watch", "teams/red", "memories", "--since", "0", "--output", "json"
    ) as tail:
        name = served.json("memory", "add", "a fact", "--layer", "team", "--team", "red")["name"]
        rooms: set[str] = set()
        while len(rooms) < 2:
            event = _next(tail)
            if event["change"]["resource"] == name:
                rooms.add(event["room"])
                assert event["type"] == "MemoryAdded"
                assert event["change"]["scope"] == {"teamId": "red"}

    assert rooms == {"teams/red", "memories"}


def test_a_watched_room_is_lines_for_people(served: Folder) -> None:
    name = _create(served, "some text")
    with served.process("live", "watch", name, "--since", "0") as tail:
        assert tail.stdout
        assert f"DocumentCreated      company  {name}  user:ann" in tail.stdout.readline()


def test_a_room_that_there_cannot_be_is_a_mistake(served: Folder) -> None:
    wrong = served.run("live", "watch", "teams")

    assert wrong.code == 2
    assert "INVALID_REQUEST: subscribe.room" in wrong.err


def test_who_is_in_a_room_is_listed(served: Folder) -> None:
    with served.process("live", "watch", "teams/red", "--presence") as tail:
        assert tail.stdout
        assert "teams/red: ann is active" in tail.stdout.readline()
        present = served.json("live", "presence", "teams/red")

    assert [each["user"] for each in present] == ["ann"]


def test_a_document_lives(served: Folder, tmp_path: Path) -> None:
    name = _create(served, "First line.\n", "--team", "red")
    edited = served.run(
        "document", "edit", name, EDITOR=_editor(tmp_path, "text += 'Second line.\\n'")
    )
    assert edited.code == 0, edited.err
    assert _text(served, name) == "First line.\nSecond line.\n"

    assert served.run("document", "undo", name).code == 0
    assert _text(served, name) == "First line.\n"
    assert served.run("document", "undo", name, "--redo").code == 0
    history = served.json("document", "history", name)
    assert history[0]["author"] == "ann"
    assert served.run("document", "restore", name, "0").code == 0
    assert _text(served, name) == "First line.\n"
    assert served.run("document", "edit", name, "--title", "Lines").code == 0
    assert "Lines" in served.run("document", "list").out
    saved = served.json("document", "save", name)
    assert saved["knowledgeItem"].startswith("knowledgeItems/")
    assert served.run("document", "delete", name).out == f"deleted {name}\n"
    assert served.run("document", "show", name).code == 3


def test_what_others_write_while_the_editor_is_open_is_merged(
    served: Folder, tmp_path: Path
) -> None:
    name = _create(served, "one\ntwo\nthree\n")
    other = _editor(tmp_path, "text = text.replace('three', 'THREE')")
    (tmp_path / "mine").mkdir()
    meanwhile = shlex.join([sys.executable, "-m", "cli.main", "document", "edit", name])
    mine = _editor(
        tmp_path / "mine",
        f"import os\nos.environ['EDITOR'] = {other!r}\n"
        f"subprocess.run({meanwhile!r}, shell=True, check=True)\n"
        "text = text.replace('one', 'ONE')",
    )

    edited = served.run("document", "edit", name, EDITOR=mine, PYTHONPATH=":".join(sys.path))

    assert edited.code == 0, edited.err
    assert _text(served, name) == "ONE\ntwo\nTHREE\n"


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("pass", 0, "nothing was changed"),
        ("text += '\\n'", 0, "nothing was changed"),
        ("sys.exit(3)", 5, "EDITOR_FAILED"),
    ],
)
def test_an_editor_that_does_nothing_changes_nothing(
    served: Folder, tmp_path: Path, script: str, code: int, said: str
) -> None:
    name = _create(served, "as it was")

    edited = served.run("document", "edit", name, EDITOR=_editor(tmp_path, script))

    assert (edited.code, said in edited.out + edited.err) == (code, True)
    assert _text(served, name) == "as it was"


def test_a_text_that_is_not_taken_stays_in_a_file(served: Folder, tmp_path: Path) -> None:
    name = _create(served, "as it was")
    delete = shlex.join([sys.executable, "-m", "cli.main", "document", "delete", name])
    script = f"subprocess.run({delete!r}, shell=True, check=True)\ntext = 'precious'"

    edited = served.run(
        "document", "edit", name, EDITOR=_editor(tmp_path, script), PYTHONPATH=":".join(sys.path)
    )

    assert edited.code == 3
    (line,) = [each for each in edited.err.splitlines() if each.startswith("your text is in ")]
    kept = Path(line.removeprefix("your text is in "))
    assert kept.read_text() == "precious"
    kept.unlink()


def test_a_long_text_is_read_from_standard_input(served: Folder) -> None:
    made = served.run("document", "create", "-", "--output", "json", text="# Notes\n\nmany")

    assert made.json["text"] == "# Notes\n\nmany"

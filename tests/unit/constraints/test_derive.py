"""What stands in files: dependencies, imports, settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.constraints.checking import ChangeSet, File
from libs.constraints.derive import derived

NAMES = ["uv.lock", "package-lock.json", "package.json", "pyproject.toml", "requirements.txt"]
NAMES += ["go.mod", "a.py", "a.ts", "a.go", "A.java", "a.toml", "a.json", ".env", "a.ini"]


def of(path: str, content: str) -> ChangeSet:
    return derived(ChangeSet(files=[File(path, content)]))


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("uv.lock", '[[package]]\nname = "a"\nversion = "1.2"\n', [("a", "1.2")]),
        ("x/Cargo.lock", '[[package]]\nname = "serde"\nversion = "1"\n', [("serde", "1")]),
        ("requirements.txt", "# c\na==1.0 # why\nb[x]>=2\n-r c.txt\n", [("a", "1.0"), ("b", None)]),
        (
            "pyproject.toml",
            '[project]\ndependencies = ["a==1"]\noptional-dependencies = {x = ["b"]}\n',
            [("a", "1"), ("b", None)],
        ),
        (
            "package.json",
            '{"dependencies": {"a": "1.0.0"}, "devDependencies": {"b": "^2.0.0"}}',
            [("a", "1.0.0"), ("b", None)],
        ),
        (
            "package-lock.json",
            '{"packages": {"": {}, "node_modules/@t/n": {"version": "3.1.0"}}}',
            [("@t/n", "3.1.0")],
        ),
        (
            "go.mod",
            "module x\nrequire (\n\tgithub.com/a/b v1.2.3\n)\n",
            [("github.com/a/b", "v1.2.3")],
        ),
    ],
)
def test_dependencies(path: str, content: str, expected: list[tuple[str, str | None]]) -> None:
    found = of(path, content).dependencies

    assert [(each.name, each.qualifier) for each in found] == expected
    assert all(each.path == path for each in found)


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        (
            "a.py",
            "import os, sys\n\nfrom a.b import c\n  import x",
            [("os", 1), ("sys", 1), ("a.b", 3), ("x", 4)],
        ),
        (
            "a.ts",
            "import x from 'lib';\nconst y = require(\"fs\");\nimport 'side';\n",
            [("lib", 1), ("fs", 2), ("side", 3)],
        ),
        (
            "a.go",
            'package m\nimport (\n\t"fmt"\n\tx "net/http"\n)\n',
            [("fmt", 3), ("net/http", 4)],
        ),
        (
            "A.java",
            "package a;\nimport java.util.List;\nimport static a.B.*;\n",
            [("java.util.List", 2), ("a.B.*", 3)],
        ),
        ("a.md", "import os\n", []),
    ],
)
def test_imports(path: str, content: str, expected: list[tuple[str, int]]) -> None:
    assert [(each.name, each.line) for each in of(path, content).imports] == expected


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("a.toml", "[a]\nb = 1\nc = 'x'\n", [("a.b", "1"), ("a.c", "x")]),
        ("a.json", '{"a": {"b": [1, 2]}, "c": true}', [("a.b", "[1, 2]"), ("c", "true")]),
        (".env.local", "# x\nexport A='1'\nB=2\n", [("A", "1"), ("B", "2")]),
        ("a.ini", "[s]\nk = v\n", [("s.k", "v")]),
    ],
)
def test_settings(path: str, content: str, expected: list[tuple[str, str]]) -> None:
    assert [(each.name, each.qualifier) for each in of(path, content).config] == expected


def test_a_lock_says_what_a_manifest_leaves_open() -> None:
    manifest = File("pyproject.toml", '[project]\ndependencies = ["a>=1"]\n')
    lock = File("uv.lock", '[[package]]\nname = "a"\nversion = "1.2"\n')

    found = derived(ChangeSet(files=[manifest, lock])).dependencies

    assert [(each.name, each.qualifier, each.path) for each in found] == [("a", "1.2", "uv.lock")]


@given(st.sampled_from(NAMES), st.text(max_size=200))
def test_a_file_of_any_content_is_read_or_left(path: str, content: str) -> None:
    of(path, content)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000])
def test_a_file_that_is_nested_without_end_is_left(content: str) -> None:
    assert of("a.json", content).config == []

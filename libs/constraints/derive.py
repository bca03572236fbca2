"""Dependencies, imports and config keys that stand in the files of a change set. Pure.

What is read: lock files (`uv.lock`, `poetry.lock`, `Cargo.lock`, `package-lock.json`), manifests
(`pyproject.toml`, `requirements*.txt`, `package.json`, `go.mod`), imports of Python, JavaScript,
TypeScript, Go and Java, and keys of TOML, JSON, `.env`, INI and properties files. A file that
cannot be read gives nothing: it is other tools' business to say so.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import re2

from libs.constraints.checking import ChangeSet, File, Named

MOST = 20_000  # of each, in all
_DEPTH = 20  # of keys in keys


def derived(changes: ChangeSet) -> ChangeSet:
    """The same, with what its files say beside what was given."""
    files = [each for each in changes.files if each.content is not None]
    return replace(
        changes,
        dependencies=_known_versions([*changes.dependencies, *_all(files, dependencies)]),
        imports=[*changes.imports, *_all(files, imports)],
        config=[*changes.config, *_all(files, config)],
    )


def _all(files: Iterable[File], read: Callable[[File], Iterator[Named]]) -> list[Named]:
    found: list[Named] = []
    for file in files:
        try:
            for each in read(file):
                found.append(each)
                if len(found) >= MOST:
                    return found
        except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
            continue  # not in the form that its name promises
    return found


def _known_versions(found: Sequence[Named]) -> list[Named]:
    """Without what a manifest wants, where a lock says which version it got."""
    known = {each.name.lower() for each in found if each.qualifier is not None}
    return [each for each in found if each.qualifier is not None or each.name.lower() not in known]


def dependencies(file: File) -> Iterator[Named]:
    """What a lock file or a manifest names."""
    name = file.path.rpartition("/")[2]
    text = file.content or ""
    if name in ("uv.lock", "poetry.lock", "Cargo.lock"):
        for package in tomllib.loads(text).get("package", []):
            yield Named(package["name"], package.get("version"), file.path)
    elif name == "package-lock.json":
        yield from _package_lock(file)
    elif name == "package.json":
        yield from _package_json(file)
    elif name == "pyproject.toml":
        yield from _pyproject(file)
    elif name.startswith("requirements") and name.endswith(".txt"):
        yield from (_requirement(line, file.path, at) for at, line in _lines(text))
    elif name == "go.mod":
        for match in _expression(r"(?m)^\s*(?:require\s+)?([^\s()]+)\s+(v[0-9]\S*)").finditer(text):
            yield Named(match.group(1), match.group(2), file.path, _line(text, match))


def _package_lock(file: File) -> Iterator[Named]:
    for path, package in json.loads(file.content or "").get("packages", {}).items():
        name = path.rpartition("node_modules/")[2]
        if name:
            yield Named(name, package.get("version"), file.path)


def _package_json(file: File) -> Iterator[Named]:
    values = json.loads(file.content or "")
    for section in ("dependencies", "devDependencies", "optionalDependencies"):
        for name, wanted in values.get(section, {}).items():
            exact = _expression(r"=?\d+\.\d+\.\d+\S*").fullmatch(wanted)
            yield Named(name, wanted.lstrip("=") if exact else None, file.path)


def _pyproject(file: File) -> Iterator[Named]:
    project = tomllib.loads(file.content or "").get("project", {})
    extras = project.get("optional-dependencies", {}).values()
    for each in (*project.get("dependencies", []), *(one for group in extras for one in group)):
        yield _requirement(each, file.path, 0)


_REQUIREMENT = r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:==\s*([^\s,;*]+))?"


def _requirement(text: str, path: str, line: int) -> Named:
    match = _expression(_REQUIREMENT).match(text)
    if match is None:
        raise ValueError("no requirement")
    return Named(match.group(1), match.group(2), path, line)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for at, line in enumerate(text.splitlines(), start=1):
        line = line.partition("#")[0].strip()
        if line and not line.startswith("-"):
            yield at, line


_MODULE = r"['\"]([^'\"\n]+)['\"]"
_PYTHON = (
    r"(?m)^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import\b"
    r"|import[ \t]+([\w.]+(?:[ \t]*,[ \t]*[\w.]+)*))"
)
_SCRIPT = (
    rf"(?m)(?:^[ \t]*(?:import|export)\b[^'\"\n;]*?(?:\bfrom\s*)?{_MODULE}"
    rf"|\b(?:require|import)\(\s*{_MODULE}\s*\))"
)
_GO = r"(?m)^[ \t]*(?:import[ \t]+)?(?:[\w.]+[ \t]+)?\"([^\"\n]+)\"[ \t]*$"
_JAVA = r"(?m)^[ \t]*import[ \t]+(?:static[ \t]+)?([\w.]+\*?)[ \t]*;?"
_IMPORTS = {
    **dict.fromkeys(("py", "pyi"), _PYTHON),
    **dict.fromkeys(("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts"), _SCRIPT),
    "go": _GO,
    **dict.fromkeys(("java", "kt", "scala"), _JAVA),
}


def imports(file: File) -> Iterator[Named]:
    """The modules that a source file names, with their lines."""
    expression = _IMPORTS.get(file.path.rpartition(".")[2])
    text = file.content or ""
    if expression is None:
        return
    for match in _expression(expression).finditer(text):
        for names in match.groups():
            for name in (names or "").split(","):
                if name.strip():
                    yield Named(name.strip(), path=file.path, line=_line(text, match))


def config(file: File) -> Iterator[Named]:
    """Keys, nested ones joined by dots, with their values as texts."""
    text, name = file.content or "", file.path.rpartition("/")[2]
    kind = name.rpartition(".")[2]
    if kind == "toml":
        yield from _flat(tomllib.loads(text), "", file.path)
    elif kind == "json":
        yield from _flat(json.loads(text), "", file.path)
    elif kind in ("ini", "cfg", "properties") or name.startswith(".env"):
        yield from _pairs(text, file.path)


def _flat(value: Any, prefix: str, path: str, depth: int = 0) -> Iterator[Named]:
    if isinstance(value, dict) and depth < _DEPTH:
        for key, each in value.items():
            yield from _flat(each, f"{prefix}.{key}" if prefix else key, path, depth + 1)
    elif prefix:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        yield Named(prefix, text, path)


def _pairs(text: str, path: str) -> Iterator[Named]:
    section = ""
    for at, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1] + "."
        elif "=" in line and line[0] not in "#;!":
            key, _, value = line.removeprefix("export ").partition("=")
            yield Named(section + key.strip(), value.strip().strip("'\""), path, at)


def _line(text: str, match: Any) -> int:
    """Where the match stands, its own leading blank lines left out."""
    start = match.start() + len(match.group()) - len(match.group().lstrip())
    return text.count("\n", 0, start) + 1


@lru_cache(maxsize=32)
def _expression(pattern: str) -> Any:
    return re2.compile(pattern)

"""Rules that hold for every file of the repository.

Reads files and settings classes; must not know what any service does.
"""

import ast
import importlib
import pkgutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import services

MACHINE_PATHS = ("/work/", "/farm/")
REGISTRY_HOSTS = ("pypi.org", "pythonhosted.org", "npmjs.org", "proxy.golang.org")
LOCK = "uv.lock"  # a lock names where each file comes from


@pytest.fixture
def root(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


def test_every_module_says_what_it_is_for(root: Path) -> None:
    modules = [path for top in ("cli", "libs", "services") for path in (root / top).rglob("*.py")]
    trees = {str(path.relative_to(root)): ast.parse(path.read_text()) for path in modules}

    silent = [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)]

    assert trees
    assert silent == []


@pytest.mark.parametrize("word", [*MACHINE_PATHS, *REGISTRY_HOSTS])
def test_no_file_names_the_machine_or_registry_it_was_made_with(root: Path, word: str) -> None:
    texts = {name: text for name, text in repository_texts(root) if not name.endswith(LOCK)}
    texts.pop(str(Path(__file__).relative_to(root)))

    assert [name for name, text in texts.items() if word.encode() in text] == []


def repository_texts(root: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file that is committed or, not being ignored, could be."""
    listing = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    git = ["git", "-c", f"safe.directory={root}", "-C", str(root)]
    names = subprocess.run([*git, *listing], check=True, capture_output=True, text=True).stdout
    for name in sorted(set(names.split("\0"))):
        if (root / name).is_file():
            yield name, (root / name).read_bytes()


def test_every_setting_is_documented(root: Path) -> None:
    documented = (root / "docs" / "settings.md").read_text()
    variables = [name for kind in settings_classes() for name in environment_of(kind)]

    assert variables
    assert [name for name in variables if f"`{name}`" not in documented] == []


def settings_classes() -> Iterator[type[BaseSettings]]:
    """The settings of each service, found by name: services.*.settings."""
    for service in pkgutil.iter_modules(services.__path__, "services."):
        if service.ispkg:
            module = importlib.import_module(f"{service.name}.settings")
            classes = (value for value in vars(module).values() if isinstance(value, type))
            own = (kind for kind in classes if kind.__module__ == module.__name__)
            yield from (kind for kind in own if issubclass(kind, BaseSettings))


def environment_of(settings: type[BaseSettings]) -> Iterator[str]:
    """The environment variables that pydantic reads for a settings class, nested ones included."""
    delimiter = settings.model_config.get("env_nested_delimiter")
    prefix = settings.model_config.get("env_prefix", "")
    return (name.upper() for name in leaves(settings, prefix, delimiter))


def leaves(model: type[BaseModel], prefix: str, delimiter: str | None) -> Iterator[str]:
    for name, field in model.model_fields.items():
        nested = nested_model(field)
        if nested and delimiter:
            yield from leaves(nested, f"{prefix}{name}{delimiter}", delimiter)
        else:
            yield prefix + name


def nested_model(field: FieldInfo) -> type[BaseModel] | None:
    """The model in a field's type, `Model` or `Model | None`; None for any other type.

    A list of models is one variable, which holds JSON.
    """
    if get_origin(field.annotation) in (tuple, list):
        return None
    for kind in get_args(field.annotation) or (field.annotation,):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None

import re

import pytest
from typer.testing import CliRunner

from cli.main import app

COMMANDS = {
    (): "serve migrate health demo release memory knowledge changes tenant token audit approval"
    " constraint",
    ("serve",): "all memory knowledge governance sync",
    ("release",): "deploy rollback status",
    ("memory",): "add get list search update delete promote history",
    ("knowledge",): "create get list update propose accept reject deprecate search history relate",
    ("tenant",): "create get list suspend resume",
    ("audit",): "list verify record",
    ("constraint",): "create update delete list show resolve check conflicts drift reports",
    (
        "approval",
    ): "request list show approve reject withdraw apply delegate delegations undelegate",
}
LEAVES = [
    (*group, name)
    for group, names in COMMANDS.items()
    for name in names.split()
    if (name,) not in COMMANDS or group
]


def help_of(*command: str) -> str:
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("group", COMMANDS)
def test_groups_list_their_commands(group: tuple[str, ...]) -> None:
    shown = help_of(*group)

    missing = [name for name in COMMANDS[group].split() if not re.search(rf"│ {name}\s", shown)]
    assert missing == []


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    shown = help_of(*command)

    assert f"Usage: aeterna {' '.join(command)}" in shown.replace("root", "aeterna")
    assert "Options" in shown


def test_exit_codes_are_documented() -> None:
    assert "7 data folder in use" in " ".join(help_of().split())


@pytest.mark.parametrize("option", ["--output", "--server", "--token", "--tenant", "--as"])
def test_shared_options_go_before_and_after_a_command(option: str) -> None:
    assert option in help_of()
    assert option in help_of("memory", "list")


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])

    assert re.fullmatch(r"aeterna \d+\.\d+\.\d+\n", result.output)


@pytest.mark.parametrize(
    "arguments",
    [["bogus"], ["memory", "add"], ["memory", "list", "--limit", "0"], ["--output", "xml"]],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2

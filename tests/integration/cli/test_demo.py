"""The acceptance: a working day of two tenants, each step checked by the demo itself."""

from tests.integration.cli.conftest import DEADLINE, Folder


def test_the_demo_plays_to_its_end(fresh_folder: Folder) -> None:
    with fresh_folder.process("demo") as demo:
        shown, error = demo.communicate(timeout=DEADLINE)

    assert demo.returncode == 0, shown + error
    assert error == ""
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for expected in ("ok it ended with code 0", "memories deleted 1", "refused: SELF_REVIEW 1"):
        assert expected in lines
    assert any(line.startswith("live 1 created tenants/harborline") for line in lines)
    assert "eyJ" not in shown  # no token
    assert not fresh_folder.path.exists()


def test_the_demo_leaves_tenants_alone_that_are_there(folder: Folder) -> None:
    with folder.process("demo", "--data", str(folder.path)) as demo:
        shown, error = demo.communicate(timeout=DEADLINE)

    assert demo.returncode == 0, shown + error
    assert "tenants/harborline-2:" in shown


def test_a_folder_in_use_ends_the_demo_with_7(served: Folder) -> None:
    with served.process("demo", "--data", str(served.path)) as demo:
        shown, _ = demo.communicate(timeout=DEADLINE)

    assert demo.returncode == 7
    assert "DATA_FOLDER_IN_USE" in shown

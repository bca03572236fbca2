"""The acceptance: a working day of two tenants, each step checked by the demo itself."""

from tests.integration.cli.conftest import DEADLINE, Folder


def test_the_demo_plays_to_its_end(folder: Folder) -> None:
    with folder.process("demo") as demo:
        shown, error = demo.communicate(timeout=DEADLINE)

    assert demo.returncode == 0, shown + error
    assert error == ""
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for expected in ("ok it ended with code 0", "memories deleted 1", "refused: SELF_REVIEW 1"):
        assert expected in lines
    assert any(line.startswith("live 1 created tenants/harborline") for line in lines)
    assert "eyJ" not in shown  # no token
    assert not folder.path.exists()


def test_the_demo_may_be_played_again_in_a_folder(folder: Folder) -> None:
    for label in ("harborline", "harborline-2"):
        with folder.process("demo", "--data", str(folder.path)) as demo:
            shown, error = demo.communicate(timeout=DEADLINE)
        assert demo.returncode == 0, shown + error
        assert f"tenants/{label}:" in shown


def test_a_folder_in_use_ends_the_demo_with_7(served: Folder) -> None:
    with served.process("demo", "--data", str(served.path)) as demo:
        shown, _ = demo.communicate(timeout=DEADLINE)

    assert demo.returncode == 7
    assert "DATA_FOLDER_IN_USE" in shown

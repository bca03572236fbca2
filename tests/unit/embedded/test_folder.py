import os
from pathlib import Path

import pytest

from libs.embedded.folder import default_path


def test_the_chosen_folder_wins() -> None:
    assert default_path({"AETERNA_DATA": "/srv/a", "XDG_DATA_HOME": "/x"}) == Path("/srv/a")


def test_root_has_the_system_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_path({"XDG_DATA_HOME": "/x"}) == Path("/var/lib/aeterna")


def test_a_user_has_the_folder_of_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_path({"XDG_DATA_HOME": "/x"}) == Path("/x/aeterna")
    assert default_path({}) == Path.home() / ".local/share/aeterna"

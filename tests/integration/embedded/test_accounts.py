import os
from pathlib import Path

import pytest

from libs.embedded.accounts import Account, account_for
from libs.embedded.errors import PostgresPathUnreachable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
NOBODY = Account("nobody", 65534, 65534)


def test_the_outermost_closed_parent_is_named(folder: Path) -> None:
    closed = folder / "closed"
    path = closed / "also" / "deep"
    path.mkdir(parents=True)
    path.parent.chmod(0o700)
    closed.chmod(0o700)

    with pytest.raises(PostgresPathUnreachable, match=f"chmod o\\+x {closed}$") as refused:
        NOBODY.require_reach(path)

    assert refused.value.metadata["blocked"] == str(closed)


@pytest.mark.parametrize(
    ("mode", "gid", "open_to_nobody"),
    [(0o701, 0, True), (0o710, 0, False), (0o710, NOBODY.gid, True), (0o701, NOBODY.gid, False)],
)
def test_groups_count_before_others(
    mode: int, gid: int, open_to_nobody: bool, folder: Path
) -> None:
    os.chown(folder, 0, gid)
    folder.chmod(mode)

    if open_to_nobody:
        NOBODY.require_reach(folder)
    else:
        with pytest.raises(PostgresPathUnreachable):
            NOBODY.require_reach(folder)


def test_an_owned_folder_is_closed_to_others_and_keeps_its_account(folder: Path) -> None:
    NOBODY.own(folder)

    assert folder.stat().st_mode & 0o777 == 0o700
    NOBODY.require_reach(folder)
    found = account_for(folder)
    assert found
    assert (found.uid, found.gid) == (NOBODY.uid, NOBODY.gid)


def test_a_new_folder_gets_an_account_other_than_root(folder: Path) -> None:
    found = account_for(folder / "new")

    assert found
    assert found.uid != 0

"""`aeterna keys` on a running suite: the whole way of a rotation."""

from tests.integration.cli.conftest import Folder


def test_keys_are_rotated_and_the_old_ones_retired(served: Folder) -> None:
    served.json("memory", "add", "Tea at four.", "--user", "kim")
    rotated = served.json("keys", "rotate", "--subject", "kim")
    tenant_key = served.json("keys", "rotate")
    moved = served.json("keys", "reencrypt", "--rows-per-second", "1000")
    rewrapped = served.json("keys", "rewrap")
    foreseen = served.json("keys", "retire", "--dry-run")
    listed = served.json("keys", "list", "--subjects", "--filter", 'subject = "kim"')
    shown = served.run("keys", "list")

    assert (rotated["subject"], rotated["version"], rotated["primary"]) == ("kim", 2, True)
    assert tenant_key["version"] >= 2
    assert moved["done"]
    assert int(moved["response"]["reencrypted"]) >= 2
    assert int(rewrapped["response"]["subjectKeys"]) >= 2
    assert int(foreseen["response"]["subjectKeys"]) >= 1
    assert sorted(key["version"] for key in listed) == [1, 2]
    assert tenant_key["name"] in shown.out
    assert served.json("memory", "search", "tea at four")[0]["memory"]["content"] == "Tea at four."


def test_the_key_that_wraps_all_is_shown(served: Folder) -> None:
    key = served.json("keys", "kms")
    listed = served.json("keys", "kms", "--all")

    assert (key["provider"], key["state"]) == ("local", "enabled")
    assert key in listed


def test_options_that_do_not_go_together_are_refused(served: Folder) -> None:
    for wrong in (
        ("list", "--filter", 'subject = "kim"'),
        ("rotate", "--subject", "kim", "--all-subjects"),
        ("rotate", "--older-than", "90d"),
        ("kms", "--all", "--rotate"),
    ):
        assert served.run("keys", *wrong).code == 2


def test_all_subjects_are_rotated_by_age(served: Folder) -> None:
    served.json("memory", "add", "Coffee at six.", "--user", "lee")

    ended = served.json("keys", "rotate", "--all-subjects", "--older-than", "90d")
    begun = served.json("keys", "rotate", "--all-subjects", "--no-wait")

    assert ended["response"].get("subjectKeys", "0") == "0"
    assert begun["name"].startswith("operations/")

import json
from pathlib import Path

import pytest

from cli.endpoints import SERVICES, Addresses, NotRunning, find, published
from libs.errors import InvalidRequest


def test_services_follow_each_other_from_a_port() -> None:
    expected = Addresses("h:50051", "h:50052", "h:50053", "h:50054", "h:8080")

    assert Addresses.from_port("h", 50051) == expected
    assert Addresses.parse("h:50051") == expected


def test_port_0_is_a_free_one_for_each() -> None:
    assert Addresses.from_port("h", 0) == Addresses("h:0", "h:0", "h:0", "h:0", "h:0")


def test_the_web_has_a_port_of_its_own() -> None:
    assert Addresses.from_port("h", 0, 80).web == "h:80"
    assert Addresses.from_port("h", 50051, 0).web == "h:0"


def test_each_service_may_have_its_own_address() -> None:
    text = "sync=s:4, memory=m:1,knowledge=k:2,governance=g:3"

    assert Addresses.parse(text) == Addresses("m:1", "k:2", "g:3", "s:4")
    assert Addresses.parse(f"{text},web=w:5").web == "w:5"


def test_an_ipv6_host_keeps_its_brackets() -> None:
    assert Addresses.parse("[::1]:50051").sync == "[::1]:50054"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        ":50051",
        "host:",
        "host:x",
        "host:65534",
        "memory=m:1",
        "memory=m:1,knowledge=k:2,governance=g:3,sync=",
        "memory=m:1,knowledge=k:2,governance=g:3,sync=s:4,extra=e:5",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        Addresses.parse(text)


def test_clients_find_what_a_server_has_published(tmp_path: Path) -> None:
    addresses = Addresses("m:1", "k:2", "g:3", "s:4", "w:5")

    with published(tmp_path, addresses):
        assert find(tmp_path) == addresses

    with pytest.raises(NotRunning):
        find(tmp_path)


def test_clients_of_earlier_releases_find_the_services_and_nothing_else(tmp_path: Path) -> None:
    """They refuse a file with a name that they do not know."""
    with published(tmp_path, Addresses("m:1", "k:2", "g:3", "s:4", "w:5")):
        known = json.loads((tmp_path / "endpoints.json").read_text())

    assert tuple(known) == SERVICES


def test_a_server_of_an_earlier_release_has_no_web(tmp_path: Path) -> None:
    services = {"memory": "m:1", "knowledge": "k:2", "governance": "g:3", "sync": "s:4"}
    (tmp_path / "endpoints.json").write_text(json.dumps(services))

    assert find(tmp_path).web == ""

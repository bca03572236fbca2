"""Every RPC names an action of the Cedar schema, and every action is asked for somewhere."""

import re
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2

from aeterna.governance.v1 import tenants_pb2
from libs.authorization.engine import actions
from libs.service.actions import actions_of

_RPC = re.compile(r"^  rpc (\w+)\(.*?\) returns \(.*?\)(?:;| \{(.*?)^  \})", re.M | re.S)
_ACTION = re.compile(r'option \(aeterna\.common\.v1\.action\) = "(\w+)";')


def _named(root: Path) -> dict[str, str]:
    """The action of each RPC, "" for none."""
    texts = [each.read_text() for each in (root / "protos" / "aeterna").rglob("*.proto")]
    return {
        method: found[1] if (found := _ACTION.search(body or "")) else ""
        for text in texts
        for method, body in _RPC.findall(text)
    }


def test_every_rpc_names_an_action_of_the_schema(pytestconfig: pytest.Config) -> None:
    named = _named(pytestconfig.rootpath)

    assert len(named) > 30
    assert {rpc: action for rpc, action in named.items() if action not in actions().rows} == {}


def test_a_service_with_a_method_without_an_action_is_not_served() -> None:
    name = tenants_pb2.DESCRIPTOR.services_by_name["TenantService"].full_name
    assert len(actions_of([name])) == 5

    foreign = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    with pytest.raises(ValueError, match=r"/grpc\.health\.v1\.Health/Check"):
        actions_of([foreign])

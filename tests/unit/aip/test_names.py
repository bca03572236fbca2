from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.aip.names import resource_id, resource_uuid
from libs.errors import InvalidRequest

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def violation(refusal: pytest.ExceptionInfo[InvalidRequest]) -> tuple[str, str]:
    [only] = refusal.value.violations
    return only.field, only.description


@given(st.uuids())
def test_the_uuid_of_a_name(uuid: UUID) -> None:
    assert resource_uuid(f"memories/{uuid}", "memories") == uuid


@pytest.mark.parametrize(
    "name",
    [
        "",
        "memories",
        "memories/",
        ID,
        f"/{ID}",
        f"memory/{ID}",
        f"Memories/{ID}",
        f"memories/{ID.upper()}",
        f"memories/{ID.replace('-', '')}",
        f"memories/{{{ID}}}",
        f"memories/urn:uuid:{ID}",
        f"memories/{ID}/",
        f"memories/{ID}\n",
        f" memories/{ID}",
        f"memories//{ID}",
        f"a/memories/{ID}",
        f"memories/{ID[:-1]}",
        f"memories/{ID[:-1]}٣",
        "memories/-",
    ],
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        resource_uuid(name, "memories", "memory.name")
    assert violation(refusal) == ("memory.name", "must be memories/ and a UUID in lower case")


@given(st.text())
def test_no_text_is_fatal(name: str) -> None:
    with pytest.raises(InvalidRequest):
        resource_uuid(name, "memories")
    with pytest.raises(InvalidRequest):
        resource_id(f"tenants/{name}/", "tenants")


@pytest.mark.parametrize("label", ["a", "acme", "acme-1", "a" * 63])
def test_the_label_of_a_name(label: str) -> None:
    assert resource_id(f"tenants/{label}", "tenants") == label


@pytest.mark.parametrize("name", ["acme", "tenants/", "tenants/Acme", "tenants/-a", "shards/acme"])
def test_any_other_label_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        resource_id(name, "tenants", "parent")
    assert violation(refusal)[0] == "parent"

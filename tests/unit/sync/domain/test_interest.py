"""Which changes a subscriber hears of."""

import pytest

from services.sync.domain.interest import is_about


@pytest.mark.parametrize(
    ("resource", "collections", "wanted"),
    [
        ("memories/1", set(), True),
        ("memories/1", {"memories"}, True),
        ("memories/1", {"policies", "memories"}, True),
        ("memories/1", {"policies"}, False),
        ("memories/1", {"memorie"}, False),
        ("memoriesOld/1", {"memories"}, False),
    ],
)
def test_the_collection_is_the_first_part_of_the_name(
    resource: str, collections: set[str], wanted: bool
) -> None:
    assert is_about(resource, collections) is wanted

"""Which changes a subscriber wants to hear of. Pure."""

from collections.abc import Set


def is_about(resource: str, collections: Set[str]) -> bool:
    """Whether a resource, by its full name, is in one of the collections; none means all."""
    return not collections or resource.partition("/")[0] in collections

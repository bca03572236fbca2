"""Resource names (AIP-122): `collection/id`, checked before anything looks the id up.

Knows nothing of which collections there are.
"""

import re
from uuid import UUID

from libs.errors import invalid
from libs.tenancy import parse_label

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def resource_uuid(name: str, collection: str, field: str = "name") -> UUID:
    """The id in `collection/{uuid}`; only the canonical lower-case text, so names compare as text.

    Raises:
        InvalidRequest: Anything else; `field` is named.
    """
    prefix, _, identifier = name.partition("/")
    if prefix != collection or not _UUID.fullmatch(identifier):
        raise invalid(field, f"must be {collection}/ and a UUID in lower case")
    return UUID(identifier)


def resource_id(name: str, collection: str, field: str = "name") -> str:
    """The id in `collection/{label}`, a DNS label.

    Raises:
        InvalidRequest: Anything else; `field` is named.
    """
    prefix, _, label = name.partition("/")
    if prefix != collection:
        raise invalid(field, f"must be {collection}/ and a DNS label")
    return parse_label(label, field)

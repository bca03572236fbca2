"""What each method does, as its contract says: an action of the Cedar schema."""

from collections.abc import Iterable, Mapping

from google.protobuf import descriptor_pool

from aeterna.common.v1 import authorization_pb2
from libs.authorization.engine import actions

# Their contract is not ours to annotate.
_FOREIGN = {
    "google.longrunning.Operations": {
        "ListOperations": "ListOperations",
        "GetOperation": "GetOperation",
        "WaitOperation": "GetOperation",
        "CancelOperation": "CancelOperation",
        "DeleteOperation": "DeleteOperation",
    }
}


def actions_of(services: Iterable[str]) -> dict[str, str]:
    """The actions of the methods of services, by path.

    Raises:
        ValueError: A method names none that the schema has: it would be open to all.
    """
    found = {
        f"/{service}/{method}": action
        for service in services
        for method, action in _methods(service).items()
    }
    unknown = sorted(path for path, action in found.items() if action not in actions().rows)
    if unknown:
        raise ValueError(f"methods without an action of the schema: {', '.join(unknown)}")
    return found


def _methods(service: str) -> Mapping[str, str]:
    if service in _FOREIGN:
        return _FOREIGN[service]
    descriptor = descriptor_pool.Default().FindServiceByName(service)
    return {
        method.name: method.GetOptions().Extensions[authorization_pb2.action]
        for method in descriptor.methods
    }

"""Who asked for an operation, among its parameters: what it changes is theirs in the change log."""

from libs.changes import Origin
from libs.operations import Fields


def asking(origin: Origin) -> Fields:
    """The parameters that say who asked."""
    return {"actor": origin.actor, "trace_id": origin.trace_id}


def origin_of(parameters: Fields) -> Origin:
    """Who asked."""
    return Origin(parameters["actor"], parameters["trace_id"])

"""Which columns a list of each kind of message has."""

from collections.abc import Mapping

from cli.views import (
    access,
    approvals,
    common,
    constraints,
    costs,
    knowledge,
    live,
    memory,
    protection,
)
from cli.views.cells import Columns

_PARTS = (access, approvals, common, constraints, costs, knowledge, live, memory, protection)
COLUMNS: Mapping[str, Columns] = {
    kind.DESCRIPTOR.full_name: columns for part in _PARTS for kind, columns in part.COLUMNS.items()
}

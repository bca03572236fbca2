"""Where items are, as policies see it: what a decision about them depends on. Pure."""

from libs.aip.filtering import Among
from libs.authorization.things import Sight

# In rows of items: SQL.
COLUMNS = {
    "layer": "layer",
    "org": "org_id",
    "team": "team_id",
    "project": "project_id",
    "status": "status",
}


def restricting(sight: Sight) -> list[Among]:
    """A sight as conditions on rows."""
    if not sight.attributes:
        return []
    columns = tuple(COLUMNS.get(each, "''") for each in sight.attributes)
    return [Among(sight.attributes, columns, tuple(sorted(sight.places)))]

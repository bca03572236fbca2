"""Whom inside a tenant something is done for. Pure."""

from typing import NamedTuple

from libs.scope import Scope


class Attribution(NamedTuple):
    """Whom inside a tenant something is done for; "": nobody in particular."""

    org_id: str = ""
    team_id: str = ""
    project_id: str = ""

    @classmethod
    def of(cls, scope: Scope) -> "Attribution":
        """The part of a scope that costs are told by: no persons."""
        return cls(scope.org_id, scope.team_id, scope.project_id)


NOBODY = Attribution()

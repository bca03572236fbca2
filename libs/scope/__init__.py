"""Where a thing belongs inside a tenant: the scope that memories and knowledge share. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

from libs.errors import FieldViolation, InvalidRequest


@dataclass(frozen=True, slots=True)
class Scope:
    """Opaque ids, compared byte by byte; "" where a thing is not tied to one."""

    org_id: str = ""
    team_id: str = ""
    project_id: str = ""
    session_id: str = ""
    user_id: str = ""
    agent_id: str = ""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """The scope with the ids that `values` holds among other keys."""
        return cls(**{name: values[name] for name in SCOPE_IDS if name in values})

    def values(self) -> tuple[str, ...]:
        """The ids in the order of SCOPE_IDS."""
        return tuple(getattr(self, name) for name in SCOPE_IDS)

    def restrict(self, names: tuple[str, ...]) -> dict[str, str]:
        """The named ids that are set."""
        return {name: value for name in names if (value := getattr(self, name))}

    def demand(self, names: Sequence[str], layer: str, field: str) -> None:
        """Raises InvalidRequest when ids that `layer` needs are not set; `field` is our path."""
        missing = [name for name in names if not getattr(self, name)]
        if missing:
            raise InvalidRequest(
                [
                    FieldViolation(f"{field}.{name}", f"is needed in layer {layer}")
                    for name in missing
                ]
            )

    def place(self) -> dict[str, str]:
        """Where it is in the tenant, "" included, by the names of PLACE: the log of changes holds
        this with each change, and whoever reads it takes an id that is missing as not known."""
        return {name: getattr(self, scope_id) for name, scope_id in PLACE.items()}

    def admits(self, bound: Mapping[str, str]) -> bool:
        """Whether a thing bound to these ids is seen from here: none contradicts one of ours."""
        return all(getattr(self, name) in ("", value) for name, value in bound.items())

    def filter(self) -> dict[str, tuple[str, str]]:
        """`admits` as a filter of the vector index: each id that is set is ours or not bound."""
        return {name: ("", value) for name, value in self.restrict(SCOPE_IDS).items()}


# Stored and hashed with changes, so that they never change; policies call them the same.
PLACE: Mapping[str, str] = {"org": "org_id", "team": "team_id", "project": "project_id"}
SCOPE_IDS = tuple(field.name for field in fields(Scope))

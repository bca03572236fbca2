"""Which things of a tenant a caller may read: what lists and searches filter by, before they rank.

As long as the suite's own policies decide alone, a few questions tell. Where roles hold in parts of
the tenant, or the tenant has policies of its own, each place that there are things at is asked for.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from libs.authorization.engine import Asker
from libs.authorization.things import (
    ATTRIBUTES,
    EVERYTHING,
    MEMORY,
    OWNER,
    PLACE,
    Sight,
    Thing,
)
from libs.errors import AppError, Kind

MOST = 20_000  # places that are asked for
_NOBODY = "\0"  # no person has this id

# The distinct values of these attributes that there are, each in their order, at most `MOST` + 1.
Places = Callable[[Sequence[str]], Awaitable[Collection[tuple[str, ...]]]]


class TooManyPlaces(AppError):
    """The policies of the tenant tell apart more places than can be asked for."""

    kind, reason = Kind.PRECONDITION, "TOO_MANY_PLACES"

    def __init__(self) -> None:
        super().__init__(
            f"The policies of the tenant tell more than {MOST} places apart.", limit=str(MOST)
        )


async def sight_of(asker: Asker, action: str, kind: str, tenant: str, places: Places) -> Sight:
    """What the caller may do this to.

    Raises:
        TooManyPlaces: As it says.
    """
    plain = plain_sight(asker, action, kind, tenant)
    if plain is None:
        return await _by_places(asker, action, kind, tenant, places)
    return plain


def plain_sight(asker: Asker, action: str, kind: str, tenant: str) -> Sight | None:
    """The same, as far as a few questions tell it; None where each place must be asked for."""
    if asker.bound or asker.reads(action, tenant=True) is not None:
        return None
    person = asker.principal.person

    def allows(layer: str, user: str) -> bool:
        return asker.decide(action, Thing(kind, tenant, layer=layer, user=user)).allowed

    shared = allows("company", "")
    if kind != MEMORY:
        return EVERYTHING if shared else _some((OWNER,), ())
    own, others = allows("user", person), allows("user", _NOBODY)
    if shared and own == others:
        return EVERYTHING if own else Sight(owner="")
    if shared:
        return Sight(owner=person)
    return _some((OWNER,), ((person,),) if own else ())


def _some(attributes: tuple[str, ...], places: Sequence[tuple[str, ...]]) -> Sight:
    return Sight(None, attributes, frozenset(places))


async def _by_places(asker: Asker, action: str, kind: str, tenant: str, places: Places) -> Sight:
    attributes = _told_apart(asker, action, kind)
    there_are = await places(attributes)
    if len(there_are) > MOST:
        raise TooManyPlaces
    things = {each: _thing(kind, tenant, attributes, each) for each in there_are}
    seen = [each for each, thing in things.items() if asker.decide(action, thing).allowed]
    return _some(attributes, seen)


def _told_apart(asker: Asker, action: str, kind: str) -> tuple[str, ...]:
    """Attributes that decisions may depend on; at least one."""
    given = asker.reads(action, tenant=True) or frozenset()
    own = asker.reads(action, tenant=False) or frozenset()
    read = {"layer"} | given | (own - {"user"})
    if asker.bound:
        read |= {"org", "team", "project"}
    told = [each for each in PLACE if each in read and each in ATTRIBUTES[kind]]
    return tuple(told if "user" in read or kind != MEMORY else [*told, OWNER])


def _thing(kind: str, tenant: str, attributes: Sequence[str], place: tuple[str, ...]) -> Thing:
    values: dict[str, Any] = dict(zip(attributes, place, strict=True))
    if OWNER in values:
        values["user"] = values.pop(OWNER)
    return replace(Thing(kind, tenant), **values)

"""What memories can be filtered by, in lists and in searches alike: what their rows hold open."""

from libs.aip.filtering import Field, Kind, parse
from libs.scope import SCOPE_IDS
from libs.vectors.filters import Rows
from services.memory.domain.memory import TABLE, Layer, Tier

FIELDS = {
    **{name: Field(name, Kind.TEXT) for name in SCOPE_IDS},
    "layer": Field("layer", Kind.ENUM, {layer.value: layer.value for layer in Layer}),
    "tier": Field("tier", Kind.ENUM, {tier.value: tier.value for tier in Tier}),
    "importance": Field("importance", Kind.NUMBER),
    "trust": Field("trust", Kind.NUMBER),
    "valid_from": Field("coalesce(valid_from, '-infinity')", Kind.TIME),
    "valid_until": Field("coalesce(valid_until, 'infinity')", Kind.TIME),
    "event_time": Field("coalesce(event_at, created_at)", Kind.TIME),
    "create_time": Field("created_at", Kind.TIME),
    "update_time": Field("updated_at", Kind.TIME),
    "confirm_time": Field("coalesce(confirmed_at, updated_at)", Kind.TIME),
}


def rows_from(text: str) -> Rows | None:
    """The filter of a search, None for an empty one.

    Raises:
        InvalidRequest: It is none; names `filter` and the fields that there are.
    """
    comparisons = parse(text, FIELDS)
    return Rows(TABLE, tuple(comparisons)) if comparisons else None

"""Texts that several people write: operations, their order, clients, undo, diffs, clocks. Pure.

Servers put operations in order (`ordering`), clients are `shared.SharedText`; what both need is
here. Fields beside a text are in `clocks`. Decision 23 says why it is as it is.
"""

from libs.ot.operations import (
    NOTHING,
    Misfit,
    Operation,
    Part,
    Side,
    apply,
    compose,
    growth,
    invert,
    normal,
    past_all,
    reach,
    transform,
    transform_both,
)

__all__ = [
    "NOTHING",
    "Misfit",
    "Operation",
    "Part",
    "Side",
    "apply",
    "compose",
    "growth",
    "invert",
    "normal",
    "past_all",
    "reach",
    "transform",
    "transform_both",
]

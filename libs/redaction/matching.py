"""How recognisers replace: a pattern finds candidates, a check decides."""

import re
from collections.abc import Callable

Check = Callable[[str], bool]  # of what a pattern found
_BEFORE = 32  # characters that may hold a label
# What follows one of these is a number of something else, whatever its digits add up to.
_LABEL = re.compile(
    r"(?:\b(?:order|ticket|invoice|case|issue|part|article|sku|serial|batch|build|version|release"
    r"|ver|rev|revision|tag|commit|section|chapter|isbn)s?"
    r"(?:[ _-]?(?:no|nr|number|num|id|code))?|[<>=~^]=?)[.\s:#=\"'(]{0,4}v?$",
    re.IGNORECASE,
)


def replaced(text: str, pattern: re.Pattern[str], by: str, check: Check, labels: bool) -> str:
    """The text with `by` for what the pattern finds and the check approves; the group `value` of
    the pattern, if it has one, or all. `labels`: unless a label says that it is something else."""
    group = "value" if "value" in pattern.groupindex else 0
    parts, end = [], 0
    for match in pattern.finditer(text):
        start, stop = match.span(group)
        if check(match[group]) and not (labels and labelled(text, start)):
            parts += [text[end:start], by]
            end = stop
    return "".join([*parts, text[end:]]) if parts else text


def labelled(text: str, start: int) -> bool:
    """Whether what stands before says that this is the number of something else."""
    return _LABEL.search(text[max(0, start - _BEFORE) : start]) is not None

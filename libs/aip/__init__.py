"""The parts of the API Improvement Proposals that every service follows: names, pages, filters.

Knows nothing of what is listed. Whatever a client can send here is accepted or an InvalidRequest.
"""

import re

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold `text`: without NUL and without half a surrogate pair."""
    return not _UNSTORABLE.search(text)

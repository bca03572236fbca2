"""The parts of the API Improvement Proposals that every service follows: names, pages, filters.

Knows nothing of what is listed. Whatever a client can send here is accepted or an InvalidRequest.
"""


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold `text`: without NUL and without half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)

"""Lists of more than one page."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

M = TypeVar("M")

_PAGE = 200
Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]


async def collect(
    call: Callable[[Any], Awaitable[Any]], request: Any, field: str, limit: int
) -> list[Any]:
    """The first `limit` of `field` in the answers to `request`, page by page."""
    found: list[Any] = []
    while True:
        request.page_size = min(limit - len(found), _PAGE)
        page = await call(request)
        found += getattr(page, field)
        request.page_token = page.next_page_token
        if not page.next_page_token or len(found) >= limit:
            return found

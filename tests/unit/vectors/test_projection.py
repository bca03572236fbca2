"""Repairing the index, shard by shard."""

from types import SimpleNamespace
from typing import Any, cast

from libs.tenancy.directory import Directory
from libs.vectors.projection import ProjectionWorker, Projector


class Shard:
    """With one tenant of the same name; or away."""

    def __init__(self, name: str, away: bool = False) -> None:
        self.name, self.away = name, away

    async def fetch(self, sql: str, collection: str) -> list[tuple[str]]:
        if self.away:
            raise ConnectionRefusedError
        return [(self.name,)]


async def test_a_shard_that_is_away_keeps_no_other_from_being_repaired() -> None:
    repaired: list[Any] = []

    async def shards() -> list[Shard]:
        return [Shard("one", away=True), Shard("two")]

    async def route(tenant: str) -> str:
        return tenant

    async def repair(route: str) -> int:
        repaired.append(route)
        return 1

    directory = cast("Directory", SimpleNamespace(shards=shards, route=route))
    collection = SimpleNamespace(name="memories")
    projector = cast("Projector", SimpleNamespace(collection=collection, repair=repair))

    assert await ProjectionWorker(projector, directory).pass_once() == 1
    assert repaired == ["two"]

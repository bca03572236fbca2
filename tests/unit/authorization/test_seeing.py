"""A sight shows what decisions would, thing by thing."""

from collections.abc import Mapping, Sequence
from random import Random

import pytest

from bench.policies import TENANT_ID, random_policies, random_question
from libs.authorization import seeing
from libs.authorization.engine import Asker, Engine
from libs.authorization.seeing import TooManyPlaces, plain_sight, sight_of
from libs.authorization.things import KNOWLEDGE_ITEM, MEMORY, TENANT, Thing, values_of

_READ = {MEMORY: "SearchMemories", KNOWLEDGE_ITEM: "SearchKnowledgeItems"}


def _things(random: Random, count: int) -> dict[str, list[Thing]]:
    """Things of one tenant by kind."""
    found: dict[str, list[Thing]] = {MEMORY: [], KNOWLEDGE_ITEM: []}
    while min(map(len, found.values())) < count:
        thing = random_question(random).thing
        if thing.kind != TENANT and thing.tenant == TENANT_ID:
            found[thing.kind].append(thing)
    return found


async def _check(asker: Asker, kind: str, things: Sequence[Thing]) -> set[bool]:
    async def places(attributes: Sequence[str]) -> set[tuple[str, ...]]:
        assert attributes
        return {values_of(each, attributes) for each in things}

    sight = await sight_of(asker, _READ[kind], kind, TENANT_ID, places)
    shown = {each: sight.shows(each) for each in things}
    decided = {each: asker.decide(_READ[kind], each).allowed for each in things}
    assert shown == decided, asker.principal
    return set(shown.values())


@pytest.mark.parametrize("texts", [{}, random_policies(Random(1), 60)], ids=["own", "tenant's"])
async def test_a_sight_shows_what_is_allowed(texts: Mapping[str, str]) -> None:
    random, engine = Random(2), Engine(texts)
    things = _things(random, 40)
    outcomes = set()

    for _ in range(60):
        asker = engine.of(random_question(random).principal)
        for kind, several in things.items():
            outcomes |= await _check(asker, kind, several)

    assert outcomes == {True, False}


def test_few_questions_tell_the_suite_s_own_policies() -> None:
    random, engine = Random(3), Engine()
    bound = set()

    for _ in range(50):
        asker = engine.of(random_question(random).principal)
        plain = plain_sight(asker, "SearchMemories", MEMORY, TENANT_ID)
        bound.add((asker.bound, plain is None))

    assert bound == {(True, True), (False, False)}


async def test_too_many_places_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeing, "MOST", 3)
    text = 'forbid(principal, action, resource) when {resource.session == "s"};'

    async def places(attributes: Sequence[str]) -> list[tuple[str, ...]]:
        return [tuple(str(number) for _ in attributes) for number in range(4)]

    asker = Engine({"p": text}).of(random_question(Random(4)).principal)
    with pytest.raises(TooManyPlaces):
        await sight_of(asker, "SearchMemories", MEMORY, TENANT_ID, places)

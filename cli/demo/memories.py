"""An incident at Harborline: what is said is kept, found, corrected, deleted, promoted."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

from aeterna.common.v1.scope_pb2 import Scope
from aeterna.memory.v1 import memory_pb2 as pb
from cli.demo import texts
from cli.demo.cast import Cast
from cli.demo.stage import Stage
from cli.session import Session
from libs.auth import Role


@dataclass(frozen=True)
class Incident:
    """What the later acts come back to."""

    mira: Session
    scribe: Session
    facts: dict[str, pb.Memory]  # by their text


async def incident(cast: Cast, tenant: str) -> Incident:
    """08:12: checkout is slow. The agent writes down what is said and knows what was learned."""
    stage = cast.stage
    mira = await cast.join(tenant, texts.MIRA)
    scribe = await cast.join(tenant, texts.MIRA, [Role.AGENT], agent=texts.SCRIBE)
    stage.act("08:12  Harborline: checkout is slow; the agent pager-scribe keeps the conversation")
    await _keep_turns(stage, scribe)
    stage.act("08:40  Facts, each in the layer where it applies")
    facts = {text: await _keep(stage, mira, layer, ids, text) for layer, ids, text in texts.FACTS}
    stage.act("09:05  Questions in other words find the right memory first")
    for question, answer in texts.QUESTIONS:
        await ask(stage, mira, question, answer)
    await _repeat(stage, mira)
    return Incident(mira, scribe, facts)


async def corrections(cast: Cast, tenant: str, incident: Incident) -> None:
    """What was wrong, what must not be kept, what others should know."""
    cast.stage.act("11:20  One memory is corrected, one deleted, one promoted")
    tomas = await cast.join(tenant, texts.TOMAS, [Role.TECH_LEAD])
    await _correct(cast.stage, incident.mira, tomas, incident.facts[texts.POOL])
    await _delete(cast.stage, incident)
    await _promote(cast.stage, incident.mira, tomas, incident.facts[texts.LESSON])


async def ask(stage: Stage, session: Session, question: str, answer: str) -> None:
    """A search whose first result has to be `answer`."""
    found = await session.memory.SearchMemories(pb.SearchMemoriesRequest(query=question, limit=3))
    best = found.results[0]
    stage.check(f"the best answer to {question!r}", best.memory.content, answer)
    stage.quote("?", question)
    stage.quote("=", best.memory.content, f"{best.score:.2f}")
    stage.counts["searches that found the right thing first"] += 1


async def _keep_turns(stage: Stage, scribe: Session) -> None:
    scope = Scope(user_id=texts.MIRA, session_id=texts.INCIDENT)

    async def requests() -> AsyncIterator[pb.CreateMemoryRequest]:
        for who, text in texts.TURNS:
            stage.quote(who, text)
            memory = pb.Memory(layer=pb.LAYER_SESSION, scope=scope, content=text)
            memory.metadata["speaker"] = who
            yield pb.CreateMemoryRequest(memory=memory)

    begun = time.perf_counter()
    answers = [each async for each in scribe.memory.StreamCreateMemories(requests())]
    stage.took("StreamCreateMemories", time.perf_counter() - begun)
    stored = sorted(each.index for each in answers if each.HasField("memory"))
    stage.check("turns stored through the stream", stored, list(range(len(texts.TURNS))))
    stage.done(f"{len(stored)} turns stored through one stream", "memories stored", len(stored))


async def _keep(
    stage: Stage, session: Session, layer: pb.Layer.ValueType, ids: dict[str, str], text: str
) -> pb.Memory:
    memory = pb.Memory(layer=layer, scope=Scope(**ids), content=text)
    kept = await session.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory))
    stage.check("the first version of a memory", kept.version, 1)
    stage.quote(pb.Layer.Name(layer).removeprefix("LAYER_").lower(), text)
    stage.counts["memories stored"] += 1
    return kept


async def _repeat(stage: Stage, mira: Session) -> None:
    """An answer that was lost on the way: the same request again stores nothing new."""
    memory = pb.Memory(layer=pb.LAYER_USER, scope=Scope(user_id=texts.MIRA))
    memory.content = "Ask support on Monday whether anybody was charged twice."
    request = pb.CreateMemoryRequest(memory=memory, request_id=str(uuid4()))
    first = await mira.memory.CreateMemory(request)
    again = await mira.memory.CreateMemory(request)
    stage.check("the answer to a repeated request", again, first)
    same = [each for each in await _all(mira) if each.content == memory.content]
    stage.check("how often a repeated request is stored", len(same), 1)
    stage.counts["memories stored"] += 1
    stage.done("a request sent twice with one request id is stored once", "repeats recognised")


async def _all(session: Session) -> list[pb.Memory]:
    answer = await session.memory.ListMemories(pb.ListMemoriesRequest(page_size=1000))
    return list(answer.memories)


async def _correct(stage: Stage, mira: Session, tomas: Session, old: pb.Memory) -> None:
    patch = pb.Memory(name=old.name, content=texts.POOL_CORRECTED, version=old.version)
    new = await mira.memory.UpdateMemory(pb.UpdateMemoryRequest(memory=patch))
    stage.check("the version after a correction", new.version, old.version + 1)
    stage.done(f"corrected, now version {new.version}: {new.content}", "memories corrected")
    patch.content = "card-api keeps at most 32 database connections per pod."
    stale = tomas.memory.UpdateMemory(pb.UpdateMemoryRequest(memory=patch))
    await stage.refused("Tomas had read version 1", stale, "VERSION_MISMATCH")
    await ask(stage, tomas, texts.QUESTIONS[2][0], texts.POOL_CORRECTED)


async def _delete(stage: Stage, incident: Incident) -> None:
    scope = {"user_id": texts.MIRA, "session_id": texts.INCIDENT}
    kept = await _keep(stage, incident.scribe, pb.LAYER_SESSION, scope, texts.CALLER)
    query = pb.SearchMemoriesRequest(query="telephone number of the customer who was charged twice")
    before = await incident.mira.memory.SearchMemories(query)
    stage.check("found before it is deleted", before.results[0].memory.name, kept.name)
    await incident.mira.memory.DeleteMemory(pb.DeleteMemoryRequest(name=kept.name))
    after = await incident.mira.memory.SearchMemories(query)
    left = [each for each in after.results if each.memory.name == kept.name]
    stage.check("found after it is deleted", left, [])
    stage.done("a customer's telephone number is deleted and no longer found", "memories deleted")
    get = incident.mira.memory.GetMemory(pb.GetMemoryRequest(name=kept.name))
    await stage.refused("reading it by name", get, "MEMORY_NOT_FOUND")


async def _promote(stage: Stage, mira: Session, tomas: Session, lesson: pb.Memory) -> None:
    seen_by_tomas = pb.SearchMemoriesRequest(
        query=texts.QUESTIONS[3][0], scope=Scope(user_id=texts.TOMAS, team_id=texts.TEAM), limit=1
    )
    before = await tomas.memory.SearchMemories(seen_by_tomas)
    stage.check("shown to Tomas before", lesson.name in _names(before), False)
    request = pb.PromoteMemoryRequest(
        name=lesson.name, layer=pb.LAYER_TEAM, scope=Scope(team_id=texts.TEAM)
    )
    promoted = await mira.memory.PromoteMemory(request)
    stage.check("the layer after promotion", promoted.layer, pb.LAYER_TEAM)
    stage.check("what the team may read of it", promoted.content, texts.LESSON_REDACTED)
    stage.quote("team", promoted.content)
    after = await tomas.memory.SearchMemories(seen_by_tomas)
    stage.check("shown to Tomas after", _names(after), [lesson.name])
    redacted = " and ".join(promoted.redacted)
    stage.done(f"Mira's lesson is the team's now, without {redacted}", "memories promoted")


def _names(found: pb.SearchMemoriesResponse) -> list[str]:
    return [each.memory.name for each in found.results]

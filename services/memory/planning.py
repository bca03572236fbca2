"""What to ask next about a question: by rules, by a language model, or as it was asked before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from services.memory.domain.plan import about, leading, missing, parts
from services.memory.search import Judged

RULES, REPLAY = "rules", "replay"


class Plan(NamedTuple):
    """What of the question is still missing, and the queries that may find it; none: enough."""

    planner: str
    missing: Sequence[str]
    queries: Sequence[str]


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of a question after so many hops."""

    text: str
    hops: int
    judged: Judged


class Planner(Protocol):
    """Reflects on what was found."""

    async def __call__(self, findings: Findings) -> Plan:
        """What to do next."""


class Rules:
    """`Planner` without any model: the question's parts and the words that nothing matched, then
    what the best results have in common."""

    async def __call__(self, findings: Findings) -> Plan:
        question, pool, found = findings.judged
        open_words = missing(question, found)
        if findings.hops == 1:
            queries = parts(findings.text, question, pool.authors)
            queries += [about(question, open_words)] if open_words else []
            if queries:
                return Plan(RULES, open_words, queries)
        words = leading(question, pool, found)
        return Plan(RULES, open_words, [about(question, words)] if words else [])


@dataclass(frozen=True)
class Replay:
    """`Planner` that asks what was asked in each hop of an earlier answer, the first included."""

    hops: Sequence[Sequence[str]]

    async def __call__(self, findings: Findings) -> Plan:
        open_words = missing(findings.judged.question, findings.judged.evidence)
        queries = self.hops[findings.hops] if findings.hops < len(self.hops) else ()
        return Plan(REPLAY, open_words, queries)

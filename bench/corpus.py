"""Texts to remember and questions to ask, the same in every run.

Read from the LoCoMo conversations when they are there (CC BY-NC 4.0: used in place, never copied),
else made of stock phrases. What goes beyond their number are sentences recombined.
"""

import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("AETERNA_DATA_DIR", ROOT.parent / "shared" / "data"))
_LOCOMO = DATA / "locomo" / "dev.json"
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_SEED = 20

_WHO = ("Ana", "Bert", "the release team", "our auditor", "the night shift", "a customer in Lyon")
_DID = ("moved", "rejected", "measured", "forgot about", "asked for", "signed off on", "rewrote")
_WHAT = ("the billing export", "the backup plan", "two flaky tests", "the migration of shard nine",
         "a new retention rule", "the login page", "last week's incident report")  # fmt: skip
_WHY = ("because the disk was full", "before the holidays", "after a long call with support",
        "to save money", "since nobody owned it", "in spite of the deadline")  # fmt: skip


@dataclass(frozen=True)
class Corpus:
    """Where the texts come from, the texts that are given, and questions about them."""

    source: str
    turns: tuple[str, ...]
    questions: tuple[str, ...]

    def texts(self, count: int, *, skip: int = 0) -> list[str]:
        """Texts number `skip` and on."""
        return [self._text(number) for number in range(skip, skip + count)]

    def queries(self, count: int) -> list[str]:
        """Questions; they repeat when there are not so many."""
        return [self.questions[place % len(self.questions)] for place in range(count)]

    def _text(self, number: int) -> str:
        if number < len(self.turns):
            return self.turns[number]
        dice = random.Random(_SEED * 1_000_003 + number)
        parts = [dice.choice(_SENTENCE.split(dice.choice(self.turns))) for _ in range(3)]
        return " ".join(parts)


def load_corpus() -> Corpus:
    """LoCoMo's turns and questions, or made-up ones where it is not at hand."""
    if not _LOCOMO.exists():
        return _made_up()
    samples = json.loads(_LOCOMO.read_text())
    turns = tuple(turn for sample in samples for turn in _turns(sample["conversation"]))
    questions = tuple(each["question"] for sample in samples for each in sample["qa"])
    return Corpus("LoCoMo (development half), sentences recombined beyond it", turns, questions)


def _turns(conversation: dict[str, Any]) -> Iterator[str]:
    for name, session in conversation.items():
        if name.startswith("session_") and isinstance(session, list):
            yield from (f"{turn['speaker']}: {turn['text']}" for turn in session)


def _made_up() -> Corpus:
    facts = [f"{who} {did} {what} {why}." for who in _WHO for did in _DID for what in _WHAT
             for why in _WHY]  # fmt: skip
    random.Random(_SEED).shuffle(facts)
    questions = tuple(f"Why is it that {who} {did} {what}?" for who in _WHO for did in _DID
                      for what in _WHAT)  # fmt: skip
    return Corpus("made-up sentences, recombined", tuple(facts), questions)

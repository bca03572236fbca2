"""LoCoMo: conversations with questions, and the turns that hold the answers.

Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", ACL 2024; data CC
BY-NC 4.0, used in place, never copied.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.corpus import DATA

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
_SESSION = re.compile(r"session_(\d+)")
_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")  # some ids are malformed: "D:11:26", "D30:05"
_TIME = "%I:%M %p on %d %B, %Y"

Place = tuple[int, int]  # session and turn, both from 1


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody said; `caption` tells the picture that came with it."""

    place: Place
    speaker: str
    text: str
    caption: str
    date: str  # of the session, as it is written

    @property
    def content(self) -> str:
        """What is remembered of it."""
        return f"{self.text} [image: {self.caption}]" if self.caption else self.text

    @property
    def time(self) -> datetime:
        return datetime.strptime(self.date, _TIME).replace(tzinfo=UTC)

    @property
    def tokens(self) -> int:
        """What it takes of a prompt: a quarter of its characters, date included."""
        return round(len(self.speaker + self.text + self.caption + self.date) / 4)


@dataclass(frozen=True, slots=True)
class Question:
    """Category: see CATEGORIES; what is asked by the adversarial ones was never said."""

    text: str
    category: int
    evidence: frozenset[Place]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns of all its sessions in order, and the questions that have evidence among them."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def path() -> Path:
    """The file that LOCOMO names, or the one among the data for benchmarks."""
    return Path(os.environ.get("LOCOMO") or DATA / "locomo" / "dev.json")


def load(file: Path) -> list[Conversation]:
    """The conversations of a file."""
    return [_conversation(sample) for sample in json.loads(file.read_text())]


def _conversation(sample: Mapping[str, Any]) -> Conversation:
    turns = tuple(_turns(sample["conversation"]))
    known = {turn.place for turn in turns}
    questions = [_question(each, known) for each in sample["qa"]]
    return Conversation(
        sample["sample_id"], turns, tuple(each for each in questions if each.evidence)
    )


def _turns(conversation: Mapping[str, Any]) -> Iterator[Turn]:
    for name in sorted(filter(_SESSION.fullmatch, conversation), key=_number):
        date = conversation[f"{name}_date_time"]
        for turn in conversation[name]:
            (place,) = _places(turn["dia_id"])
            caption = turn.get("blip_caption") or ""
            yield Turn(place, turn["speaker"], turn["text"].strip(), caption, date)


def _number(session: str) -> int:
    return int(session.removeprefix("session_"))


def _question(item: Mapping[str, Any], known: set[Place]) -> Question:
    places = {place for text in item["evidence"] for place in _places(text)}
    return Question(item["question"], item["category"], frozenset(places & known))


def _places(text: str) -> list[Place]:
    return [(int(session), int(turn)) for session, turn in _EVIDENCE.findall(text)]

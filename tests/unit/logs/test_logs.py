"""What log lines look like, and what they never hold."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from libs import logs

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """What was logged since it was last asked."""
    logs.configure("info", console=False)
    yield lambda: read(capsys.readouterr().err)
    logs.configure("warning", console=False)


def read(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_is_a_line_of_json_with_what_is_bound(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(tenant="acme"):
        structlog.get_logger("x").info("memory.recalled", found=3)

    (event,) = lines()
    assert {key: event[key] for key in ("event", "found", "tenant", "level")} == {
        "event": "memory.recalled",
        "found": 3,
        "tenant": "acme",
        "level": "info",
    }


def test_less_severe_events_are_left_out(lines: Lines) -> None:
    structlog.get_logger("x").debug("quiet")
    logging.getLogger("library").info("quiet")

    assert lines() == []


def test_an_exception_is_told_without_its_values(lines: Lines) -> None:
    secret = "quokka-4411"
    try:
        raise ValueError(secret)
    except ValueError as exc:
        structlog.get_logger("x").error("failed", exc_info=exc)
        structlog.get_logger("x").error("failed", exc_info=True)
        logging.getLogger("library").exception("failed")

    events = lines()
    assert [event["error"] for event in events] == ["ValueError"] * 3
    assert all("test_logs.py" in str(event["at"]) for event in events)
    assert secret not in str(events)


def test_lines_go_to_the_standard_error_of_the_moment(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", other)
        structlog.get_logger("x").info("elsewhere")
    other_text = other.getvalue()
    other.close()
    structlog.get_logger("x").info("here")

    assert [event["event"] for event in read(other_text)] == ["elsewhere"]
    assert [event["event"] for event in lines()] == ["here"]

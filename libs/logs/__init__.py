"""JSON lines on standard error, colours in a terminal; configured once, at start.

An event has a constant name and values as keys. Content, secrets and tokens are never logged; a
traceback is reduced to where it happened, since its values may be content.
"""

import io
import logging
import sys
import traceback
from types import TracebackType
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

_FRAMES = 6  # innermost places of a traceback that are kept


class _StandardError(io.TextIOBase):
    """The standard error of the moment: whoever replaces it gets the lines from then on."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


_STDERR = cast(TextIO, _StandardError())


def configure(level: str = "info", *, console: bool | None = None) -> None:
    """Sends structlog's and the standard library's records the same way.

    Args:
        level: The least severe level that is kept: debug, info, warning, error.
        console: Colours for people instead of JSON; when None, if standard error is a terminal.
    """
    pretty = sys.stderr.isatty() if console is None else console
    minimum = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        reduce_exception,
    ]
    render = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(minimum),
        logger_factory=structlog.WriteLoggerFactory(file=_STDERR),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_STDERR)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(minimum, logging.WARNING), force=True)


def reduce_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replaces `exc_info` by the exception's type and the innermost places, without any value."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()[1]
    elif isinstance(info, tuple):
        info = info[1]
    if isinstance(info, BaseException):
        event["error"] = type(info).__name__
        event["at"] = _places(info.__traceback__)
    return event


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]

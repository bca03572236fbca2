"""Trace, metrics and log fields around one call. Knows no service."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import grpc
import structlog

from libs.metrics import REQUEST_SECONDS, REQUESTS, REQUESTS_OPEN
from libs.tracing import current_trace_id, server_span


class Outcome:
    """How a call ended."""

    code = grpc.StatusCode.OK


class Observed:
    """Context manager of one call; set the code of the outcome that it gives when the call
    fails."""

    def __init__(
        self,
        service: str,
        method: str,
        metadata: Iterable[tuple[str, str | bytes]],
        ended: Callable[[grpc.StatusCode, float], None] | None = None,
    ) -> None:
        """`ended` is told how the call ended, and after how many seconds."""
        self._ended = ended
        self._labels = service, method.rpartition("/")[2]
        self._manager = server_span(method[1:], metadata)
        self._outcome = Outcome()

    def __enter__(self) -> Outcome:
        self._begun = time.perf_counter()
        REQUESTS_OPEN.labels(self._labels[0]).inc()
        self._span = self._manager.__enter__()
        structlog.contextvars.bind_contextvars(method=self._labels[1], trace_id=current_trace_id())
        return self._outcome

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        cut_off = kind is not None and self._outcome.code is grpc.StatusCode.OK
        code = grpc.StatusCode.CANCELLED if cut_off else self._outcome.code
        self._span.set_attribute("rpc.grpc.status_code", code.value[0])
        self._manager.__exit__(None, None, None)
        REQUESTS_OPEN.labels(self._labels[0]).dec()
        REQUESTS.labels(*self._labels, code.name).inc()
        seconds = time.perf_counter() - self._begun
        REQUEST_SECONDS.labels(*self._labels).observe(seconds)
        if self._ended:
            self._ended(code, seconds)

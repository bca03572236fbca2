"""OpenTelemetry spans and W3C trace context over gRPC metadata
(https://www.w3.org/TR/trace-context/).

Spans carry names, codes and sizes, never content.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind
from pydantic import BaseModel

_tracer = trace.get_tracer("aeterna")

Metadata = Sequence[tuple[str, str]]


class TracingSettings(BaseModel, frozen=True):
    """Where spans go. Trace ids are made and passed on even when nothing is exported."""

    endpoint: str = (
        ""  # OTLP over gRPC, for example http://collector:4317; nothing is exported when empty
    )
    sample_ratio: float = 0.1  # share of traces that begin here and are recorded, 0 to 1


@contextmanager
def tracing(settings: TracingSettings, service: str) -> Iterator[None]:
    """Installs the tracer provider of the process; what is buffered is sent at the end."""
    # Imported by the processes that record: the command line only passes traces on.
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        resource=Resource.create({"service.name": f"aeterna-{service}"}),
    )
    if settings.endpoint:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.endpoint)))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


@contextmanager
def server_span(method: str, metadata: Iterable[tuple[str, str | bytes]]) -> Iterator[Span]:
    """The span of a call that came in, continuing the caller's trace."""
    carrier = {key: value for key, value in metadata if isinstance(value, str)}
    context = propagate.extract(carrier)
    with _tracer.start_as_current_span(
        method, context, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span


@contextmanager
def client_span(method: str) -> Iterator[Metadata]:
    """The span of a call that goes out, and the metadata that carries it."""
    carrier: dict[str, str] = {}
    with _tracer.start_as_current_span(
        method, kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
    ):
        propagate.inject(carrier)
        yield tuple(carrier.items())


def current_trace_id() -> str:
    """The trace id of the call, 32 hexadecimal digits; empty outside a trace."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""

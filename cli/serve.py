"""`aeterna serve`: the services as processes."""

import asyncio
import importlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from enum import StrEnum
from os import environ
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cli.command import given
from cli.endpoints import SERVICES, WEB_PORT, Addresses
from cli.exits import exits
from cli.options import DataFolder
from libs.errors import FieldViolation, InvalidRequest

app = typer.Typer(
    help="Run services until they are asked to stop (SIGTERM or Ctrl-C).", no_args_is_help=True
)

_CONFIGURED = "MEMORY_PLATFORM__"  # variables that say which stores to use
_EXAMPLE = (
    "[bold]Example:[/bold]\n\naeterna serve all --data ./data --port 0\n\n"
    f"With {_CONFIGURED}... in the environment the services use the stores named there, and"
    " listen where each one's SERVER__ADDRESS says."
)


class LogLevel(StrEnum):
    """How severe a record is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@app.command("all", epilog=_EXAMPLE)
def serve_all(
    ctx: typer.Context,
    data: DataFolder = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="Of memory; the others follow on the next three. 0: free ones."
        ),
    ] = 50051,
    web_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help=f"Of WebSockets and the console; {WEB_PORT}, or a free one with --port 0.",
        ),
    ] = None,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Prometheus metrics. 0: a free one.")
    ] = 9090,
    log_level: Annotated[
        LogLevel, typer.Option(help="The least severe that is logged, on standard error.")
    ] = LogLevel.INFO,
) -> None:
    """Run all four services in this process, on stores of their own under one folder."""
    with exits():
        _keep_to_one_thread()
        import uvloop

        from libs import logs

        logs.configure(log_level)
        wanted = Addresses.from_port(host, port, web_port)
        suite = _suite(given(ctx, {"data": data}).folder, wanted)
        uvloop.run(_until_stopped(suite, host, metrics_port))


def _service(name: str, port: int) -> None:
    @app.command(name, help=f"Run the {name} service; settings: {name.upper()}_... (port {port}).")
    def serve() -> None:
        with exits():
            _keep_to_one_thread()
            from libs.service.server import run

            wiring = importlib.import_module(f"services.{name}.wiring")
            run(name, settings_of(name), wiring.wire)


def _keep_to_one_thread() -> None:
    """For the small matrices and batches of a request, threads of libraries cost more than they
    give; they look at these variables when they are imported."""
    environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    environ.setdefault("TOKENIZERS_PARALLELISM", "false")


for _place, _name in enumerate(SERVICES):
    _service(_name, 50051 + _place)


def settings_of(name: str) -> Any:
    """The settings of a service, from the environment.

    Raises:
        InvalidRequest: Variables are missing or wrong; names them, without their values.
    """
    kind = importlib.import_module(f"services.{name}.settings").Settings
    try:
        return kind()
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest(
            [
                FieldViolation(_variable(kind.model_config["env_prefix"], each["loc"]), each["msg"])
                for each in wrong
            ]
        ) from None


def _variable(prefix: str, place: tuple[int | str, ...]) -> str:
    return (prefix + "__".join(map(str, place))).upper()


async def _until_stopped(
    suite: AbstractAsyncContextManager[Addresses], host: str, metrics_port: int
) -> None:
    """Serves; the first signal ends it gracefully at any moment, another one hurries."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError), _metrics(host, metrics_port) as metrics:
        async with suite as addresses:
            _announce(addresses, metrics)
            await asyncio.Event().wait()


@asynccontextmanager
async def _suite(folder: Path, wanted: Addresses) -> AsyncIterator[Addresses]:
    if any(name.upper().startswith(_CONFIGURED) for name in environ):
        opened = _configured()
    else:
        opened = _embedded(folder, wanted)
    async with opened as addresses:
        yield addresses


@asynccontextmanager
async def _embedded(folder: Path, wanted: Addresses) -> AsyncIterator[Addresses]:
    """All services on stores of their own."""
    from cli.embedded import open_embedded
    from libs.tracing import TracingSettings, tracing

    async with open_embedded(folder, wanted) as addresses:
        with tracing(TracingSettings(), "all"):
            yield addresses


@asynccontextmanager
async def _configured() -> AsyncIterator[Addresses]:
    """All services on the stores that memory's settings name."""
    from cli.suite import running_suite
    from libs.tracing import tracing

    platform = settings_of("memory").platform
    with tracing(platform.tracing, "all"):
        async with running_suite(platform) as addresses:
            yield addresses


@contextmanager
def _metrics(host: str, port: int) -> Iterator[str]:
    from prometheus_client import start_http_server

    from libs.service.server import AddressInUse

    try:
        server, thread = start_http_server(port, host)
    except OSError as error:
        raise AddressInUse(f"{host}:{port}") from error
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _announce(addresses: Addresses, metrics: str) -> None:
    """One line on standard output: it serves now."""
    listed = ", ".join(f"{name} {address}" for name, address in asdict(addresses).items())
    print(f"aeterna is ready: {listed}, metrics {metrics}", flush=True)
    if sys.stdout.isatty():
        print("Stop it with Ctrl-C. In another terminal: aeterna tenant create acme", flush=True)

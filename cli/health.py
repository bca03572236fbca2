"""`aeterna health`: whether services answer and serve, for people and for `helm test`."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli import interrupts
from cli.command import given
from cli.endpoints import SERVICES, Addresses, find
from cli.exits import Exit, exits
from cli.options import DataFolder, Options, Output
from libs.clients import Tls, open_channel
from libs.errors import invalid

_SECONDS = 5.0  # for one answer, attempts to connect included
_OPTIONAL = ("wakeups", "kms")  # what services can do without: see libs.service.server


@dataclass(frozen=True, slots=True)
class Health:
    """What a service says of itself, or UNREACHABLE; `without` names parts that are down."""

    service: str
    address: str
    status: str
    without: tuple[str, ...] = ()

    @property
    def serves(self) -> bool:
        return self.status == "SERVING"

    def __str__(self) -> str:
        without = f", without {', '.join(self.without)}" if self.without else ""
        return f"{self.service:<12} {self.address:<24} {self.status}{without}"


def health(
    ctx: typer.Context,
    services: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"{', '.join(SERVICES)}, or HOST:PORT of any one.",
            metavar="[SERVICE...]",
            show_default="all four",
        ),
    ] = None,
    server: Annotated[
        str | None, typer.Option(help=r"As for other commands. \[env: AETERNA_SERVER]")
    ] = None,
    data: DataFolder = None,
    output: Annotated[Output | None, typer.Option(help="Default: table")] = None,
) -> None:
    """Ask services whether they serve; ends with 6 unless all do. Needs no token."""
    options = given(ctx, {"server": server, "data": data, "output": output})
    with exits():
        targets = [_target(each, options) for each in services or SERVICES]
        answers = interrupts.run(_ask_all(targets, options.tls))
        _show(answers, options.output)
        if not all(each.serves for each in answers):
            raise typer.Exit(Exit.UNAVAILABLE)


def _target(service: str, options: Options) -> tuple[str, str]:
    """Name and address; an address is its own name."""
    if ":" in service:
        return service, service
    if service not in SERVICES:
        raise invalid("service", f"must be one of {', '.join(SERVICES)}, or HOST:PORT")
    addresses = Addresses.parse(options.server) if options.server else find(options.folder)
    return service, getattr(addresses, service)


def _show(answers: Sequence[Health], output: Output | None) -> None:
    if output is Output.JSON:
        print(json.dumps([asdict(each) for each in answers], indent=2))
    else:
        print(*answers, sep="\n")


async def _ask_all(targets: Sequence[tuple[str, str]], tls: Tls | None) -> list[Health]:
    return await asyncio.gather(*(ask(name, address, tls) for name, address in targets))


async def ask(service: str, address: str, tls: Tls | None = None) -> Health:
    """The health of the service at an address; never raises for one that is not there."""
    async with open_channel(address, lambda: "", tls=tls) as channel:
        status = await _status(channel, "")
        if status is None:
            return Health(service, address, "UNREACHABLE")
        down = [part for part in _OPTIONAL if await _status(channel, part) == "NOT_SERVING"]
        return Health(service, address, status, tuple(down))


async def _status(channel: grpc.aio.Channel, part: str) -> str | None:
    """None when there is no answer."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=part), timeout=_SECONDS)
    except grpc.aio.AioRpcError:
        return None
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

"""Options that many commands share."""

import getpass
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aeterna.common.v1 import scope_pb2
from libs.clients import Tls
from libs.embedded.folder import default_path


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


def _shared(name: str, text: str, env: str | None = None) -> typer.models.OptionInfo:
    """An option of every client command; its variable is named in the text, so that it is shown
    where only the root reads it."""
    text = f"{text} [env: {env}]" if env else text
    option: typer.models.OptionInfo = typer.Option(
        name,
        help=text.replace("[env", r"\[env"),
        envvar=env,
        show_envvar=False,
        show_default=False,
        rich_help_panel="Shared options (also before the command)",
    )
    return option


DataFolder = Annotated[
    Path | None,
    typer.Option(
        help=r"The data folder; the first server makes it. \[env: AETERNA_DATA]",
        show_default=str(default_path({})),
    ),
]  # of commands that have few shared options; the root reads the variable


@dataclass(frozen=True)
class Options:
    """Which server is called, as whom, and how results are shown; None: not given."""

    output: Annotated[
        Output | None, _shared("--output", "How results are printed. Default: table")
    ] = None
    server: Annotated[
        str | None,
        _shared(
            "--server",
            "HOST:PORT of memory, the others on the next three ports; or one for each:"
            " memory=HOST:PORT,knowledge=... Default: the server on the data folder",
            "AETERNA_SERVER",
        ),
    ] = None
    token: Annotated[
        str | None,
        _shared("--token", "A bearer token. Default: one from the data folder", "AETERNA_TOKEN"),
    ] = None
    tenant: Annotated[
        str | None, _shared("--tenant", "The tenant to work in", "AETERNA_TENANT")
    ] = None
    as_subject: Annotated[
        str | None,
        _shared("--as", "Whom a token from the data folder names. Default: you", "AETERNA_AS"),
    ] = None
    data: Annotated[
        Path | None,
        _shared("--data", f"The data folder. Default: {default_path({})}", "AETERNA_DATA"),
    ] = None
    tls_ca: Annotated[
        Path | None, _shared("--tls-ca", "PEM file to trust; turns TLS on", "AETERNA_TLS_CA")
    ] = None
    tls_certificate: Annotated[
        Path | None,
        _shared("--tls-certificate", "PEM file for mutual TLS", "AETERNA_TLS_CERTIFICATE"),
    ] = None
    tls_key: Annotated[
        Path | None, _shared("--tls-key", "PEM file for mutual TLS", "AETERNA_TLS_KEY")
    ] = None

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.data or default_path()

    @property
    def caller(self) -> str:
        """Whom a minted token names."""
        return self.as_subject or getpass.getuser()

    @property
    def acts_for(self) -> str:
        """The tenant that calls name; a minted token is the tenant's own."""
        return (self.tenant or "") if self.token else ""

    @property
    def tls(self) -> Tls | None:
        """None: plain text."""
        if not (self.tls_ca or self.tls_certificate):
            return None
        return Tls(self.tls_ca, self.tls_certificate, self.tls_key)


def _id(name: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        f"--{name}", help=text, show_default=False, metavar="ID", rich_help_panel="Scope"
    )
    return option


@dataclass(frozen=True)
class ScopeIds:
    """Where a thing belongs inside the tenant."""

    org: Annotated[str, _id("org", "The organization.")] = ""
    team: Annotated[str, _id("team", "The team.")] = ""
    project: Annotated[str, _id("project", "The project.")] = ""
    session: Annotated[str, _id("session", "The conversation or working session.")] = ""
    user: Annotated[str, _id("user", "The person; also whom the data is about.")] = ""
    agent: Annotated[str, _id("agent", "The agent.")] = ""

    def message(self) -> scope_pb2.Scope:
        """As the contract has it."""
        return scope_pb2.Scope(**{f"{name}_id": value for name, value in vars(self).items()})

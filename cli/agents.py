"""`aeterna agent`: agents that the tenant knows, and what they may do at most."""

from dataclasses import dataclass
from typing import Annotated

import typer

from aeterna.governance.v1 import agents_pb2 as pb
from cli.arguments import moment, name
from cli.command import command
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown

app = typer.Typer(help="Register agents and say what they may do.", no_args_is_help=True)

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="Its id, as tokens name it.")]


@dataclass(frozen=True)
class Values:
    """What can be set of an agent; None: not given."""

    can: Annotated[
        list[str] | None,
        typer.Option(
            help="A capability as memory:read, in place of all given before; several times.",
            show_default=False,
        ),
    ] = None
    owner: Annotated[
        str | None, typer.Option(help="Who answers for it. Default: you.", show_default=False)
    ] = None
    depth: Annotated[
        int | None,
        typer.Option(
            min=1, max=3, help="Agents one behind the other. Default: 3", show_default=False
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(help="When it ends, as 2026-01-31T09:00:00Z, or never.", show_default=False),
    ] = None

    def message(self) -> pb.Agent:
        """Those that are given."""
        ends = self.until not in (None, "never")
        return pb.Agent(
            capabilities=self.can or (),
            owner=self.owner or "",
            max_delegation_depth=self.depth or 0,
            expire_time=moment(str(self.until), "until") if ends else None,
        )

    def paths(self) -> list[str]:
        """The fields that are given."""
        given = {
            "capabilities": self.can,
            "owner": self.owner,
            "max_delegation_depth": self.depth,
            "expire_time": self.until,
        }
        return [field for field, value in given.items() if value is not None]


@command(app, "register", example="aeterna agent register planner --can memory:read --can org:read")
async def register(session: Session, agent: Agent, values: Values) -> Shown:
    """Register an agent; it may do nothing but what its capabilities say."""
    request = pb.RegisterAgentRequest(agent_id=agent, agent=values.message())
    return await session.agents.RegisterAgent(request)


@command(app, "get")
async def get(session: Session, agent: Agent) -> Shown:
    """Show one agent."""
    return await session.agents.GetAgent(pb.GetAgentRequest(name=name("agents", agent)))


@command(app, "list")
async def list_(session: Session, limit: Limit = 50) -> Shown:
    """List agents by id, with those that were revoked."""
    return await collect(session.agents.ListAgents, pb.ListAgentsRequest(), "agents", limit)


@command(app, "update", example="aeterna agent update planner --can memory:read --depth 1")
async def update(
    session: Session,
    agent: Agent,
    values: Values,
    etag: Annotated[str, typer.Option(help="Only if this is still its etag.")] = "",
) -> Shown:
    """Change what is given."""
    message = values.message()
    message.name, message.etag = name("agents", agent), etag
    request = pb.UpdateAgentRequest(agent=message)
    request.update_mask.paths.extend(values.paths())
    return await session.agents.UpdateAgent(request)


@command(app, "suspend")
async def suspend(session: Session, agent: Agent) -> Shown:
    """Refuse all that an agent asks for, until it is resumed."""
    return await session.agents.SuspendAgent(pb.SuspendAgentRequest(name=name("agents", agent)))


@command(app, "resume")
async def resume(session: Session, agent: Agent) -> Shown:
    """End a suspension."""
    return await session.agents.ResumeAgent(pb.ResumeAgentRequest(name=name("agents", agent)))


@command(app, "revoke")
async def revoke(session: Session, agent: Agent) -> Shown:
    """Refuse all that an agent asks for, for good."""
    return await session.agents.RevokeAgent(pb.RevokeAgentRequest(name=name("agents", agent)))

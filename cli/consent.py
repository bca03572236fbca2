"""`aeterna consent`: what people allow, by purpose."""

from typing import Annotated

import typer

from aeterna.governance.v1 import consent_pb2 as pb
from cli.arguments import moment
from cli.command import command
from cli.exits import Exit
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown, show

app = typer.Typer(help="Note and check what people allow.", no_args_is_help=True)

Subject = Annotated[str, typer.Argument(help="The person's id.")]
Purpose = Annotated[str, typer.Argument(help="One of the tenant's purposes.")]
_POLICY = "aeterna consent policy --require-to-store memory --require-to-retrieve retrieval"


@command(app, "grant", example="aeterna consent grant ann memory --until 2027-01-01T00:00:00Z")
async def grant(
    session: Session,
    subject: Subject,
    purpose: Purpose,
    until: Annotated[str, typer.Option(help="When it ends.", show_default="never")] = "",
) -> Shown:
    """Note that a person allows a purpose."""
    ends = moment(until, "until") if until else None
    request = pb.GrantConsentRequest(subject=subject, purpose=purpose, expire_time=ends)
    return await session.consents.GrantConsent(request)


@command(app, "withdraw")
async def withdraw(session: Session, subject: Subject, purpose: Purpose) -> Shown:
    """Note that the person does not any more."""
    request = pb.WithdrawConsentRequest(subject=subject, purpose=purpose)
    return await session.consents.WithdrawConsent(request)


@command(app, "list")
async def list_(
    session: Session,
    subject: Annotated[str, typer.Option(help="Of this person alone.", show_default=False)] = "",
    limit: Limit = 50,
) -> Shown:
    """List consents by person and purpose."""
    request = pb.ListConsentsRequest(subject=subject)
    return await collect(session.consents.ListConsents, request, "consents", limit)


@command(app, "history")
async def history(session: Session, subject: Subject, limit: Limit = 50) -> Shown:
    """List what a person granted and withdrew, oldest first."""
    request = pb.ListConsentEventsRequest(subject=subject)
    return await collect(session.consents.ListConsentEvents, request, "events", limit)


@command(app, "check")
async def check(session: Session, subject: Subject, purpose: Purpose) -> Shown:
    """Say whether a purpose is allowed now; exit code 1 when it is not."""
    request = pb.CheckConsentRequest(subject=subject, purpose=purpose)
    answer = await session.consents.CheckConsent(request)
    if not answer.allowed:
        show("Not allowed.", session.options.output)
        raise typer.Exit(Exit.UNEXPECTED)
    return "Allowed."


@command(app, "policy", example=_POLICY)
async def policy(
    session: Session,
    purpose: Annotated[
        list[str] | None, typer.Option(help="All purposes of the tenant; may be repeated.")
    ] = None,
    require_to_store: Annotated[
        list[str] | None,
        typer.Option(help="Without it nothing about a person is stored; `none`: nothing needed."),
    ] = None,
    require_to_retrieve: Annotated[
        list[str] | None,
        typer.Option(help="Without it searches leave a person out; `none`: nothing needed."),
    ] = None,
    knowledge_authors: Annotated[
        bool | None,
        typer.Option(
            "--knowledge-authors/--no-knowledge-authors",
            help="Whether knowledge is about its author.",
        ),
    ] = None,
) -> Shown:
    """Show what the tenant asks consent for; change what is given."""
    given = {
        "purposes": purpose,
        "required_to_store": require_to_store,
        "required_to_retrieve": require_to_retrieve,
        "knowledge_authors": knowledge_authors,
    }
    names = [name for name, value in given.items() if value is not None]
    if not names:
        return await session.consents.GetConsentPolicy(
            pb.GetConsentPolicyRequest(name="consentPolicy")
        )
    values = {name: [] if given[name] == ["none"] else given[name] for name in names}
    changed = pb.ConsentPolicy(name="consentPolicy", **values)  # type: ignore[arg-type]  # by name
    request = pb.UpdateConsentPolicyRequest(consent_policy=changed)
    request.update_mask.paths.extend(names)
    return await session.consents.UpdateConsentPolicy(request)

"""`aeterna erasure`: the right to be forgotten."""

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from aeterna.governance.v1 import erasure_pb2 as pb
from cli.arguments import enum, name
from cli.command import command
from cli.exits import exits
from cli.operations import finished
from cli.options import Options
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown, show
from libs.errors import invalid
from libs.signing import SignatureInvalid, Signed

app = typer.Typer(help="Erase people, and prove it.", no_args_is_help=True)

Subject = Annotated[str, typer.Argument(help="The person's id, as in scopes and tokens.")]
Name = Annotated[str, typer.Argument(metavar="ERASURE", help="erasures/{uuid}, or the uuid alone.")]
Pseudonym = Annotated[str, typer.Argument(help="As it stands in scopes and texts.")]
_RUN = "aeterna --tenant acme erasure run ann --identifier ann@example.org --strategy delete"


@command(app, "run", example=_RUN)
async def run(
    session: Session,
    subject: Subject,
    strategy: Annotated[
        str,
        typer.Option(
            help="delete, anonymize, pseudonymize or redact.",
            metavar="STRATEGY",
        ),
    ] = "delete",
    identifier: Annotated[
        list[str] | None,
        typer.Option(help="How else texts call the person; may be repeated."),
    ] = None,
    reference: Annotated[
        str, typer.Option(help="What to call it: the number of a ticket, nothing personal.")
    ] = "",
    wait: Annotated[bool, typer.Option(help="Follow it to its end.")] = True,
) -> Shown:
    """Erase a person from every store; shows the report."""
    request = pb.EraseSubjectRequest(
        subject=subject,
        identifiers=identifier or [],
        strategy=enum(pb.ErasureStrategy, strategy),  # type: ignore[arg-type]  # checked there
        reference=reference,
    )
    operation = await session.erasures.EraseSubject(request)
    if not wait:
        begun: Shown = operation
        return begun
    ended: Any = await finished(session, operation, session.governance_operations)
    response = pb.EraseSubjectResponse()
    ended.response.Unpack(response)
    shown: Shown = await session.erasures.GetErasure(pb.GetErasureRequest(name=response.erasure))
    return shown


@command(app, "get")
async def get(session: Session, erasure: Name) -> Shown:
    """Show one erasure with its report and certificate."""
    return await session.erasures.GetErasure(pb.GetErasureRequest(name=name("erasures", erasure)))


@command(app, "list")
async def list_(session: Session, limit: Limit = 50) -> Shown:
    """List erasures, newest first; they do not say who was erased."""
    request = pb.ListErasuresRequest()
    return await collect(session.erasures.ListErasures, request, "erasures", limit)


@command(app, "certificate", example="aeterna erasure certificate 0198... > certificate.json")
async def certificate(session: Session, erasure: Name) -> Shown:
    """Print the signed certificate of a complete erasure."""
    request = pb.GetErasureRequest(name=name("erasures", erasure))
    return (await session.erasures.GetErasure(request)).certificate


@command(app, "keys")
async def keys(session: Session) -> Shown:
    """Print the public keys of certificates in base64, the one that signs now first."""
    found = await session.erasures.ListCertificateKeys(pb.ListCertificateKeysRequest())
    return "\n".join(base64.b64encode(each.public_key).decode() for each in found.keys)


@command(app, "lift")
async def lift(session: Session, subject: Subject) -> Shown:
    """Let writes about an erased person pass again; what was erased stays so."""
    lifted = await session.erasures.LiftErasure(pb.LiftErasureRequest(subject=subject))
    return "Lifted." if lifted.lifted else "There was nothing to lift."


@command(app, "replay")
async def replay(session: Session) -> Shown:
    """Do again what the tenant's shard lacks after it was restored from a backup."""
    lacking = await session.erasures.ReplayErasures(pb.ReplayErasuresRequest())
    return "\n".join(lacking.erasures) or "The shard lacks no erasure."


@command(app, "reveal")
async def reveal(session: Session, pseudonym: Pseudonym) -> Shown:
    """Say who a pseudonym stands for; the audit trail notes it."""
    request = pb.RevealPseudonymRequest(pseudonym=pseudonym)
    return (await session.erasures.RevealPseudonym(request)).subject


@command(app, "destroy-key")
async def destroy_key(session: Session, pseudonym: Pseudonym) -> Shown:
    """Destroy the key of a pseudonym: nobody can reveal it any more."""
    request = pb.DestroyPseudonymKeyRequest(pseudonym=pseudonym)
    await session.erasures.DestroyPseudonymKey(request)
    return "Nobody can reveal it any more."


@app.command("verify", epilog="Example: aeterna erasure verify certificate.json --key BASE64")
def verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The certificate.", exists=True)],
    key: Annotated[
        str, typer.Option(help="The public key in base64, or a file that holds it (or PEM).")
    ],
) -> None:
    """Check a certificate; needs no server. Exit code 1 and more when it does not hold."""
    with exits():
        statement = _signed(file).verify(_public_key(key), "aeterna.erasure.v1")
        options: Options = ctx.obj or Options()
        stores = statement["negativeScan"]["stores"]
        show(
            f"{statement['erasure']} of tenant {statement['tenant']}: {statement['strategy']},"
            f" complete {statement['completedAt']}, {stores} stores, nothing left.",
            options.output,
        )


def _signed(file: Path) -> Signed:
    try:
        return Signed.from_json(json.loads(file.read_text()))
    except ValueError:
        raise SignatureInvalid from None


def _public_key(text: str) -> bytes:
    """Raw or PEM, in the argument or in the file that it names."""
    if Path(text).is_file():
        text = Path(text).read_text().strip()
    try:
        if "BEGIN PUBLIC KEY" in text:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
            from cryptography.hazmat.primitives.serialization import load_pem_public_key

            loaded = load_pem_public_key(text.encode())
            if isinstance(loaded, Ed25519PublicKey):
                return loaded.public_bytes_raw()
            raise invalid("key", "must be an Ed25519 public key")
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise invalid("key", "must be an Ed25519 public key in base64 or PEM") from None

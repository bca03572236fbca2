"""Documents at places: roles that hold in a part of the tenant, and policies of its own."""

import grpc
import pytest

from aeterna.common.v1 import scope_pb2
from aeterna.sync.v1 import documents_pb2 as pb
from libs.auth import Role
from tests.errors import fails_with
from tests.integration.authorization.rules import Ruled
from tests.integration.sync.documents.people import TENANT, Person
from tests.suite import Suite

PLACES: dict[str, dict[str, str]] = {
    "of all": {},
    "of red": {"team_id": "red"},
    "of x in red": {"team_id": "red", "project_id": "x"},
    "of blue": {"team_id": "blue"},
}


@pytest.fixture
async def acme(suite: Suite) -> Ruled:
    await suite.create_tenant(TENANT)
    return Ruled(suite, TENANT)


async def place_all(person: Person) -> dict[str, str]:
    """A document at each place: names by titles."""
    names = {}
    for title, ids in PLACES.items():
        document = pb.Document(
            kind=pb.DOCUMENT_KIND_NOTE, scope=scope_pb2.Scope(**ids), fields={"title": title}
        )
        request = pb.CreateDocumentRequest(document=document)
        made = await person.stub.CreateDocument(request, metadata=person.metadata)
        names[title] = made.name
    return names


async def listed(person: Person) -> set[str]:
    request = pb.ListDocumentsRequest()
    found = await person.stub.ListDocuments(request, metadata=person.metadata)
    return {each.fields["title"] for each in found.documents}


async def read(person: Person, names: dict[str, str]) -> set[str]:
    found = set()
    for title, name in names.items():
        try:
            await person.get(name)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.PERMISSION_DENIED:
                raise
        else:
            found.add(title)
    return found


def someone(ruled: Ruled, subject: str, *roles: Role) -> Person:
    return Person(ruled.suite.documents, ruled.someone(subject, *roles).metadata)


async def test_a_role_in_a_team_reaches_its_documents(acme: Ruled) -> None:
    await acme.bind("pat", Role.DEVELOPER, team="red")
    names = await place_all(Person.of(acme.suite))
    pat = someone(acme, "pat")

    assert await listed(pat) == await read(pat, names) == {"of red", "of x in red"}
    assert (await pat.edit(names["of red"], 0, "x")).version == 1
    for title in ("of all", "of blue"):
        for call in (
            pat.edit(names[title], 0, "x"),
            pat.edits(names[title]),
            pat.undo(names[title]),
        ):
            with fails_with("PERMISSION_DENIED"):
                await call


async def test_who_reads_everywhere_may_write_in_one_project(acme: Ruled) -> None:
    await acme.bind("pat", Role.DEVELOPER, team="red", project="x")
    names = await place_all(Person.of(acme.suite))
    pat = someone(acme, "pat", Role.VIEWER)

    assert await listed(pat) == await read(pat, names) == set(PLACES)
    await pat.edit(names["of x in red"], 0, "x")
    with fails_with("PERMISSION_DENIED"):
        await pat.edit(names["of red"], 0, "x")
    elsewhere = pb.Document(kind=pb.DOCUMENT_KIND_NOTE, scope=scope_pb2.Scope(team_id="red"))
    with fails_with("PERMISSION_DENIED"):
        await pat.stub.CreateDocument(
            pb.CreateDocumentRequest(document=elsewhere), metadata=pat.metadata
        )


async def test_a_policy_of_the_tenant_hides_documents(acme: Ruled) -> None:
    forbid = 'forbid (principal, action in Aeterna::Action::"knowledge:read", resource)'
    await acme.policy("blue", f'{forbid} when {{ resource.team == "blue" }};')
    names = await place_all(Person.of(acme.suite))
    vic = someone(acme, "vic", Role.VIEWER)

    assert await listed(vic) == await read(vic, names) == PLACES.keys() - {"of blue"}

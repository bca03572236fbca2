"""Documents through live connections: what one writes, those in the room see."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import live_pb2_grpc
from libs.auth import Role
from tests.integration.sync.documents.people import TENANT, Person, operation, parts
from tests.integration.sync.live.clients import LiveClient
from tests.suite import Suite


@asynccontextmanager
async def connected(
    suite: Suite, subject: str = "ann", role: Role = Role.TENANT_ADMIN
) -> AsyncIterator[LiveClient]:
    metadata = suite.auth(TENANT, subject, (role,))
    stub = live_pb2_grpc.LiveServiceStub(suite.channels["sync"])
    call = stub.Connect(metadata=metadata)
    try:
        client = LiveClient(call)
        await client.next("welcome")
        yield client
    finally:
        call.cancel()


async def test_an_edit_is_answered_and_everybody_in_the_room_hears_of_it(
    suite: Suite, ann: Person
) -> None:
    name = (await ann.create("ab")).name
    async with connected(suite) as one, connected(suite, "bob") as other:
        for each in (one, other):
            await each.subscribe(name, snapshot=True)
            assert (await each.next("snapshot")).document.text == "ab"
        edit = pb.EditDocumentRequest(
            name=name, operation=operation((1, "X")), request_id=str(uuid4())
        )

        answer = (await one.ask(edit_document=edit)).edit
        undone = (await one.ask(undo_document_edit={"name": name})).edit

        assert (answer.version, parts(answer.operation)) == (1, (1, "X"))
        for each in (one, other):
            events = await each.events(2, name)
            assert [event.type for event in events] == ["DocumentEdited"] * 2
            assert [event.edit for event in events] == [answer, undone]
            assert [event.number for event in events] == [answer.number, undone.number]


async def test_who_resumes_gets_what_was_typed_from_the_rows(
    replicas: tuple[Suite, Suite],
) -> None:
    one, other = replicas
    ann = Person.of(one)
    made = await ann.create()
    edits = [await ann.edit(made.name, version, str(version)) for version in range(5)]

    async with connected(other) as client:
        await client.subscribe(made.name, since=edits[1].number)
        events = await client.events(3, made.name)

    assert [event.edit for event in events] == edits[2:]


async def test_every_method_can_be_asked_for(suite: Suite, ann: Person) -> None:
    async with connected(suite) as client:
        document = pb.Document(kind=pb.DOCUMENT_KIND_NOTE, text="One")
        made = (await client.ask(create_document={"document": document})).document
        by_name = {"name": made.name}
        edit = pb.EditDocumentRequest(name=made.name, operation=operation((3, " two")))
        assert (await client.ask(edit_document=edit)).edit.version == 1
        assert (await client.ask(undo_document_edit=by_name)).edit.version == 2
        assert (await client.ask(redo_document_edit=by_name)).edit.version == 3
        restored = await client.ask(restore_document={"name": made.name, "version": 0})
        assert restored.edit.version == 4
        assert (await client.ask(get_document=by_name)).document.text == "One"
        assert len((await client.ask(list_documents={})).documents.documents) == 1
        assert len((await client.ask(list_document_edits=by_name)).edits.edits) == 4
        assert len((await client.ask(list_document_revisions=by_name)).revisions.revisions) == 1
        saved = await client.ask(save_document=by_name)
        assert saved.document.knowledge_item.startswith("knowledgeItems/")
        assert (await client.ask(delete_document=by_name)).HasField("done")
        gone = await client.ask(get_document=by_name)
        assert gone.error.reason == "DOCUMENT_NOT_FOUND"


async def test_who_may_only_read_is_answered_so(suite: Suite, ann: Person) -> None:
    name = (await ann.create("x")).name
    async with connected(suite, "vic", Role.VIEWER) as client:
        await client.subscribe(name)
        edit = pb.EditDocumentRequest(name=name, operation=operation(("y",)))
        refused = await client.ask(edit_document=edit)
        unfit = await client.ask(edit_document={"name": "documents/1"})
        await ann.edit(name, 0, "z")

        assert refused.error.reason == "PERMISSION_DENIED"
        assert unfit.error.reason == "INVALID_REQUEST"
        (event,) = await client.events(1, name)
        assert event.edit.author == "ann"


async def test_the_end_of_a_document_is_told(suite: Suite, ann: Person) -> None:
    name = (await ann.create("x")).name
    async with connected(suite) as client:
        await client.subscribe(name)
        await ann.delete(name)

        (event,) = await client.events(1, name)
    assert event.type == "DocumentDeleted"
    assert not event.HasField("edit")

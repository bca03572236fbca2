"""Documents through the front door: writing, reading, listing, and what is refused."""

import time
from uuid import uuid4

import asyncpg
import grpc

from aeterna.common.v1 import scope_pb2
from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import sync_pb2
from libs.auth import Role
from libs.tenancy import Route, ShardId, TenantId
from libs.usage import Kind
from services.sync.documents.store.storage import stored
from tests.errors import fails_with
from tests.integration.sync.documents.people import TENANT, Person, at, fields, parts, replayed
from tests.suite import Suite

GONE = f"documents/{uuid4()}"


async def test_a_document_is_written_and_read(ann: Person) -> None:
    made = await ann.create("A fox.", title="Animals")

    assert (made.version, made.oldest_version, made.author) == (0, 0, "ann")
    edit = await ann.edit(made.name, 0, 5, " and a dog")
    assert (edit.version, parts(edit.operation), edit.author) == (1, (5, " and a dog"), "ann")
    assert edit.origin == pb.DocumentEdit.ORIGIN_EDIT
    found = await ann.get(made.name)
    assert (found.text, found.version, dict(found.fields)) == (
        "A fox and a dog.",
        1,
        {"title": "Animals"},
    )
    assert found.create_time == made.create_time
    assert found.update_time == edit.edit_time


async def test_edits_on_the_same_version_are_both_there(ann: Person, bob: Person) -> None:
    name = (await ann.create("ab")).name

    await ann.edit(name, 0, 1, "X")
    late = await bob.edit(name, 0, 2, "Y")

    assert (late.version, parts(late.operation)) == (2, (3, "Y"))
    assert (await ann.get(name)).text == "aXbY"


async def test_of_texts_at_one_place_the_first_ordered_stands_first(
    ann: Person, bob: Person
) -> None:
    name = (await ann.create("--")).name

    await ann.edit(name, 0, 1, "first")
    await bob.edit(name, 0, 1, "second")

    assert (await ann.get(name)).text == "-firstsecond-"


async def test_what_was_missed_is_listed(ann: Person) -> None:
    name = (await ann.create()).name
    for version in range(7):
        await ann.edit(name, version, str(version))

    assert [each.version for each in await ann.edits(name, since=2, size=2)] == [3, 4, 5, 6, 7]
    assert replayed("", await ann.edits(name)) == (await ann.get(name)).text


async def test_each_version_can_be_read(ann: Person) -> None:
    name = (await ann.create("0", title="zero")).name
    for version in range(1, 6):
        written = fields(title=at(str(version), int(time.time() * 1000) + version))
        await ann.edit(name, version - 1, version, str(version), written=written)

    found = [await ann.get(name, version) for version in range(6)]

    assert [each.text for each in found] == ["0", "01", "012", "0123", "01234", "012345"]
    assert [each.fields["title"] for each in found] == ["zero", "1", "2", "3", "4", "5"]
    assert [each.version for each in found] == list(range(6))
    with fails_with("VERSION_NOT_REACHED"):
        await ann.get(name, 6)


async def test_the_log_tells_of_documents_without_what_they_say(suite: Suite, ann: Person) -> None:
    name = (await ann.create("secret")).name
    await ann.edit(name, 0, "more ")
    await ann.delete(name)

    request = sync_pb2.ListChangesRequest()
    changes = (await suite.sync.ListChanges(request, metadata=ann.metadata)).changes

    told = [each for each in changes if each.resource == name]
    assert [each.layer for each in told] == ["company"] * 3
    assert b"secret" not in b"".join(each.SerializeToString() for each in changes)


async def test_nothing_is_readable_in_the_database(suite: Suite, ann: Person) -> None:
    name = (await ann.create("canary one", title="canary two")).name
    await ann.edit(name, 0, "canary three ", written=fields(title=at("canary four", 2**40)))

    async with suite.database.connect() as superuser:
        for table in (
            "shared_document",
            "shared_document_edit",
            "shared_document_snapshot",
            "change",
            "request",
        ):
            for row in await superuser.fetch(f"SELECT * FROM aeterna.{table}"):
                assert "canary" not in repr(row), table


async def test_a_repeated_edit_is_taken_once(ann: Person, bob: Person) -> None:
    name, request_id = (await ann.create()).name, str(uuid4())

    first = await ann.edit(name, 0, "once", request_id=request_id)
    await bob.edit(name, 1, 4, "!")
    again = await ann.edit(name, 0, "once", request_id=request_id)

    assert again == first
    assert first.request_id == request_id
    assert (await ann.get(name)).text == "once!"
    with fails_with("REQUEST_ID_REUSED"):
        await ann.edit(name, 0, "twice", request_id=request_id)


async def test_every_change_may_be_repeated(suite: Suite, ann: Person) -> None:
    document = pb.Document(kind=pb.DOCUMENT_KIND_POLICY, text="a")
    create = pb.CreateDocumentRequest(document=document, request_id=str(uuid4()))
    made = await ann.stub.CreateDocument(create, metadata=ann.metadata)
    await ann.edit(made.name, 0, "b")
    assert await ann.stub.CreateDocument(create, metadata=ann.metadata) == made
    undo = str(uuid4())
    assert await ann.undo(made.name, undo) == await ann.undo(made.name, undo)
    restore = pb.RestoreDocumentRequest(name=made.name, version=1, request_id=str(uuid4()))
    first = await ann.stub.RestoreDocument(restore, metadata=ann.metadata)
    assert await ann.stub.RestoreDocument(restore, metadata=ann.metadata) == first
    assert (await ann.get(made.name)).text == "ba"
    delete = str(uuid4())
    await ann.delete(made.name, delete)
    await ann.delete(made.name, delete)
    with fails_with("DOCUMENT_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await ann.delete(made.name)


async def test_the_later_of_two_values_stays(ann: Person, bob: Person) -> None:
    name = (await ann.create()).name
    now = int(time.time() * 1000)

    await ann.edit(name, 0, written=fields(title=at("late", now + 10), status=at("open", now)))
    early = await bob.edit(name, 1, written=fields(title=at("early", now + 5)))
    gone = await bob.edit(name, 2, written=fields(status=at(None, now, counter=1)))

    assert not early.fields
    assert not gone.fields["status"].HasField("value")
    found = await ann.get(name)
    assert dict(found.fields) == {"title": "late"}
    assert (found.fields_time, found.fields_counter) == (now + 10, 0)


async def test_a_clock_that_is_too_far_ahead_is_refused(ann: Person) -> None:
    name = (await ann.create()).name
    ahead = int(time.time() * 1000) + 120_000

    with fails_with("INVALID_REQUEST", "fields.time"):
        await ann.edit(name, 0, written=fields(title=at("x", ahead)))


async def test_an_edit_that_fits_nothing_is_refused(ann: Person) -> None:
    name = (await ann.create("abc")).name
    await ann.edit(name, 0, 3, "de")

    with fails_with("INVALID_REQUEST", "operation"):
        await ann.edit(name, 0, 4, "x")
    with fails_with("INVALID_REQUEST", "operation"):
        await ann.edit(name, 0, 2)
    with fails_with("BASE_NOT_REACHED", code=grpc.StatusCode.FAILED_PRECONDITION):
        await ann.edit(name, 2, "x")
    with fails_with("DOCUMENT_NOT_FOUND"):
        await ann.edit(GONE, 0, "x")
    assert (await ann.get(name)).text == "abcde"


async def test_a_text_has_a_limit(ann: Person) -> None:
    name = (await ann.create("é" * 2**19)).name

    with fails_with("DOCUMENT_TOO_LARGE"):
        await ann.edit(name, 0, "x")
    await ann.edit(name, 0, -1, "xy")
    assert (await ann.get(name)).version == 1


async def test_fields_have_a_limit(ann: Person) -> None:
    name = (await ann.create(**{f"f{n}": "x" for n in range(32)})).name

    with fails_with("TOO_MANY_FIELDS"):
        await ann.edit(name, 0, written=fields(more=at("x", 1)))
    later = int(time.time() * 1000) + 1000
    await ann.edit(name, 0, written=fields(f0=at(None, later), more=at("x", 1)))


async def test_documents_are_listed_without_their_texts(ann: Person) -> None:
    names = [(await ann.create("text", title=str(n))).name for n in range(5)]

    first = await ann.stub.ListDocuments(
        pb.ListDocumentsRequest(page_size=3), metadata=ann.metadata
    )
    rest = await ann.stub.ListDocuments(
        pb.ListDocumentsRequest(page_size=3, page_token=first.next_page_token),
        metadata=ann.metadata,
    )

    listed = [*first.documents, *rest.documents]
    assert [each.name for each in listed] == names[::-1]
    assert {each.text for each in listed} == {""}
    assert [each.fields["title"] for each in listed] == ["4", "3", "2", "1", "0"]
    assert not rest.next_page_token


async def test_a_deleted_document_leaves_nothing(suite: Suite, ann: Person) -> None:
    name = (await ann.create("x")).name
    await ann.edit(name, 0, "y")

    await ann.delete(name)

    with fails_with("DOCUMENT_NOT_FOUND"):
        await ann.get(name)
    with fails_with("DOCUMENT_NOT_FOUND"):
        await ann.edits(name)
    with fails_with("DOCUMENT_NOT_FOUND"):
        await ann.revisions(name)
    async with suite.database.connect() as superuser:
        for table in ("shared_document", "shared_document_edit", "shared_document_snapshot"):
            assert await superuser.fetchval(f"SELECT count(*) FROM aeterna.{table}") == 0


async def test_a_document_belongs_to_a_place_of_knowledge(ann: Person) -> None:
    scope = scope_pb2.Scope(org_id="o", user_id="u")
    document = pb.Document(kind=pb.DOCUMENT_KIND_NOTE, scope=scope)
    request = pb.CreateDocumentRequest(document=document)

    with fails_with("INVALID_REQUEST", "document.scope.user_id"):
        await ann.stub.CreateDocument(request, metadata=ann.metadata)


async def test_what_is_stored_is_counted(ann: Person, pool: asyncpg.Pool) -> None:
    route = Route(TenantId(TENANT), ShardId("main"), 1, pool)
    assert await stored(route) == {Kind.BYTE_HOURS: 0}

    name = (await ann.create("x" * 5000, title="y" * 100)).name
    created = (await stored(route))[Kind.BYTE_HOURS]
    await ann.edit(name, 0, "z" * 1000)

    assert 5100 < created < 5500
    assert 1000 < (await stored(route))[Kind.BYTE_HOURS] - created < 1200


async def test_a_viewer_reads_and_writes_nothing(suite: Suite, ann: Person) -> None:
    name = (await ann.create("x")).name
    viewer = Person(suite.documents, suite.auth(TENANT, "vic", (Role.VIEWER,)))

    assert (await viewer.get(name)).text == "x"
    for call in (viewer.edit(name, 0, "y"), viewer.undo(name), viewer.delete(name)):
        with fails_with("PERMISSION_DENIED"):
            await call

"""Erasing a person, as administrators meet it."""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio
import json
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.longrunning import operations_pb2

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import approvals_pb2, audit_pb2, erasure_pb2, roles_pb2
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from aeterna.sync.v1 import documents_pb2
from libs.changes import Asked
from libs.clients.errors import from_status
from libs.operations.store import Operations
from libs.postgres import StoreUnavailable
from libs.signing import SignatureInvalid, Signed
from libs.tenancy import Route
from tests.errors import fails_with, reason_of
from tests.eventually import eventually
from tests.integration.privacy.dumps import holding
from tests.integration.privacy.people import ANN, CANARY, IDENTIFIERS, MAIL, People

NEEDLES = (ANN, *IDENTIFIERS)


def verified(certificate: str, key: bytes) -> Any:
    return Signed.from_json(json.loads(certificate)).verify(key, "aeterna.erasure.v1")


async def shown(people: People) -> str:
    """All that clients of the tenant can read."""
    suite, admin = people.suite, people.admin
    memories = await people.memories()
    answers: list[Any] = [*memories.values()]
    for name in memories:
        revisions = memory_pb2.ListMemoryRevisionsRequest(name=name)
        answers.append(await suite.memory.ListMemoryRevisions(revisions, metadata=admin))
    listed = knowledge_pb2.ListKnowledgeItemsRequest()
    items = await suite.knowledge.ListKnowledgeItems(listed, metadata=admin)
    answers.append(items)
    for each in items.knowledge_items:
        history = knowledge_pb2.ListKnowledgeItemRevisionsRequest(name=each.name)
        answers.append(await suite.knowledge.ListKnowledgeItemRevisions(history, metadata=admin))
    documents = documents_pb2.ListDocumentsRequest()
    notes = await suite.documents.ListDocuments(documents, metadata=admin)
    for note in notes.documents:
        get = documents_pb2.GetDocumentRequest(name=note.name)
        answers.append(await suite.documents.GetDocument(get, metadata=admin))
        oldest = note.oldest_version
        edits = documents_pb2.ListDocumentEditsRequest(name=note.name, since_version=oldest)
        answers.append(await suite.documents.ListDocumentEdits(edits, metadata=admin))
        asked = documents_pb2.ListDocumentRevisionsRequest(name=note.name)
        answers.append(await suite.documents.ListDocumentRevisions(asked, metadata=admin))
    approvals = approvals_pb2.ListApprovalRequestsRequest()
    answers.append(await suite.approvals.ListApprovalRequests(approvals, metadata=admin))
    entries = audit_pb2.ListAuditEntriesRequest(page_size=1000)
    answers.append(await suite.audit.ListAuditEntries(entries, metadata=admin))
    return "\n".join(map(str, answers))


@pytest.mark.parametrize("strategy", ["delete", "anonymize", "pseudonymize", "redact"])
async def test_nothing_of_a_person_is_left_anywhere(people: People, strategy: str) -> None:
    await people.fill()
    assert await holding(people.suite.database, [ANN])
    before = await shown(people)
    assert all(each in before for each in NEEDLES)

    erasure = await people.erase(strategy)

    assert erasure.state == erasure_pb2.ERASURE_STATE_COMPLETE
    assert await holding(people.suite.database, NEEDLES) == {}
    text = await shown(people)
    assert not [each for each in NEEDLES if each in text]
    assert all(each.left == 0 for each in erasure.stores)
    verify = audit_pb2.VerifyAuditTrailRequest()
    assert (await people.suite.audit.VerifyAuditTrail(verify, metadata=people.admin)).intact


async def test_an_edit_of_before_is_not_taken_again(people: People) -> None:
    """Who sends it once more learns that it was taken, and reads the document anew."""
    stub, admin = people.suite.documents, people.admin
    note = documents_pb2.Document(kind=documents_pb2.DOCUMENT_KIND_NOTE, text=MAIL)
    create = documents_pb2.CreateDocumentRequest(document=note)
    name = (await stub.CreateDocument(create, metadata=admin)).name
    part = documents_pb2.TextOperation.Part(insert="Ask ")
    edit = documents_pb2.EditDocumentRequest(
        name=name, operation=documents_pb2.TextOperation(parts=[part]), request_id=str(uuid4())
    )
    taken = await stub.EditDocument(edit, metadata=admin)
    await people.erase()

    again = await stub.EditDocument(edit, metadata=admin)

    assert (again.version, again.request_id) == (taken.version, taken.request_id)
    assert not again.operation.parts
    get = documents_pb2.GetDocumentRequest(name=name)
    assert (await stub.GetDocument(get, metadata=admin)).text.count("Ask ") == 1


async def check_documents(people: People) -> None:
    """The one that named Ann is rewritten, without a history; the other is as it was."""
    stub, admin = people.suite.documents, people.admin
    listed = await stub.ListDocuments(documents_pb2.ListDocumentsRequest(), metadata=admin)
    innocent, written = listed.documents
    assert (innocent.version, innocent.oldest_version, innocent.author) == (0, 0, "root")
    assert (written.version, written.oldest_version) == (4, 4)
    assert written.fields["title"].startswith("Of erased-")
    get = documents_pb2.GetDocumentRequest(name=written.name)
    assert (await stub.GetDocument(get, metadata=admin)).text == "Ask ."
    old = documents_pb2.GetDocumentRequest(name=written.name, version=2)
    with fails_with("HISTORY_COMPACTED"):
        await stub.GetDocument(old, metadata=admin)
    part = documents_pb2.TextOperation.Part(insert="You: ")
    edit = documents_pb2.EditDocumentRequest(
        name=written.name, base_version=4, operation=documents_pb2.TextOperation(parts=[part])
    )
    assert (await stub.EditDocument(edit, metadata=admin)).version == 5


async def test_delete_leaves_what_belongs_to_others(people: People) -> None:
    await people.fill()

    erasure = await people.erase("delete")

    left = await people.memories()
    assert set(left) == set(people.others)
    assert left[people.others[1]].content == "The river is wide."
    assert left[people.others[0]].content.startswith("Ask erased-")
    found = {each.store: (each.found, each.erased) for each in erasure.stores}
    assert found["memory"] == (3, 3)
    assert found["knowledge_item"][1] >= 1
    assert found["shared_document"][1] >= 1
    await check_documents(people)
    assert found["memory_feedback"][1] == 1
    assert found["change"][1] > 5
    assert found["subject_key"][1] == 1


@pytest.mark.parametrize("strategy", ["anonymize", "pseudonymize", "redact"])
async def test_the_other_strategies_keep_what_was_said(people: People, strategy: str) -> None:
    await people.fill()

    erasure = await people.erase(strategy)

    memories = await people.memories()
    session = memories[people.mine[0]]
    name = session.scope.user_id
    assert name.startswith("pseudonym-" if strategy == "pseudonymize" else "erased-")
    assert (session.scope.session_id, session.scope.agent_id) == (name, name)
    assert session.scope.org_id == "org"
    assert session.metadata["who"] == name
    if strategy == "redact":
        assert session.content == ("[redacted]: reach me at [redacted] or [redacted], card [card]")
    else:
        assert session.content == (
            f"{name}: reach me at {name} or {name}, card 4111 1111 1111 1111"
        )
    assert {memories[each].scope.user_id for each in people.mine} == {name}
    search = memory_pb2.SearchMemoriesRequest(query="tea like", limit=10)
    search.scope.user_id = name
    found = await people.suite.memory.SearchMemories(search, metadata=people.admin)
    assert people.mine[1] in [each.memory.name for each in found.results]
    assert erasure.pseudonym == (name if strategy == "pseudonymize" else "")


async def test_an_erased_person_is_not_written_about_until_that_is_lifted(people: People) -> None:
    await people.fill()
    await people.erase("delete")

    for by, about in ((people.admin, ANN), (people.ann, ""), (people.ann, ANN)):
        with fails_with("SUBJECT_ERASED"):
            await people.remember("Back again.", by=by, about=about)
    record = audit_pb2.RecordAuditEventRequest(event="login.seen", subject=ANN)
    with fails_with("SUBJECT_ERASED"):
        await people.suite.audit.RecordAuditEvent(record, metadata=people.admin)
    await people.remember("Others go on.", about="bob")
    assert await holding(people.suite.database, NEEDLES) == {}

    lift = erasure_pb2.LiftErasureRequest(subject=ANN, request_id=str(uuid4()))
    lifted = await people.suite.erasures.LiftErasure(lift, metadata=people.admin)
    assert lifted.lifted
    assert (await people.suite.erasures.LiftErasure(lift, metadata=people.admin)).lifted
    again = await people.remember("Back again.", by=people.ann, about=ANN)
    assert again.content == "Back again."


async def test_nobody_erases_themselves(people: People) -> None:
    with fails_with("SELF_ERASURE"):
        await people.begin(subject="root")
    listed = erasure_pb2.ListErasuresRequest()
    found = await people.suite.erasures.ListErasures(listed, metadata=people.admin)
    assert not found.erasures


async def test_a_certificate_is_verified_without_the_server(people: People) -> None:
    await people.fill()
    erasure = await people.erase("delete", reference="ticket 17")
    keys = await people.suite.erasures.ListCertificateKeys(
        erasure_pb2.ListCertificateKeysRequest(), metadata=people.admin
    )
    (key,) = keys.keys

    said = verified(erasure.certificate, key.public_key)

    assert said["erasure"] == erasure.name
    assert (said["tenant"], said["reference"]) == ("acme", "ticket 17")
    assert said["negativeScan"]["left"] == 0
    assert {each["store"] for each in said["stores"]} >= {"memory", "change", "control.key_share"}
    with pytest.raises(SignatureInvalid):
        verified(erasure.certificate.replace("ticket 17", "ticket 18"), key.public_key)
    with pytest.raises(SignatureInvalid):
        verified(erasure.certificate, bytes(31) + b"\1")


async def test_a_pseudonym_is_resolved_until_its_key_is_destroyed(people: People) -> None:
    await people.fill()
    erasure = await people.erase("pseudonymize")
    stubs, admin = people.suite.erasures, people.admin
    reveal = erasure_pb2.RevealPseudonymRequest(pseudonym=erasure.pseudonym)

    assert (await stubs.RevealPseudonym(reveal, metadata=admin)).subject == ANN

    destroy = erasure_pb2.DestroyPseudonymKeyRequest(pseudonym=erasure.pseudonym)
    await stubs.DestroyPseudonymKey(destroy, metadata=admin)
    with fails_with("PSEUDONYM_NOT_FOUND"):
        await stubs.RevealPseudonym(reveal, metadata=admin)


async def test_a_repeat_of_a_request_erases_once(people: People) -> None:
    await people.fill()
    identity = str(uuid4())
    first = await people.begin(request_id=identity)
    await people.ended(first.name)

    again = await people.begin(request_id=identity)

    assert again.name == first.name
    with fails_with("REQUEST_ID_REUSED"):
        await people.begin("redact", request_id=identity)
    listed = erasure_pb2.ListErasuresRequest()
    found = await people.suite.erasures.ListErasures(listed, metadata=people.admin)
    assert len(found.erasures) == 1


async def test_a_forged_amendment_is_found(people: People) -> None:
    await people.fill()
    await people.erase("delete")
    async with people.suite.database.connect() as superuser:
        await superuser.execute(
            "UPDATE aeterna.change SET subject = 'mallory' WHERE number = ("
            " SELECT min(number) FROM aeterna.change WHERE amendment IS NOT NULL)"
        )

    verify = audit_pb2.VerifyAuditTrailRequest()
    verdict = await people.suite.audit.VerifyAuditTrail(verify, metadata=people.admin)

    assert not verdict.intact


async def test_what_may_have_begun_is_not_forgotten(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of the store is lost: nobody knows whether the erasure was begun."""
    begin = Operations.begin

    async def lost(self: Operations, route: Route, asked: Asked, kind: str, given: Any) -> Any:
        await begin(self, route, asked, kind, given)
        monkeypatch.undo()
        raise StoreUnavailable

    monkeypatch.setattr(Operations, "begin", lost)
    with fails_with("STORE_UNAVAILABLE"):
        await people.begin("delete")

    request = operations_pb2.ListOperationsRequest(filter='kind = "EraseSubject"')
    stub = people.suite.governance_operations
    (begun,) = (await stub.ListOperations(request, metadata=people.admin)).operations
    assert (await people.ended(begun.name)).HasField("response")


@pytest.mark.parametrize("reference", [ANN, f"Ticket 12 of {MAIL}"])
async def test_a_reference_does_not_name_the_person(people: People, reference: str) -> None:
    """It is kept in the ledger and in the certificate."""
    with fails_with("INVALID_REQUEST", "reference"):
        await people.begin(reference=reference)


async def test_who_is_called_like_a_role_takes_no_settings_along(people: People) -> None:
    """Words of ours stand beside the names of people."""
    config = approvals_pb2.ApprovalConfig(approvers=["roles", "bob"], quorum=1)
    configure = approvals_pb2.SetApprovalConfigRequest(approval_config=config)
    stub = people.suite.approvals
    before = await stub.SetApprovalConfig(configure, metadata=people.admin)
    get = approvals_pb2.GetApprovalConfigRequest()

    for subject in ("architect", "roles"):
        await people.ended((await people.begin("delete", subject=subject)).name)

    after = await stub.GetApprovalConfig(get, metadata=people.admin)
    assert list(after.approver_roles) == list(before.approver_roles)
    assert len(after.approvers) == 2
    assert "roles" not in after.approvers


async def test_who_is_called_like_a_role_a_layer_or_a_place_can_be_erased(people: People) -> None:
    bind = roles_pb2.AssignRoleRequest(
        role_binding=roles_pb2.RoleBinding(
            user="bob", role=roles_pb2.ROLE_ARCHITECT, scope=roles_pb2.RoleScope(project_id="user")
        )
    )
    bound = await people.suite.roles.AssignRole(bind, metadata=people.admin)
    scope = scope_pb2.Scope(project_id="user")
    kept = await people.remember("Of the project.", layer=memory_pb2.LAYER_PROJECT, scope=scope)

    for subject in ("architect", "user", "project"):
        operation = await people.ended((await people.begin("delete", subject=subject)).name)
        assert operation.HasField("response"), operation.error

    listed = await people.suite.roles.ListRoleBindings(
        roles_pb2.ListRoleBindingsRequest(), metadata=people.admin
    )
    assert list(listed.role_bindings) == [bound]
    get = memory_pb2.GetMemoryRequest(name=kept.name)
    assert (await people.suite.memory.GetMemory(get, metadata=people.admin)).scope == scope


async def test_ids_that_patterns_could_confuse(people: People) -> None:
    """The id of the person is compared byte by byte."""
    kept = [await people.remember("Mine.", about=each) for each in ("a.b", "aXb", "a%", "A.B(")]
    gone = await people.remember("Mine.", about="a.b(")

    await people.erase("delete", subject="a.b(", identifiers=["[a-z]+", "a\\d", MAIL])

    left = await people.memories()
    assert gone.name not in left
    assert {each.name for each in kept} <= set(left)
    assert CANARY not in str(left)


async def test_writers_that_are_at_it_are_refused_or_erased(people: People) -> None:
    """None slips through, however the erasure and they overlap."""
    busy, refused, reasons = asyncio.Event(), asyncio.Event(), set[str]()

    async def write(number: int) -> int:
        for count in range(10_000):
            try:
                await people.remember(f"Note {number}.{count} {CANARY}", about=ANN)
            except grpc.aio.AioRpcError as error:
                reasons.add(reason_of(error))
                refused.set()
                return count
            if count == 3:
                busy.set()
        raise AssertionError("never refused")

    async def others() -> None:
        """Whose writes are in the same groups."""
        while not refused.is_set():
            await people.remember("The river is wide.", about="bob")

    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(write(number)) for number in range(6)]
        group.create_task(others())
        await busy.wait()
        begun = await people.begin("delete")
    ended = await people.ended(begun.name)

    assert ended.HasField("response"), ended
    assert sum(each.result() for each in writers) > 0
    assert reasons == {"SUBJECT_ERASED"}
    assert await holding(people.suite.database, NEEDLES) == {}
    assert {each.scope.user_id for each in (await people.memories()).values()} == {"bob"}


async def test_an_erasure_waits_for_the_vector_index(people: People) -> None:
    """What waits in the queue of projections is not complete: here of an index that is away."""
    await people.fill()
    async with people.suite.database.connect() as superuser:
        await superuser.execute(
            "INSERT INTO aeterna.projection_queue (tenant_id, number, collection, entity_id)"
            " VALUES ('acme', 1, 'elsewhere', gen_random_uuid())"
        )
        begun = await people.begin("delete")

        async def looking() -> bool:
            sql = "SELECT progress -> 'cursor' ->> 'step' FROM aeterna.operation WHERE kind = $1"
            return bool(await superuser.fetchval(sql, "EraseSubject") == "look")

        await eventually(looking)
        await asyncio.sleep(0.5)
        assert await looking()
        await superuser.execute("DELETE FROM aeterna.projection_queue")
    assert (await people.ended(begun.name)).HasField("response")


async def test_an_erasure_that_leaves_something_fails_and_says_where(people: People) -> None:
    """A place that the registry does not name is found by the scan all the same."""
    await people.remember("Hello.", about=ANN)
    async with people.suite.database.connect() as superuser:
        await superuser.execute(
            "INSERT INTO aeterna.alert (tenant_id, id, number, kind, severity, resource, facts,"
            " raised_at) VALUES ('acme', gen_random_uuid(), 1, 'a.b', 'low', '', $1, now())",
            json.dumps({"who": [f"agent:planner for user:{ANN}"]}),
        )
    ended = await people.ended((await people.begin("delete")).name)
    assert from_status(ended.error).reason == "ERASURE_INCOMPLETE"
    listed = erasure_pb2.ListErasuresRequest()
    found = await people.suite.erasures.ListErasures(listed, metadata=people.admin)
    erasure = await people.erasure(found.erasures[0].name)
    assert erasure.state == erasure_pb2.ERASURE_STATE_RUNNING
    assert {each.store: each.left for each in erasure.stores if each.left} == {"alert": 1}
    assert not erasure.certificate

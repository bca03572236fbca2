"""Exporting what is known of a person, and importing it again."""

from __future__ import annotations  # the stubs know more classes than the code

import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from aeterna.governance.v1 import agents_pb2, approvals_pb2, consent_pb2, export_pb2, roles_pb2
from cli.bulk.ndjson import Line
from libs.auth import Role
from tests.errors import fails_with
from tests.integration.privacy.dumps import holding
from tests.integration.privacy.people import ANN, CANARY, MAIL, People
from tests.suite import Metadata

_SCHEMA = Path(__file__).parents[3] / "docs/schemas/subject-export.json"


async def exported(people: People, subject: str = ANN) -> export_pb2.ExportSubjectResponse:
    request = export_pb2.ExportSubjectRequest(subject=subject, request_id=str(uuid4()))
    begun: Any = await people.suite.exports.ExportSubject(request, metadata=people.admin)
    ended = await people.ended(begun.name)
    assert ended.HasField("response"), ended
    response = export_pb2.ExportSubjectResponse()
    ended.response.Unpack(response)
    return response


async def downloaded(people: People, name: str, by: Metadata | None = None) -> dict[str, bytes]:
    request = export_pb2.DownloadSubjectExportRequest(name=name)
    files: dict[str, bytes] = {}
    call = people.suite.exports.DownloadSubjectExport(request, metadata=by or people.admin)
    async for piece in call:
        files[piece.file] = files.get(piece.file, b"") + piece.data
    return files


def check_schema(manifest: Any) -> None:
    """What the published schema demands of a manifest."""
    schema = json.loads(_SCHEMA.read_text())
    assert sorted(manifest) == sorted(schema["required"]) == sorted(schema["properties"])
    assert manifest["format"] == schema["properties"]["format"]["const"]
    assert re.fullmatch(schema["properties"]["export"]["pattern"], manifest["export"])
    item = schema["properties"]["files"]["items"]
    for each in manifest["files"]:
        assert sorted(each) == sorted(item["required"]) == sorted(item["properties"])
        assert each["name"] in item["properties"]["name"]["enum"]
        assert re.fullmatch(item["properties"]["sha256"]["pattern"], each["sha256"])


async def work(people: People) -> None:
    """Ann has a role and an agent, and decides on what somebody else asks for."""
    suite = people.suite
    binding = roles_pb2.RoleBinding(
        user=ANN, role=roles_pb2.ROLE_DEVELOPER, scope=roles_pb2.RoleScope(project_id="payments")
    )
    assign = roles_pb2.AssignRoleRequest(role_binding=binding)
    await suite.roles.AssignRole(assign, metadata=people.admin)
    agent = agents_pb2.Agent(owner=ANN)
    register = agents_pb2.RegisterAgentRequest(agent_id="scribe", agent=agent)
    await suite.agents.RegisterAgent(register, metadata=people.admin)
    asked = approvals_pb2.ApprovalRequest(
        kind=approvals_pb2.APPROVAL_KIND_CONFIG, target="memorySettings/x", title="Of Bob"
    )
    create = approvals_pb2.CreateApprovalRequestRequest(approval_request=asked)
    request = await suite.approvals.CreateApprovalRequest(create, metadata=people.admin)
    decide = approvals_pb2.ApproveApprovalRequestRequest(
        name=request.name, comment=f"As {CANARY} said."
    )
    await suite.approvals.ApproveApprovalRequest(decide, metadata=people.ann)


async def test_an_export_holds_what_is_known_and_nothing_of_others(people: People) -> None:
    await people.fill()
    await people.remember("Bob likes tea.", about="bob")
    grant = consent_pb2.GrantConsentRequest(subject=ANN, purpose="memory")
    await people.suite.consents.GrantConsent(grant, metadata=people.ann)
    await work(people)

    response = await exported(people)
    files = await downloaded(people, response.export)

    manifest = json.loads(files["manifest.json"])
    check_schema(manifest)
    assert list(files)[-1] == "manifest.json"
    assert {each["name"] for each in manifest["files"]} == set(files) - {"manifest.json"}
    for each in manifest["files"]:
        data = files[each["name"]]
        assert hashlib.sha256(data).hexdigest() == each["sha256"]
        assert (len(data), data.count(b"\n")) == (each["sizeBytes"], each["records"])
    assert {each.name: each.sha256 for each in response.files} == {
        each["name"]: each["sha256"] for each in manifest["files"]
    }
    memories = [json.loads(line) for line in files["memories.ndjson"].splitlines()]
    assert {each["name"] for each in memories} == set(people.mine)
    versions = [json.loads(line) for line in files["memory-versions.ndjson"].splitlines()]
    assert [each["content"] for each in versions] == ["I like tea."]
    assert CANARY in files["knowledge.ndjson"].decode()
    assert json.loads(files["consents.ndjson"])["purpose"] == "memory"
    assert MAIL in files["changes.ndjson"].decode()
    assert json.loads(files["feedback.ndjson"])["feedback"] == "helpful"
    assert json.loads(files["roles.ndjson"])["role"] == "developer"
    assert json.loads(files["agents.ndjson"])["agent"] == "agents/scribe"
    request = json.loads(files["approval-requests.ndjson"])
    assert (request["title"], request["description"]) == (f"Of {CANARY}", f"Ask {MAIL}.")
    decision = json.loads(files["approval-decisions.ndjson"])
    assert (decision["approves"], decision["comment"]) == (True, f"As {CANARY} said.")
    note = json.loads(files["documents.ndjson"])
    assert (note["text"], note["fields"]) == ("Ask .", {"title": f"Of {MAIL}"})
    edits = [json.loads(line) for line in files["document-edits.ndjson"].splitlines()]
    assert [each["version"] for each in edits] == [1, 2, 3]
    assert "".join(edits[1]["inserted"] + edits[0]["inserted"]) == CANARY
    assert "Bob" not in b"".join(files.values()).decode()


async def test_a_large_export_is_imported_again(people: People) -> None:
    """In pages, and in pieces of a stream; what comes back is what was there."""
    contents = [f"Note {number} {'x' * 200}" for number in range(450)]
    for content in contents:
        await people.remember(content, about=ANN)

    files = await downloaded(people, (await exported(people)).export)

    lines = files["memories.ndjson"].splitlines(keepends=True)
    assert len(lines) == len(contents)
    await people.suite.create_tenant("other")
    other = people.suite.auth("other", "root")
    requests = [Line(number, text, 0).request() for number, text in enumerate(lines, start=1)]
    stream = people.suite.memory.StreamCreateMemories(iter(requests), metadata=other)
    stored = [answer.memory async for answer in stream]
    assert {each.content for each in stored} == set(contents)
    assert {each.scope.user_id for each in stored} == {ANN}


async def test_files_are_sealed_and_go(people: People) -> None:
    await people.fill()
    response = await exported(people)
    assert "aeterna.export_part" not in await holding(people.suite.database, [CANARY, MAIL])
    viewer = people.suite.auth("acme", "bob", (Role.DEVELOPER,))
    with fails_with("PERMISSION_DENIED"):
        await downloaded(people, response.export, viewer)

    delete = export_pb2.DeleteSubjectExportRequest(name=response.export)
    await people.suite.exports.DeleteSubjectExport(delete, metadata=people.admin)

    with fails_with("EXPORT_NOT_FOUND"):
        await downloaded(people, response.export)
    with fails_with("EXPORT_NOT_FOUND"):
        await people.suite.exports.DeleteSubjectExport(delete, metadata=people.admin)


async def test_erasure_takes_exports_with_it(people: People) -> None:
    await people.fill()
    response = await exported(people)

    await people.erase("delete")

    with fails_with("EXPORT_NOT_FOUND"):
        await downloaded(people, response.export)


async def test_what_is_over_is_neither_shown_nor_kept(people: People) -> None:
    from libs.tenancy.directory import open_directory
    from services.governance.export.store import deleting_old

    response = await exported(people)
    async with people.suite.database.connect() as superuser:
        await superuser.execute("UPDATE aeterna.export_part SET expires_at = now()")
        with fails_with("EXPORT_NOT_FOUND"):
            await downloaded(people, response.export)
        async with open_directory(people.suite.database.settings()) as directory:
            await deleting_old(directory, timedelta(hours=1)).round()
        assert await superuser.fetchval("SELECT count(*) FROM aeterna.export_part") == 0

"""Knowledge items as a client of the service meets them: written, read, listed, found."""

import asyncio
from uuid import uuid4

import grpc
import pytest

from aeterna.knowledge.v1 import knowledge_pb2 as pb
from libs.auth import Role
from tests.errors import fails_with
from tests.integration.knowledge.client import Client, draft

PROJECT = pb.KNOWLEDGE_LAYER_PROJECT


async def test_a_draft_is_read_back_whole(client: Client) -> None:
    created = await client.add(
        "Zoë's rule", "# Rule\n🦊\0", kind=pb.KNOWLEDGE_KIND_POLICY, scope={"org_id": "o"}
    )

    assert await client.get(created.name) == created
    assert (created.title, created.content) == ("Zoë's rule", "# Rule\n🦊\0")
    assert (created.kind, created.status) == (pb.KNOWLEDGE_KIND_POLICY, pb.KNOWLEDGE_STATUS_DRAFT)
    assert (created.author, created.proposer, created.version) == ("ann", "", 1)
    assert created.scope.org_id == "o"
    assert created.create_time == created.update_time


async def test_what_a_caller_claims_about_a_new_item_is_ignored(client: Client) -> None:
    created = await client.add(
        status=pb.KNOWLEDGE_STATUS_ACCEPTED, author="eve", proposer="eve", version=7
    )

    assert created.status == pb.KNOWLEDGE_STATUS_DRAFT
    assert (created.author, created.proposer, created.version) == ("ann", "", 1)


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (draft(title=""), "title"),
        (draft(title=" \u2003"), "title"),
        (draft(title="two\nlines"), "title"),
        (draft(title="x" * 513), "title"),
        (draft(content=""), "content"),
        (draft(content="x" * (256 * 1024 + 1)), "content"),
        (draft(kind=pb.KNOWLEDGE_KIND_UNSPECIFIED), "kind"),
        (draft(kind=99), "kind"),
        (draft(layer=pb.KNOWLEDGE_LAYER_UNSPECIFIED), "layer"),
        (draft(layer=PROJECT, scope={"team_id": "t"}), "scope.project_id"),
        (draft(scope={"user_id": "ann"}), "scope.user_id"),
    ],
)
async def test_what_is_wrong_with_a_draft_is_named(
    client: Client, item: pb.KnowledgeItem, field: str
) -> None:
    request = pb.CreateKnowledgeItemRequest(knowledge_item=item)

    with fails_with("INVALID_REQUEST", f"knowledge_item.{field}"):
        await client.suite.knowledge.CreateKnowledgeItem(request, metadata=client.metadata)

    assert (await client.page()).knowledge_items == []


async def test_an_update_replaces_what_the_mask_names(client: Client) -> None:
    created = await client.add("Old", "old text")

    updated = await client.update(created.name, ["title"], title="New", content="ignored")

    assert (updated.title, updated.content, updated.version) == ("New", "old text", 2)
    assert await client.get(created.name) == updated


async def test_an_update_without_a_mask_replaces_what_is_set(client: Client) -> None:
    created = await client.add("Old", "old text")

    updated = await client.update(created.name, content="new text")

    assert (updated.title, updated.content) == ("Old", "new text")


@pytest.mark.parametrize(
    ("paths", "field"),
    [
        (["status"], "update_mask"),
        (["layer"], "update_mask"),
        ([], "update_mask"),
        (["title"], "knowledge_item.title"),
    ],
)
async def test_an_update_changes_texts_only_and_never_to_nothing(
    client: Client, paths: list[str], field: str
) -> None:
    created = await client.add()

    with fails_with("INVALID_REQUEST", field):
        await client.update(created.name, paths)

    assert await client.get(created.name) == created


async def test_a_stale_version_changes_nothing(client: Client) -> None:
    created = await client.add()
    await client.update(created.name, title="second", version=1)

    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await client.update(created.name, title="third", version=1)
    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await client.propose(created.name, version=1)

    assert (await client.get(created.name)).title == "second"


async def test_an_unknown_item_is_not_found(client: Client) -> None:
    name = f"knowledgeItems/{uuid4()}"
    admin = client.as_("root")

    for attempt in (
        client.get(name),
        client.update(name, title="x"),
        client.propose(name),
        admin.accept(name),
        client.history(name),
        client.links(name),
    ):
        with fails_with("KNOWLEDGE_ITEM_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
            await attempt
    with fails_with("INVALID_REQUEST", "name"):
        await client.get("memories/1")


async def test_pages_hold_every_item_once_newest_first(client: Client) -> None:
    for place in range(11):
        await client.add(f"{place}")

    seen, token = [], ""
    while True:
        page = await client.page(page_size=4, page_token=token)
        seen += [each.title for each in page.knowledge_items]
        if not (token := page.next_page_token):
            break

    assert seen == [f"{place}" for place in range(10, -1, -1)]


async def test_a_page_is_never_too_large_to_receive(client: Client) -> None:
    for place in range(14):
        await client.add(f"{place}", "x" * 256 * 1024)

    first = await client.page()
    rest = await client.page(page_token=first.next_page_token)
    found = await client.search("x", limit=100, statuses=[pb.KNOWLEDGE_STATUS_DRAFT])

    seen = [each.title for each in (*first.knowledge_items, *rest.knowledge_items)]
    assert seen == [f"{place}" for place in range(13, -1, -1)]
    assert 1 < len(first.knowledge_items) < 14
    assert 1 < len(found) < 14


async def test_filters_choose_and_are_never_dropped(client: Client) -> None:
    await client.add("a", kind=pb.KNOWLEDGE_KIND_SPEC)
    await client.as_("bob").add("b", layer=PROJECT, scope={"project_id": "p"})
    await client.in_force("c")

    async def titles(filter: str) -> list[str]:
        return [each.title for each in (await client.page(filter=filter)).knowledge_items]

    assert await titles('kind = "spec"') == ["a"]
    assert await titles('layer = "project" AND project_id = "p"') == ["b"]
    assert await titles('author = "bob"') == ["b"]
    assert await titles('status = "accepted"') == ["c"]
    assert await titles('status != "accepted" AND create_time > "2020-01-01T00:00:00Z"') == [
        "b",
        "a",
    ]
    for bad in ('title = "a"', 'status = "nonsense"', "author", 'user_id = "ann"'):
        with fails_with("INVALID_REQUEST", "filter"):
            await titles(bad)


async def test_what_is_in_force_is_found_by_meaning(client: Client) -> None:
    await client.in_force("Payments", "Amounts of money are decimals, never floats.")
    await client.in_force("Releases", "We deploy on Tuesdays after the tests have passed.")
    await client.add("Draft", "We deploy on Fridays.")

    assert await client.search("when do we ship software?", limit=1) == ["Releases"]
    assert await client.search("payments", limit=1) == ["Payments"], "the title counts too"
    assert await client.search("deploy", statuses=[pb.KNOWLEDGE_STATUS_DRAFT]) == ["Draft"]
    assert await client.search("deploy", kinds=[pb.KNOWLEDGE_KIND_SPEC]) == []
    assert await client.search("deploy", min_score=0.99) == []


async def test_a_search_finds_a_draft_as_it_is_now(client: Client) -> None:
    item = await client.add("Pets", "Cats are welcome in the office.")
    everything = {"statuses": [pb.KNOWLEDGE_STATUS_DRAFT], "min_score": 0.3}
    assert await client.search("salary and taxes", **everything) == []

    await client.update(item.name, title="Payroll", content="Salary and taxes are paid monthly.")

    assert await client.search("salary and taxes", **everything) == ["Payroll"]


async def test_a_search_sees_what_concerns_its_point_of_view(client: Client) -> None:
    await client.in_force("of p1", layer=PROJECT, scope={"project_id": "p1", "team_id": "t1"})
    await client.in_force("of p2", layer=PROJECT, scope={"project_id": "p2"})
    await client.in_force("of all", scope={"team_id": "t9"})

    async def titles(**scope: str) -> set[str]:
        return set(await client.search("storage", scope=scope))

    assert await titles(project_id="p1") == {"of p1", "of all"}
    assert await titles(team_id="t1", user_id="ann") == {"of p1", "of p2", "of all"}
    assert await titles(team_id="t2") == {"of p2", "of all"}
    assert await titles() == {"of p1", "of p2", "of all"}


async def test_another_tenant_sees_and_changes_nothing(client: Client) -> None:
    item = await client.in_force()
    stranger = Client(client.suite, await client.suite.create_tenant("bolt"), "bolt")
    own = await stranger.add("own")

    assert await stranger.search("storage") == []
    assert len((await stranger.page()).knowledge_items) == 1
    for attempt in (
        stranger.get(item.name),
        stranger.update(item.name, title="mine"),
        stranger.deprecate(item.name),
        stranger.history(item.name),
        stranger.link(own.name, item.name, pb.RELATION_KIND_CLARIFIES),
    ):
        with fails_with("KNOWLEDGE_ITEM_NOT_FOUND"):
            await attempt

    assert await client.get(item.name) == item


async def test_viewers_read_and_do_not_write(client: Client) -> None:
    item = await client.add()
    viewer = client.as_("vic", Role.VIEWER)

    assert await viewer.get(item.name) == item
    for attempt in (
        viewer.add(),
        viewer.update(item.name, title="x"),
        viewer.propose(item.name),
        viewer.link(item.name, item.name, pb.RELATION_KIND_CLARIFIES),
    ):
        with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
            await attempt


async def test_a_repeated_request_gets_the_first_answer(client: Client) -> None:
    request = pb.CreateKnowledgeItemRequest(knowledge_item=draft("once"), request_id=str(uuid4()))
    create = client.suite.knowledge.CreateKnowledgeItem

    answers = await asyncio.gather(*(create(request, metadata=client.metadata) for _ in range(8)))
    await client.update(answers[0].name, title="changed since")
    late = await create(request, metadata=client.metadata)

    assert all(each == answers[0] for each in [*answers, late])
    assert len((await client.page()).knowledge_items) == 1


async def test_a_request_id_serves_one_request_only(client: Client) -> None:
    item, request_id = await client.add(), str(uuid4())
    await client.propose(item.name, request_id=request_id)

    with fails_with("REQUEST_ID_REUSED"):
        await client.as_("bob").accept(item.name, request_id=request_id)

    assert (await client.get(item.name)).status == pb.KNOWLEDGE_STATUS_PROPOSED


async def test_title_and_content_are_nowhere_in_the_database(client: Client) -> None:
    secret = "xylophone-quokka-88231"
    item = await client.add(secret, f"{secret} inside")
    await client.update(item.name, content=f"{secret} again")
    await client.propose(item.name)

    async with client.suite.database.connect() as superuser:
        tables = await superuser.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname IN ('aeterna', 'control')"
        )
        for table in tables:
            for row in await superuser.fetch(f"SELECT t::text AS text FROM {table['name']} AS t"):
                assert secret not in row["text"]
                assert secret.encode().hex() not in row["text"]

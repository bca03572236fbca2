"""The client commands against a real server, in the order of a thing's life."""

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from tests.integration.cli.conftest import Folder

NOBODY = "00000000-0000-7000-8000-000000000000"


def add(served: Folder, text: str, *options: str) -> str:
    """Stores a memory of a user of its own, so that tests do not meet; returns its name."""
    name: str = served.json("memory", "add", text, "--user", str(uuid4()), *options)["name"]
    return name


def test_a_memory_is_found_by_meaning(served: Folder) -> None:
    user = str(uuid4())
    served.run("memory", "add", "We ate pasta in the garden.", "--user", user)
    served.run("memory", "add", "The deploy failed: the database was down.", "--user", user)

    found = served.json("memory", "search", "why did the release break?", "--user", user)

    assert found[0]["memory"]["content"] == "The deploy failed: the database was down."
    assert found[0]["score"] > 0


def test_what_is_not_in_memory_is_noted(served: Folder) -> None:
    user = ("--user", str(uuid4()), "--layer", "user")

    result = served.run("memory", "search", "who is on call?", *user)

    assert result.code == 0
    assert "note: probably not in memory (0.00)" in result.err


def test_a_search_is_filtered(served: Folder) -> None:
    user = ("--user", str(uuid4()))
    served.run("memory", "add", "The crane is red.", *user, "--trust", "0.2")
    served.run("memory", "add", "The crane is blue.", *user)
    trusted = ("--filter", "trust > 0.5")

    found = served.json("memory", "search", "crane", *user, *trusted)
    pursued = served.json("memory", "reason", "Which colour has the crane?", *user, *trusted)
    refused = served.run("memory", "search", "crane", *user, "--filter", "colour = red")

    for results in (found, pursued):
        assert [each["memory"]["content"] for each in results] == ["The crane is blue."]
    assert refused.code == 2
    assert "filter" in refused.err


def test_a_question_is_pursued_and_every_hop_told(served: Folder) -> None:
    user = ("--user", str(uuid4()))
    served.run("memory", "add", "Ann keeps a parrot.", *user)

    result = served.run("memory", "reason", "Where does the parrot sleep?", *user)

    assert "Ann keeps a parrot." in result.out
    first = result.err.splitlines()[0]
    assert first == 'question: "Where does the parrot sleep?": 1 new, missing: sleep'


def test_what_is_hardly_relevant_is_left_out(served: Folder) -> None:
    user = ("--user", str(uuid4()))
    served.run("memory", "add", "Ann keeps a parrot.", *user)

    for find in (("search",), ("search", "--strategy", "reasoned"), ("reason",)):
        asked = ("memory", *find, "Who keeps the parrot?", *user, "--time-limit", "10")
        if find == ("search",):
            asked = asked[:-2]
        assert len(served.json(*asked)) == 1
        assert served.json(*asked, "--min-relevance", "1") == []
    refused = served.run("memory", "search", "x", *user, "--time-limit", "31")
    assert refused.code == 2


def test_a_trace_is_replayed(served: Folder, tmp_path: Path) -> None:
    user, trace = ("--user", str(uuid4())), tmp_path / "trace"
    served.run("memory", "add", "Ann keeps a parrot that sleeps in a cage.", *user)
    served.run("memory", "add", "The cage is in the kitchen, says Bob.", *user)
    question = ("memory", "reason", "Where do the parrot of Ann and the cat of Bob sleep?", *user)

    first = served.run(*question, "--trace", str(trace))
    again = served.run(*question, "--replay", str(trace))
    trace.write_text("nothing")
    wrong = served.run(*question, "--replay", str(trace))

    asked = [[part.split(": ")[1] for part in told.err.splitlines()] for told in (first, again)]
    assert len(asked[0]) > 1
    assert asked[0] == asked[1]
    assert again.err.splitlines()[1].startswith("replay: ")
    assert first.out == again.out
    assert (wrong.code, "replay: must be a file" in wrong.err) == (2, True)


def test_a_memory_is_read_changed_and_deleted(served: Folder) -> None:
    name = add(served, "first", "--metadata", '{"source": "wiki"}', "--importance", "0.9")

    served.run("memory", "update", name, "--content", "second", "--version", "1")
    changed = served.json("memory", "get", name.removeprefix("memories/"))
    stale = served.run("memory", "update", name, "--content", "third", "--version", "1")
    gone = served.run("memory", "delete", name)
    history = served.json("memory", "history", name)

    assert (changed["content"], changed["version"]) == ("second", "2")
    assert (changed["metadata"], changed["importance"]) == ({"source": "wiki"}, 0.9)
    assert stale.code == 5
    assert stale.err.startswith("error: VERSION_MISMATCH: ")
    assert gone.out == f"{name} is deleted.\n"
    operations = [each["change"]["operation"] for each in history]
    assert operations == ["OPERATION_CREATED", "OPERATION_UPDATED", "OPERATION_DELETED"]
    assert served.run("memory", "get", name).code == 3


def test_one_field_is_changed_alone(served: Folder) -> None:
    name = add(served, "text", "--importance", "0.9")

    changed = served.json("memory", "update", name, "--importance", "0.1")

    assert (changed["content"], changed["importance"]) == ("text", 0.1)


def test_a_correction_closes_the_old_fact(served: Folder) -> None:
    old = add(served, "Ann lives in Rome.", "--source", "wiki", "--trust", "0.5")
    user = served.json("memory", "get", old)["scope"]["userId"]
    search = ("memory", "search", "Where does Ann live?", "--user", user)

    new = served.json("memory", "supersede", old, "Ann lives in Oslo.")
    closed = served.json("memory", "get", old)

    assert (closed["source"], closed["trust"]) == ("wiki", 0.5)
    assert (closed["supersededBy"], new["supersedes"]) == (new["name"], old)
    assert closed["validUntil"] == new["validFrom"]
    assert [each["memory"]["name"] for each in served.json(*search)] == [new["name"]]
    earlier = served.json(*search, "--valid-at", closed["createTime"])
    assert [each["memory"]["name"] for each in earlier] == [old]
    assert served.run("memory", "supersede", old, "Ann lives in Bonn.").code == 5
    opened = served.json("memory", "update", old, "--valid-until", "", "--trust", "0.25")
    assert ("validUntil" in opened, opened["trust"]) == (False, 0.25)


def test_people_say_how_good_a_memory_is(served: Folder) -> None:
    name = add(served, "The fox is red.")

    helped = served.json("memory", "feedback", name, "helpful")
    over = served.json("memory", "feedback", name.removeprefix("memories/"), "outdated")

    assert helped["feedback"] == {"helpful": "1"}
    assert helped["effectiveImportance"] == 0.575
    assert over["feedback"] == {"outdated": "1"}
    assert over["validUntil"] == over["updateTime"]
    assert served.run("memory", "feedback", name, "nonsense").code == 2
    assert served.run("memory", "feedback", NOBODY, "helpful").code == 3


def test_a_memory_is_promoted(served: Folder) -> None:
    name = add(served, "Check the timeout first.")

    promoted = served.json("memory", "promote", name, "--layer", "team", "--team", "payments")

    assert promoted["layer"] == "LAYER_TEAM"
    assert promoted["scope"]["teamId"] == "payments"


def test_a_promotion_tells_what_it_took_out(served: Folder) -> None:
    name = add(served, "Ask lena@example.com.")
    target = ("memory", "promote", name, "--layer", "company")

    tried = served.run(*target, "--dry-run", "--output", "json")
    as_it_is = served.json(*target, "--dry-run", "--no-redaction")
    promoted = served.json(*target)

    assert "redacted email" in tried.err
    assert tried.json["content"] == "Ask [email]."
    assert as_it_is["content"] == "Ask lena@example.com."
    assert (promoted["content"], promoted["redacted"]) == ("Ask [email].", ["email"])
    assert promoted["version"] == "2"


def test_a_request_id_stores_once(served: Folder) -> None:
    request = ("--user", str(uuid4()), "--request-id", str(uuid4()))

    first, again = (served.json("memory", "add", "once", *request) for _ in range(2))

    assert first == again


def test_standard_input_is_content(served: Folder) -> None:
    result = served.run(
        "memory", "add", "-", "--layer", "company", "--output", "json", text="two\nlines\n"
    )

    assert result.json["content"] == "two\nlines"


def test_lists_go_over_pages_up_to_the_limit(served: Folder) -> None:
    team = str(uuid4())
    for number in range(3):
        served.run("memory", "add", f"{number}", "--layer", "team", "--team", team)
    listing = ("memory", "list", "--filter", f'team_id = "{team}"')

    assert [each["content"] for each in served.json(*listing)] == ["2", "1", "0"]
    assert [each["content"] for each in served.json(*listing, "--limit", "2")] == ["2", "1"]


def test_tables_show_what_is_there(served: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    name = add(served, "A fact\nover two lines")
    monkeypatch.setenv("COLUMNS", "300")

    shown = served.run("memory", "list").out

    assert name in shown
    assert "A fact over two lines" in shown


def test_a_narrow_table_still_shows_names_whole(
    served: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = add(served, "A fact that is much too long for a narrow terminal, whatever is done")
    monkeypatch.setenv("COLUMNS", "80")

    assert name in served.run("memory", "list").out


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("memory", "get", NOBODY), 3, "MEMORY_NOT_FOUND"),
        (("memory", "add", "x", "--layer", "session"), 2, "memory.scope.session_id"),
        (("memory", "add", "x", "--metadata", "[]"), 2, "metadata: must be a JSON object"),
        (("memory", "list", "--filter", "x = 1"), 2, "INVALID_REQUEST: filter: "),
        (("memory", "list", "--token", "abc"), 4, "TOKEN_INVALID"),
        (("memory", "list", "--server", "127.0.0.1:1"), 6, "aeterna serve all"),
        (("changes", "--server", "127.0.0.1:1"), 6, "aeterna serve all"),
        (("memory", "list", "--server", "nonsense"), 2, "server: must be HOST:PORT"),
        (("memory", "list", "--tenant", "unknown"), 3, "TENANT_NOT_FOUND"),
        (("memory", "list", "--tenant", "Not a label"), 2, "INVALID_REQUEST: tenant: "),
        (("memory", "list", "--tls-ca", "/nowhere"), 5, "TLS_UNUSABLE"),
        (("tenant", "create", "acme"), 5, "TENANT_ALREADY_EXISTS"),
        (("tenant", "suspend", "nobody"), 3, "TENANT_NOT_FOUND"),
        (("knowledge", "accept", NOBODY), 3, "KNOWLEDGE_ITEM_NOT_FOUND"),
        (("token", "--lifetime", "3d"), 2, "lifetime: "),
        (("token", "--role", "king"), 2, "role: must be one of viewer"),
    ],
)
def test_refusals_have_a_code_and_a_line(
    served: Folder, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    result = served.run(*arguments)

    assert (result.code, result.out) == (code, "")
    assert result.err.count("\n") == 1
    assert reason in result.err


def test_a_tenant_has_to_be_named(served: Folder) -> None:
    result = served.run("memory", "list", AETERNA_TENANT="")

    assert result.code == 2
    assert "--tenant" in result.err


def test_options_go_before_a_command_as_well(served: Folder) -> None:
    name = add(served, "fact")

    before = served.run("--output", "json", "memory", "get", name)

    assert before.json == served.json("memory", "get", name)


def test_an_option_beats_the_variable(served: Folder) -> None:
    result = served.run("--tenant", "acme", "memory", "list", AETERNA_TENANT="unknown")

    assert result.code == 0


def test_a_token_stands_for_its_subject_and_roles(served: Folder) -> None:
    minted = served.run("token", "--subject", "bob", "--role", "viewer", "--agent", "helper")
    environment = {"AETERNA_TOKEN": minted.out.strip()}

    assert served.run("memory", "list", **environment).code == 0
    refused = served.run("memory", "add", "x", "--layer", "company", **environment)
    foreign = served.run("memory", "list", "--tenant", "other", **environment)

    assert (refused.code, foreign.code) == (4, 4)
    assert "PERMISSION_DENIED" in refused.err
    assert "FOREIGN_TENANT" in foreign.err


def test_without_an_issuer_a_token_is_asked_for(served: Folder, fresh_folder: Folder) -> None:
    addresses = json.loads((served.path / "endpoints.json").read_text())
    server = ",".join(f"{name}={address}" for name, address in addresses.items())

    result = fresh_folder.run("memory", "list", "--server", server)

    assert result.code == 4
    assert "AETERNA_TOKEN" in result.err


def test_a_tenant_is_suspended_and_resumed(served: Folder) -> None:
    label = f"t-{uuid4()}"
    own = {"AETERNA_TENANT": label}
    served.run("tenant", "create", label, "--name", "Some Company")

    suspended = served.json("tenant", "suspend", label)
    refused = served.run("memory", "add", "x", "--layer", "company", **own)
    resumed = served.json("tenant", "resume", label)

    assert suspended["state"] == "TENANT_STATE_SUSPENDED"
    assert refused.code == 5
    assert "TENANT_SUSPENDED" in refused.err
    assert resumed == served.json("tenant", "get", label)
    assert served.run("memory", "add", "x", "--layer", "company", **own).code == 0
    assert f"tenants/{label}" in [each["name"] for each in served.json("tenant", "list")]


def test_a_decision_is_drafted_reviewed_and_found(served: Folder) -> None:
    create = ("knowledge", "create", "Pools are small", "At most 24 connections.", "--kind", "adr")
    name = served.json(*create)["name"]
    served.run("knowledge", "update", name, "--content", "At most 24 connections per pod.")
    served.run("knowledge", "propose", name)
    own = served.run("knowledge", "accept", name)
    accepted = served.json("knowledge", "accept", name, AETERNA_AS="bob")
    found = served.json("knowledge", "search", "how many connections may a pod have?")
    versions = served.json("knowledge", "history", name)

    assert own.code == 4
    assert "SELF_REVIEW" in own.err
    assert accepted["status"] == "KNOWLEDGE_STATUS_ACCEPTED"
    assert name in [each["knowledgeItem"]["name"] for each in found]
    assert [each["knowledgeItem"]["version"] for each in versions] == ["1", "2", "3", "4"]
    assert served.json("knowledge", "deprecate", name)["status"] == "KNOWLEDGE_STATUS_DEPRECATED"


def test_a_proposal_is_rejected(served: Folder) -> None:
    name = served.json("knowledge", "create", "No", "Because.", "--kind", "policy")["name"]
    served.run("knowledge", "propose", name)

    rejected = served.json("knowledge", "reject", name, AETERNA_AS="bob")

    assert rejected == served.json("knowledge", "get", name)
    assert rejected["status"] == "KNOWLEDGE_STATUS_REJECTED"
    rejected_ones = served.json("knowledge", "list", "--filter", 'status = "rejected"')
    assert name in [each["name"] for each in rejected_ones]


def test_items_are_related(served: Folder) -> None:
    first, second = (
        served.json("knowledge", "create", title, "Text.", "--kind", "spec")["name"]
        for title in ("one", "two")
    )

    link = served.json("knowledge", "relate", first, second, "--kind", "clarifies")

    assert served.json("knowledge", "relations", second) == [link]
    assert served.run("knowledge", "unrelate", link["name"]).code == 0
    assert served.json("knowledge", "relations", second) == []


def test_the_audit_trail_is_read_extended_and_verified(served: Folder) -> None:
    subject = str(uuid4())

    served.run("audit", "record", "export.started", "--subject", subject)
    entries = served.json("audit", "list", "--filter", f'subject = "{subject}"')
    verdict = served.json("audit", "verify")

    assert [each["event"] for each in entries] == ["export.started"]
    assert entries[0]["change"]["actor"] == "user:ann"
    assert len(entries[0]["change"]["traceId"]) == 32
    assert verdict["intact"] is True
    assert int(verdict["checked"]) >= int(entries[0]["change"]["number"])


def test_an_altered_trail_ends_with_1(served: Folder) -> None:
    served.run("tenant", "create", "altered")
    for event in ("one", "two", "three"):
        served.run("audit", "record", event, "--tenant", "altered")
    asyncio.run(alter(served, "altered"))

    result = served.run("audit", "verify", "--tenant", "altered", "--output", "json")

    assert result.code == 1
    assert json.loads(result.out)["brokenAt"] == "3"


async def alter(served: Folder, tenant: str) -> None:
    """As only a superuser can."""
    connection = await asyncpg.connect(served.dsn(), user="postgres")
    try:
        await connection.execute(
            "UPDATE aeterna.change SET event = 'zwei' WHERE tenant_id = $1 AND number = 3", tenant
        )
    finally:
        await connection.close()


def test_settings_are_shown_and_changed(served: Folder) -> None:
    user = str(uuid4())
    served.run("memory", "add", "A fox.", "--user", user)
    set_ = ("memory", "settings", "set", "--default-search-strategy")

    changed = served.json(*set_, "lexical")
    shown = served.json("memory", "settings", "get")
    (found,) = served.json("memory", "search", "fox", "--user", user, "--explain")
    stale = served.run(*set_, "semantic", "--version", "1")
    served.json(*set_, "unspecified")

    assert changed == shown
    assert shown["defaultSearchStrategy"] == "SEARCH_STRATEGY_LEXICAL"
    assert [signal["name"] for signal in found["signals"]] == ["lexical"]
    assert (stale.code, "VERSION_MISMATCH" in stale.err) == (5, True)


def test_a_setting_goes_back_to_its_default(served: Folder) -> None:
    set_ = ("memory", "settings", "set")
    unset = ("--default", "warm-below", "--default", "semantic-cache", "--default", "decay-rate")
    served.json(*set_, "--warm-below", "0.2", "--no-semantic-cache", "--decay-rate", "user=0")

    both = served.run(*set_, "--warm-below", "0.3", "--default", "warm-below")
    shown = served.json(*set_, *unset)

    assert both.code == 2
    assert "default: warm-below is given a value as well" in both.err
    assert not {"warmBelow", "semanticCache", "decayRates"} & shown.keys()
    assert shown == served.json("memory", "settings", "get")


def test_near_duplicates_are_told_of_and_counted(served: Folder) -> None:
    add = ("memory", "add", "Bob's cat is called Findus.", "--user", str(uuid4()))
    set_ = ("memory", "settings", "set", "--near-duplicates")
    served.json(*set_, "report")
    first = served.json(*add)["name"]
    told = served.run(*add)
    changed = served.json(*set_, "merge")
    counted = served.run(*add)
    served.json(*set_, "unspecified")

    assert f"{first} says nearly the same (1.00)" in told.err
    assert changed["nearDuplicates"] == "NEAR_DUPLICATE_POLICY_MERGE"
    assert "note: said 2 times, counted in memories/" in counted.err


def test_how_embeddings_are_cached_is_set_and_what_is_cached_is_invalidated(served: Folder) -> None:
    set_ = ("memory", "settings", "set")

    bounded = served.json(*set_, "--semantic-cache-error-bound", "0.02")
    off = served.json(*set_, "--no-semantic-cache")
    wrong = served.run(*set_, "--semantic-cache-error-bound", "2")
    answer = served.json("memory", "invalidate-embeddings", "--user", "ann", "--model", "m")
    entries = served.json("audit", "list", "--filter", 'resource = "embeddings"')

    assert bounded["semanticCacheErrorBound"] == 0.02
    assert (off["semanticCache"], off["semanticCacheErrorBound"]) == (False, 0.02)
    assert wrong.code == 2
    changes = [entry["change"] for entry in entries]
    assert [each["subject"] for each in changes] == ["ann"]
    assert [each["number"] for each in changes] == [answer["changeNumber"]]


def test_indexes_are_made_anew_and_the_operation_is_shown(served: Folder) -> None:
    add(served, "A fox.")

    ended = served.json("memory", "reindex")
    shown = served.json("operations", "get", ended["name"].removeprefix("operations/"))
    listed = served.run("operations", "list", "--filter", 'kind = "ReindexMemories"').out
    waited = served.json("operations", "wait", ended["name"])
    cancelled = served.run("operations", "cancel", ended["name"])
    gone = served.run("operations", "delete", ended["name"])

    assert ended["done"]
    assert int(ended["response"]["memories"]) >= 1
    assert shown == waited == ended
    assert ended["name"] in listed
    assert "succeeded" in listed
    assert cancelled.code == 0
    assert gone.out == f"{ended['name']} is deleted.\n"
    assert served.run("operations", "get", ended["name"]).code == 3


def test_memories_fade_are_moved_restored_and_pruned(served: Folder) -> None:
    name, user = add(served, "A dull fox.", "--importance", "0.05"), str(uuid4())
    old = ("--valid-from", "2020-01-01T00:00:00Z", "--valid-until", "2021-01-01T00:00:00Z")
    untrue = served.json("memory", "add", "An old fox.", "--user", user, *old)["name"]

    dry = served.json("memory", "optimize", "--dry-run")
    before = served.json("memory", "get", name)
    moved = served.json("memory", "optimize")
    warm = served.run("memory", "list", "--filter", 'tier = "warm"').out
    restored = served.json("memory", "restore", name.removeprefix("memories/"))
    would = served.json("memory", "prune", "--invalid-for", "30d", "--dry-run")
    kept = served.run("memory", "get", untrue).code
    pruned = served.json("memory", "prune", "--invalid-for", "30d", "--archived-for", "1d")

    assert dry["response"]["warm"] == moved["response"]["warm"]
    assert (before["tier"], restored["tier"]) == ("TIER_HOT", "TIER_HOT")
    assert name in warm
    assert "  warm  " in warm
    assert would["response"]["memories"] == pruned["response"]["memories"]
    assert (kept, served.run("memory", "get", untrue).code) == (0, 3)
    assert served.run("memory", "prune").code == 2
    assert served.run("memory", "prune", "--invalid-for", "soon").code == 2
    assert served.json("memory", "optimize", "--no-wait")["name"].startswith("operations/")


def test_the_pace_of_fading_is_a_setting(served: Folder) -> None:
    set_ = ("memory", "settings", "set")

    rates = ("--decay-rate", "user=0.5", "--decay-rate", "org=0")
    changed = served.json(*set_, *rates, "--warm-below", "0.2", "--archived-below", "0.1")
    back = served.json(*set_, "--decay-rate", "default", "--warm-below", "0.1")

    assert changed["decayRates"] == {"user": 0.5, "org": 0.0}
    assert (changed["warmBelow"], changed["archivedBelow"]) == (0.2, 0.1)
    assert "decayRates" not in back
    assert served.run(*set_, "--decay-rate", "user").code == 2
    assert served.run(*set_, "--decay-rate", "galaxy=1").code == 2
    served.run(*set_, "--archived-below", "0.01")


def test_an_operation_can_be_left_alone_and_followed_later(served: Folder) -> None:
    begun = served.json("memory", "reindex", "--no-wait")

    assert served.json("operations", "wait", begun["name"])["done"]


def test_a_search_takes_a_policy_or_a_budget_and_says_what_it_used(served: Folder) -> None:
    add(served, "A fox.")
    search = ("memory", "search", "fox", "--explain", "--strategy", "semantic")

    fast = served.run(*search, "--policy", "fast")
    budget = served.run(*search, "--policy", "adaptive", "--latency-budget", "30")
    missing = served.run(*search, "--policy", "adaptive")

    assert "policy fast: found by 256 dimensions" in fast.err
    assert "note: policy " in budget.err
    assert (missing.code, "latency_budget" in missing.err) == (2, True)


def test_shorter_vectors_are_asked_for_and_their_making_is_followed(served: Folder) -> None:
    add(served, "A fox.")
    set_ = ("memory", "settings", "set", "--index-dimensions")

    untrained = served.run(*set_, "100")
    changed = served.json(*set_, "64")
    listed = served.json("operations", "list", "--filter", 'kind = "ChangeIndexDimensions"')

    assert "EMBEDDING_LENGTH_UNTRAINED" in untrained.err
    assert (changed["indexDimensions"], changed["searchedDimensions"]) == (64, 256)
    assert listed[0]["metadata"]["kind"] == "ChangeIndexDimensions"

"""Budgets through their RPCs, and the calls of our own services that obey them."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from aeterna.governance.v1 import budgets_pb2 as pb
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from libs.auth import Role
from tests.errors import fails_with, status_of
from tests.eventually import eventually
from tests.fakes.embeddings_server import Server
from tests.integration.costs.support import MODEL, Spender, amount, money
from tests.suite import Suite

BLOCK = pb.BUDGET_ACTION_BLOCK


async def test_what_is_spent_and_reserved_never_exceeds_the_limit(acme: Spender) -> None:
    await acme.create_budget("all", "10", action=BLOCK)

    outcomes = await asyncio.gather(*(acme.reserve("3") for _ in range(20)), return_exceptions=True)
    granted = [each for each in outcomes if isinstance(each, pb.Reservation)]

    assert len(granted) == 3
    budget = await acme.budget("all")
    assert (amount(budget.reserved), amount(budget.spent)) == (9, 0)
    await acme.settle(granted[0].name, "2.5")
    await acme.release(granted[1].name)
    budget = await acme.budget("all")
    assert (amount(budget.reserved), amount(budget.spent)) == (3, Decimal("2.5"))
    with fails_with("BUDGET_EXCEEDED", code=grpc.StatusCode.RESOURCE_EXHAUSTED):
        await acme.reserve("4.500000001")
    await acme.reserve("4.5")


async def test_a_repeat_gets_the_same_answer(acme: Spender) -> None:
    await acme.create_budget("all", "10", action=BLOCK)
    request_id = str(uuid4())

    first = await acme.reserve("6", request_id=request_id)
    assert await acme.reserve("6", request_id=request_id) == first
    assert first.name == f"reservations/{request_id}"
    with fails_with("REQUEST_ID_REUSED"):
        await acme.reserve("5", request_id=request_id)
    settled = await acme.settle(first.name, "4")
    assert await acme.settle(first.name, "4") == settled
    assert settled.state == pb.RESERVATION_STATE_SETTLED
    with fails_with("RESERVATION_ENDED"):
        await acme.settle(first.name, "3")
    with fails_with("RESERVATION_ENDED"):
        await acme.release(first.name)
    assert amount((await acme.budget("all")).spent) == 4


async def test_no_more_is_settled_than_was_reserved(acme: Spender) -> None:
    await acme.create_budget("all", "10", action=BLOCK)
    reserved = await acme.reserve("1")

    with fails_with("SETTLEMENT_ABOVE_RESERVATION"):
        await acme.settle(reserved.name, "1.01")
    with fails_with("RESERVATION_NOT_FOUND"):
        await acme.settle(f"reservations/{uuid4()}", "1")
    budget = await acme.budget("all")
    assert (amount(budget.reserved), amount(budget.spent)) == (1, 0)


async def test_a_lease_ends_by_itself(acme: Spender) -> None:
    await acme.create_budget("all", "10", action=BLOCK)
    lost = await acme.reserve("8", lease=Duration(seconds=1))

    async def free() -> bool:
        try:
            await acme.reserve("10", lease=Duration(seconds=30))
        except grpc.aio.AioRpcError:
            return False
        return True

    await eventually(free)
    with fails_with("RESERVATION_EXPIRED", code=grpc.StatusCode.FAILED_PRECONDITION):
        await acme.settle(lost.name, "8")
    assert (await acme.release(lost.name)).state == pb.RESERVATION_STATE_EXPIRED
    budget = await acme.budget("all")
    assert (amount(budget.reserved), amount(budget.spent)) == (10, 0)


async def test_thresholds_are_told_of_once_and_in_order(acme: Spender) -> None:
    await acme.create_budget("all", "10", action=BLOCK, threshold_percents=[50, 80, 100])

    for units in ("4", "2", "1", "3"):
        await acme.spend(units)

    raised = await acme.alerts('kind = "budget.threshold"')
    percents = [each.facts["percent"] for each in reversed(raised)]
    assert percents == [50, 80, 100]
    assert {each.resource for each in raised} == {"budgets/all"}
    logged = await acme.log('operation = "recorded"')
    assert [each.event for each in logged] == ["budget.threshold"] * 3
    assert [each.change.resource for each in logged] == [each.name for each in reversed(raised)]
    with fails_with("BUDGET_EXCEEDED"):
        await acme.reserve("0.000000001")
    with fails_with("BUDGET_EXCEEDED"):
        await acme.reserve("1")
    assert len(await acme.alerts('kind = "budget.blocked"')) == 1
    assert (await acme.budget("all")).reached_percent == 100


async def test_each_budget_counts_what_it_is_for(acme: Spender) -> None:
    await acme.create_budget("web", "10", team_id="web", action=BLOCK)
    await acme.create_budget("shop", "5", team_id="web", project_id="shop", action=BLOCK)
    await acme.create_budget("large", "1", model="large")

    shop = await acme.reserve("4", team_id="web", project_id="shop", model="large")
    other = await acme.reserve("5", team_id="web", project_id="blog")
    await acme.reserve("100", team_id="data")

    assert list(shop.budgets) == ["budgets/large", "budgets/shop", "budgets/web"]
    assert list(other.budgets) == ["budgets/web"]
    with fails_with("BUDGET_EXCEEDED"):
        await acme.reserve("2", team_id="web", project_id="shop")
    await acme.reserve("1", team_id="web", project_id="shop")


async def test_a_throttling_budget_lets_few_calls_through_once_it_is_spent(acme: Spender) -> None:
    await acme.create_budget("all", "1", action=pb.BUDGET_ACTION_THROTTLE, calls_per_minute=6)
    await acme.spend("2")

    await acme.spend("1")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await acme.reserve("1")

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    (info,) = (
        each
        for each in status_of(refused.value).details
        if each.Is(error_details_pb2.RetryInfo.DESCRIPTOR)
    )
    retry = error_details_pb2.RetryInfo()
    info.Unpack(retry)
    assert 5 <= retry.retry_delay.seconds <= 10


@pytest.mark.parametrize(
    ("field", "limit", "values"),
    [
        ("budget.limit", "0", {}),
        ("budget.window", "1", {"window": Duration(seconds=3600)}),
        ("budget.window", "1", {"period": pb.BUDGET_PERIOD_ROLLING}),
        (
            "budget.window",
            "1",
            {"period": pb.BUDGET_PERIOD_ROLLING, "window": Duration(seconds=3601)},
        ),
        ("budget.threshold_percents[0]", "1", {"threshold_percents": [0]}),
    ],
)
async def test_what_is_wrong_with_a_budget_is_said(
    acme: Spender, field: str, limit: str, values: dict[str, Any]
) -> None:
    with fails_with("INVALID_REQUEST", field):
        await acme.create_budget("all", limit, **values)
    with fails_with("BUDGET_NOT_FOUND"):
        await acme.budget("all")


async def test_money_of_another_currency_is_refused(acme: Spender) -> None:
    request = pb.ReserveBudgetRequest(amount=money("1", "EUR"))
    with fails_with("INVALID_REQUEST", "amount.currency_code"):
        await acme.suite.budgets.ReserveBudget(request, metadata=acme.metadata)


async def test_budgets_are_changed_listed_and_deleted(acme: Spender, paying: Suite) -> None:
    for label in ("b", "a", "c"):
        await acme.create_budget(label, "10")
    with fails_with("BUDGET_ALREADY_EXISTS"):
        await acme.create_budget("a", "1")
    update = pb.UpdateBudgetRequest(
        budget=pb.Budget(name="budgets/a", limit=money("20"), action=BLOCK, version=1)
    )
    changed = await paying.budgets.UpdateBudget(update, metadata=acme.metadata)
    assert (amount(changed.limit), changed.action, changed.version) == (20, BLOCK, 2)
    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await paying.budgets.UpdateBudget(update, metadata=acme.metadata)
    delete = pb.DeleteBudgetRequest(name="budgets/b")
    await paying.budgets.DeleteBudget(delete, metadata=acme.metadata)
    page = await paying.budgets.ListBudgets(
        pb.ListBudgetsRequest(page_size=1), metadata=acme.metadata
    )
    assert [each.name for each in page.budgets] == ["budgets/a"]
    page = await paying.budgets.ListBudgets(
        pb.ListBudgetsRequest(page_token=page.next_page_token), metadata=acme.metadata
    )
    assert [each.name for each in page.budgets] == ["budgets/c"]
    viewer = paying.auth("acme", "vic", (Role.DEVELOPER,))
    with fails_with("PERMISSION_DENIED"):
        await paying.budgets.DeleteBudget(pb.DeleteBudgetRequest(name="budgets/c"), metadata=viewer)


async def test_a_deleted_budget_does_not_disturb_what_was_reserved(
    acme: Spender, paying: Suite
) -> None:
    await acme.create_budget("one", "10", action=BLOCK)
    await acme.create_budget("two", "10", action=BLOCK)
    reserved = await acme.reserve("5")
    delete = pb.DeleteBudgetRequest(name="budgets/one")
    await paying.budgets.DeleteBudget(delete, metadata=acme.metadata)
    await acme.create_budget("one", "10", action=BLOCK)

    await acme.settle(reserved.name, "5")

    budget = await acme.budget("two")
    assert (amount(budget.spent), amount(budget.reserved)) == (5, 0)
    assert amount((await acme.budget("one")).reserved) == 0


async def test_our_own_calls_obey_before_the_provider_is_asked(
    acme: Spender, provider: Server
) -> None:
    await acme.remember("the first text was paid for")
    await acme.create_budget("embeddings", "0.000000001", model=MODEL, action=BLOCK)
    asked = len(provider.requests)

    with fails_with("BUDGET_EXCEEDED", code=grpc.StatusCode.RESOURCE_EXHAUSTED):
        await acme.remember("another text that cannot be paid for")
    search = memory_pb2.SearchMemoriesRequest(query="which text was first")
    found = await acme.suite.memory.SearchMemories(search, metadata=acme.metadata)

    assert len(provider.requests) == asked
    assert [each.memory.content for each in found.results] == ["the first text was paid for"]
    assert list(found.missing_signals) == ["semantic"]
    query = knowledge_pb2.SearchKnowledgeItemsRequest(query="anything new")
    with fails_with("BUDGET_EXCEEDED"):
        await acme.suite.knowledge.SearchKnowledgeItems(query, metadata=acme.metadata)


async def test_our_own_calls_are_counted_to_the_token(acme: Spender) -> None:
    await acme.create_budget("embeddings", "1", model=MODEL, action=BLOCK)

    for text in ("one two three", "four five six seven", "eight"):
        await acme.remember(text, project="shop")

    assert amount((await acme.budget("embeddings")).spent) == Decimal("0.00000016")
    (cost,) = await acme.costs(group_by=[2, 3, 6], filter='kind = "embedding_tokens"')
    assert (cost.quantity, cost.model, cost.project_id) == ("8", MODEL, "shop")
    assert amount(cost.cost) == Decimal("0.00000016")

    async def given_back() -> bool:
        return bool(amount((await acme.budget("embeddings")).reserved) == 0)

    await eventually(given_back)


async def test_what_was_spent_before_a_budget_counts(acme: Spender) -> None:
    await acme.remember("one two three four five")

    async def counted() -> bool:
        return bool(await acme.costs(filter='kind = "embedding_tokens"'))

    await eventually(counted)
    budget = await acme.create_budget("late", "0.0000001", project_id="p")

    assert amount(budget.spent) == Decimal("0.0000001")
    assert budget.reached_percent == 100
    assert len(await acme.alerts('kind = "budget.threshold"')) == 3

import asyncio
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.embedding import Embedded, Purpose, Text, Vectors
from libs.embedding.batching import BatchingEmbedder, Payment, open_batching
from libs.embedding.errors import EmbedderUnavailable, TextRefused
from libs.usage import Attribution, Payer
from libs.usage.errors import BudgetExceeded
from tests.unit.encryption.support import make_route

ACME, UMBRELLA = make_route("acme"), make_route("umbrella")


class SteppedEmbedder:
    """A `RemoteEmbedder` whose calls each wait to be let through; knows a text by its bytes."""

    identity, dimensions, prefixes = "stepped/2", 2, ()

    def __init__(self, *, open_: bool = False) -> None:
        self.calls: list[list[str]] = []
        self.in_flight: Counter[str] = Counter()
        self.repeated = False
        self.arrived = asyncio.Semaphore(0)
        self.gate = asyncio.Semaphore(10_000 if open_ else 0)

    async def embed(self, texts: Sequence[str]) -> Embedded:
        self.calls.append(list(texts))
        self.in_flight.update(texts)
        self.repeated |= max(self.in_flight.values()) > 1
        self.arrived.release()
        await self.gate.acquire()
        self.in_flight.subtract(texts)
        if "refused" in texts:
            raise TextRefused(self.identity, 400)
        if "broken" in texts:
            raise EmbedderUnavailable(self.identity, "broken")
        return Embedded(expected(texts), [len(text) for text in texts], estimated=False)


async def ask(embedder: BatchingEmbedder, texts: Sequence[str]) -> Vectors:
    return (await embedder.embed(ACME, Purpose.QUERY, [Text(text) for text in texts])).vectors


def expected(texts: Sequence[str]) -> Vectors:
    pairs = [(len(text), sum(text.encode())) for text in texts]
    return np.array(pairs, np.float32).reshape(len(texts), 2)


async def settled() -> None:
    """Let every task run until it waits for something outside."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_texts_that_arrive_during_a_call_form_the_next() -> None:
    inner = SteppedEmbedder()
    async with open_batching(inner, calls=1) as embedder, asyncio.TaskGroup() as group:
        group.create_task(ask(embedder, ["a"]))
        await inner.arrived.acquire()
        for text in "bcd":
            group.create_task(ask(embedder, [text]))
        await settled()
        assert inner.calls == [["a"]]
        inner.gate.release()
        inner.gate.release()

    assert inner.calls == [["a"], ["b", "c", "d"]]


async def test_equal_texts_are_asked_for_once_while_in_flight() -> None:
    inner = SteppedEmbedder()
    async with open_batching(inner) as embedder, asyncio.TaskGroup() as group:
        first = group.create_task(ask(embedder, ["a"]))
        await inner.arrived.acquire()
        second = group.create_task(ask(embedder, ["a", "a"]))
        await settled()
        inner.gate.release()

    assert inner.calls == [["a"]]
    np.testing.assert_array_equal(first.result(), expected(["a"]))
    np.testing.assert_array_equal(second.result(), expected(["a", "a"]))


async def test_each_waiter_owns_its_vectors() -> None:
    async with open_batching(SteppedEmbedder(open_=True)) as embedder:
        one, other = await asyncio.gather(ask(embedder, ["a"]), ask(embedder, ["a"]))
    one[:] = 0

    assert other.any()


requests = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=8)


@given(requests, st.integers(1, 5), st.integers(1, 3), st.sets(st.integers(0, 7)))
def test_all_who_stay_are_answered_whoever_leaves(
    texts: list[list[str]], max_batch: int, calls: int, leavers: set[int]
) -> None:
    async def scenario() -> SteppedEmbedder:
        inner = SteppedEmbedder()
        async with open_batching(inner, max_batch=max_batch, calls=calls) as embedder:
            tasks = [asyncio.create_task(ask(embedder, each)) for each in texts]
            await settled()
            for place in leavers & set(range(len(tasks))):
                tasks[place].cancel()
            for _ in range(100):
                inner.gate.release()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        for place, (asked, answer) in enumerate(zip(texts, answers, strict=True)):
            if place not in leavers:
                assert not isinstance(answer, BaseException)
                np.testing.assert_array_equal(answer, expected(asked))
        return inner

    inner = asyncio.run(scenario())
    assert all(len(call) <= max_batch for call in inner.calls)
    assert not inner.repeated


async def test_a_text_nobody_waits_for_any_more_is_not_sent() -> None:
    inner = SteppedEmbedder()
    async with open_batching(inner, calls=1) as embedder, asyncio.TaskGroup() as group:
        group.create_task(ask(embedder, ["a"]))
        await inner.arrived.acquire()
        leaver = group.create_task(ask(embedder, ["b"]))
        await settled()
        leaver.cancel()
        group.create_task(ask(embedder, ["c"]))
        await settled()
        inner.gate.release()
        inner.gate.release()

    assert inner.calls == [["a"], ["c"]]


async def test_one_refused_text_does_not_fail_the_others() -> None:
    inner = SteppedEmbedder(open_=True)
    async with open_batching(inner, calls=1) as embedder:
        texts = [["a"], ["refused"], ["b", "c"], ["d"]]
        answers = await asyncio.gather(
            *(ask(embedder, each) for each in texts), return_exceptions=True
        )

    assert isinstance(answers[1], TextRefused)
    for place in (0, 2, 3):
        np.testing.assert_array_equal(answers[place], expected(texts[place]))


async def test_a_failed_call_fails_its_callers_and_not_the_next() -> None:
    async with open_batching(SteppedEmbedder(open_=True)) as embedder:
        with pytest.raises(EmbedderUnavailable, match="broken"):
            await ask(embedder, ["broken"])
        np.testing.assert_array_equal(await ask(embedder, ["a"]), expected(["a"]))


async def test_an_embedder_that_breaks_its_promise_hangs_nobody() -> None:
    class Forgetful(SteppedEmbedder):
        async def embed(self, texts: Sequence[str]) -> Embedded:
            vectors, tokens, estimated = await super().embed(texts)
            return Embedded(vectors[1:], tokens[1:], estimated)

    async with open_batching(Forgetful(open_=True)) as embedder:
        for _ in range(3):
            with pytest.raises(ValueError, match="shorter"):
                await ask(embedder, ["a", "b"])


async def test_closing_refuses_those_who_wait_and_those_to_come() -> None:
    async def wait_during_close() -> tuple[BatchingEmbedder, asyncio.Task[Vectors]]:
        inner = SteppedEmbedder()
        async with open_batching(inner, max_batch=1) as embedder:
            task = asyncio.create_task(ask(embedder, ["a", "b", "c"]))
            await inner.arrived.acquire()
        return embedder, task

    embedder, task = await wait_during_close()
    with pytest.raises(EmbedderUnavailable, match="shutting down"):
        await task
    with pytest.raises(EmbedderUnavailable, match="shutting down"):
        await ask(embedder, ["d"])


async def test_no_texts_need_no_call() -> None:
    inner = SteppedEmbedder()
    async with open_batching(inner) as embedder:
        vectors = await ask(embedder, [])

    assert vectors.shape == (0, 2)
    assert inner.calls == []
    assert embedder.identity == inner.identity


class Till:
    """`Payments` that lets all but one payer through, and remembers what was paid."""

    def __init__(self, refused: Payer | None = None) -> None:
        self.refused = refused
        self.paid: list[tuple[Payer, Purpose, list[int]]] = []
        self.void = 0

    async def admit(self, payer: Payer, purpose: Purpose, texts: Sequence[str]) -> Payment:
        if payer == self.refused:
            raise BudgetExceeded("b", "1", "1", "0")
        return Bill(self, payer, purpose)


class Bill:
    """`Payment` that is noted."""

    def __init__(self, till: Till, payer: Payer, purpose: Purpose) -> None:
        self.till, self.payer, self.purpose = till, payer, purpose

    async def settle(self, tokens: Sequence[int], *, estimated: bool) -> None:
        self.till.paid.append((self.payer, self.purpose, list(tokens)))

    async def void(self) -> None:
        self.till.void += 1


async def test_equal_texts_of_two_payers_are_paid_for_by_each() -> None:
    inner, till = SteppedEmbedder(open_=True), Till()
    web = Attribution("acme", "web", "shop")
    async with open_batching(inner, till, calls=1) as embedder:
        await asyncio.gather(
            embedder.embed(ACME, Purpose.QUERY, [Text("aa"), Text("b")]),
            embedder.embed(UMBRELLA, Purpose.QUERY, [Text("aa")]),
            embedder.embed(ACME, Purpose.QUERY, [Text("aa", "", web)]),
            embedder.embed(ACME, Purpose.DOCUMENT, [Text("ccc")]),
        )

    assert sorted(inner.calls[0]) == ["aa", "aa", "aa", "b", "ccc"]
    assert sorted(till.paid, key=str) == sorted(
        [
            (Payer(ACME), Purpose.QUERY, [2, 1]),
            (Payer(UMBRELLA), Purpose.QUERY, [2]),
            (Payer(ACME, web), Purpose.QUERY, [2]),
            (Payer(ACME), Purpose.DOCUMENT, [3]),
        ],
        key=str,
    )
    assert till.void == 0


async def test_a_call_is_paid_for_though_everyone_has_left() -> None:
    inner, till = SteppedEmbedder(), Till()
    async with open_batching(inner, till, calls=1) as embedder:
        leaver = asyncio.create_task(ask(embedder, ["abc"]))
        await inner.arrived.acquire()
        leaver.cancel()
        inner.gate.release()
        await settled()

    assert till.paid == [(Payer(ACME), Purpose.QUERY, [3])]


async def test_who_may_not_spend_is_not_sent_and_holds_up_nobody() -> None:
    inner, till = SteppedEmbedder(open_=True), Till(refused=Payer(ACME))
    async with open_batching(inner, till, calls=1) as embedder:
        refused, served = await asyncio.gather(
            embedder.embed(ACME, Purpose.QUERY, [Text("a")]),
            embedder.embed(UMBRELLA, Purpose.QUERY, [Text("b")]),
            return_exceptions=True,
        )

    assert isinstance(refused, BudgetExceeded)
    assert not isinstance(served, BaseException)
    assert inner.calls == [["b"]]


@pytest.mark.parametrize("text", ["broken", "refused"])
async def test_a_call_that_fails_is_not_paid_for(text: str) -> None:
    inner, till = SteppedEmbedder(open_=True), Till()
    async with open_batching(inner, till, calls=1) as embedder:
        with pytest.raises((EmbedderUnavailable, TextRefused)):
            await ask(embedder, [text])

    assert (till.paid, till.void) == ([], 1)

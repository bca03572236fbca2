import asyncio
import time

from services.sync.web.turns import Doorway, Turns


async def test_one_piece_in_a_turn_of_the_loop_whosever_it_is() -> None:
    turns, done = Turns(0.001), list[str]()
    loop = asyncio.get_running_loop()
    for name in "abc":
        turns.call(lambda name=name: done.append(name))  # type: ignore[misc]

    others = []
    for _ in range(3):
        loop.call_soon(lambda: others.append(len(done)))
        await asyncio.sleep(0)

    assert done == ["a", "b", "c"]
    assert others == [1, 2, 3]


async def test_a_piece_that_fails_holds_up_nobody() -> None:
    turns, errors = Turns(0.001), list[BaseException]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def fail() -> None:
        raise KeyError

    turns.call(fail)
    await turns.mine()

    assert [type(each) for each in errors] == [KeyError]


async def test_a_turn_that_nobody_waits_for_any_more_is_passed_on() -> None:
    turns = Turns(0.001)
    first = asyncio.ensure_future(turns.mine())
    await asyncio.sleep(0)
    first.cancel()

    async with asyncio.timeout(10):
        await turns.mine()


async def test_after_so_much_work_there_is_a_rest() -> None:
    turns, rested, done = Turns(0.001), list[int](), list[float]()
    loop = asyncio.get_running_loop()
    for _ in range(6):
        turns.call(lambda: done.append(_busy(0.002)))
    loop.call_later(0.003, lambda: rested.append(len(done)))  # due while the second is at work
    begun = loop.time()
    await turns.mine()

    assert rested[0] < 6
    assert loop.time() - begun > 0.02  # as long a rest after each as it took


async def test_who_turns_out_to_be_nobody_leaves_others_less_time() -> None:
    doorway = Doorway(0.001, 0.0001)
    for _ in range(200):
        doorway.was(somebody=False)
    assert 0.0001 <= doorway.work < 0.00011
    for _ in range(200):
        doorway.was(somebody=True)
    assert 0.00099 < doorway.work <= 0.001


def _busy(seconds: float) -> float:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
    return seconds

import asyncio

from services.sync.web.turns import Turns


async def test_one_piece_in_a_turn_of_the_loop_whosever_it_is() -> None:
    turns, done = Turns(), list[str]()
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
    turns, errors = Turns(), list[BaseException]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def fail() -> None:
        raise KeyError

    turns.call(fail)
    await turns.mine()

    assert [type(each) for each in errors] == [KeyError]


async def test_a_turn_that_nobody_waits_for_any_more_is_passed_on() -> None:
    turns = Turns()
    first = asyncio.ensure_future(turns.mine())
    await asyncio.sleep(0)
    first.cancel()

    async with asyncio.timeout(10):
        await turns.mine()

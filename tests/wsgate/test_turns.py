"""Attempts to get in as one charge point take turns, and nobody's flood keeps another's out."""

import asyncio

from wsgate import turns
from wsgate.turns import AT_ONCE, MAX_WAITING, Turns


class Line:
    """Attempts that hold their turn until they are told to let go."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.looked_at: list[str] = []
        self.sent_away: list[str] = []
        self.let_go = asyncio.Event()

    async def attempt(self, address: str) -> None:
        async with self.turns.turn(address) as is_mine:
            (self.looked_at if is_mine else self.sent_away).append(address)
            if is_mine:
                await self.let_go.wait()

    async def come(self, *addresses: str) -> list["asyncio.Task[None]"]:
        tasks = [asyncio.create_task(self.attempt(address)) for address in addresses]
        await asyncio.sleep(0)
        return tasks


async def test_a_few_are_looked_at_at_once_and_the_others_in_order() -> None:
    line = Line()
    tasks = await line.come(*map(str, range(AT_ONCE + 3)))
    assert line.looked_at == [str(number) for number in range(AT_ONCE)]
    line.let_go.set()
    await asyncio.gather(*tasks)
    assert line.looked_at == [str(number) for number in range(AT_ONCE + 3)]
    assert line.turns.is_idle


async def test_addresses_take_turns() -> None:
    line = Line()
    tasks = await line.come(*["attacker"] * 50, "charge point", "other")
    line.let_go.set()
    await asyncio.gather(*tasks)
    after = line.looked_at[AT_ONCE:]
    assert after.index("charge point") == 1
    assert after.index("other") == 2


async def test_who_fills_the_line_gives_way_to_who_does_not() -> None:
    line = Line()
    tasks = await line.come(*["attacker"] * (AT_ONCE + MAX_WAITING + 2))
    assert line.sent_away == ["attacker"] * 2
    tasks += await line.come("charge point")
    await asyncio.sleep(0)
    assert line.sent_away == ["attacker"] * 3
    line.let_go.set()
    await asyncio.gather(*tasks)
    assert line.looked_at[AT_ONCE + 1] == "charge point"


async def test_one_that_leaves_gives_its_turn_to_the_next() -> None:
    line = Line()
    tasks = await line.come(*["a"] * AT_ONCE, "b", "c")
    tasks[AT_ONCE].cancel()
    line.let_go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert line.looked_at == ["a"] * AT_ONCE + ["c"]
    assert line.turns.is_idle


async def test_one_that_leaves_as_its_turn_comes_gives_it_on() -> None:
    line = Line()
    holder = line.turns.turn("a")
    await holder.__aenter__()
    tasks = await line.come(*["a"] * (AT_ONCE - 1), "b", "c")
    await holder.__aexit__(None, None, None)
    tasks[AT_ONCE - 1].cancel()
    line.let_go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert line.looked_at == ["a"] * (AT_ONCE - 1) + ["c"]
    assert line.turns.is_idle


def test_two_hundred_failures_in_a_second_are_looked_at() -> None:
    """As docs/security.md says."""
    assert AT_ONCE / turns.PAUSE_S == 200

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from rest_stage import ASK, IDS, Answers, asking, ok, status
from wire_fakes import START_NS, trade

from tapeline.errors import ConnectionLost, RateLimited
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues.spec import Allowance, Priority, Request
from tapeline.wire.pace import JITTER_S, at_most
from tapeline.wire.pipe import Dial, Pipe, Response
from tapeline.wire.rest import Rest
from tapeline.wire.turns import LIMITED_S, MOST_WAIT_S, dials_in_turn


@pytest.mark.parametrize(("code", "header", "waited"), [(429, "30", 30.0), (418, "7", 7.0), (429, "soon", LIMITED_S)])
def test_a_limit_silences_every_caller_for_as_long_as_the_venue_asked(code: int, header: str, waited: float) -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(rest.call(ASK, IDS))
            await asyncio.sleep(1)
            second = tasks.create_task(rest.call(ASK, IDS))
        assert [event.seq for event in first.result()] == [1]  # type: ignore[union-attr]  # trades
        assert [event.seq for event in second.result()] == [1]  # type: ignore[union-attr]
        assert [at for at, _ in answers.asked] == [0.0, waited, waited]
        assert rest.limited == 1

    asking(status(code, retry_after=header), ok([1]), act=act)


def test_a_ban_is_not_waited_for_it_is_told() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        for _ in range(2):
            with pytest.raises(RateLimited) as told:
                await rest.call(ASK, IDS)
            assert (told.value.after_s or 0) > MOST_WAIT_S
        assert asyncio.get_running_loop().time() == 0.0
        assert len(answers.asked) == 1  # the second call did not even ask
        await asyncio.sleep(7200)
        assert await rest.call(ASK, IDS) == [trade(1, received_ns=START_NS + 7200 * 10**9)]

    asking(status(418, retry_after="7200"), ok([1]), act=act)


def test_callers_that_wait_together_keep_the_budget() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(6):
                tasks.create_task(rest.call(ASK, IDS))
        # two of weight 5 in any ten seconds
        assert [round(at, 1) for at, _ in answers.asked] == [0.0, 0.0, 10.1, 10.1, 20.2, 20.2]
        assert rest.used() == {"weight": (10.0, 11.0)}

    asking(ok([1]), act=act, weight=11.0)


def test_who_is_more_urgent_goes_first_whoever_came_first() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        asked: list[str] = []

        async def one(name: str, priority: Priority) -> None:
            await rest.call(ASK, IDS, priority=priority)
            asked.append(name)

        async with asyncio.TaskGroup() as tasks:
            for name, priority in (
                ("first", Priority.AUDIT), ("audit", Priority.AUDIT), ("backfill", Priority.BACKFILL),
                ("repair", Priority.REPAIRS), ("order", Priority.ORDERS), ("late repair", Priority.REPAIRS),
            ):  # fmt: skip
                tasks.create_task(one(name, priority))
                await asyncio.sleep(0)
        assert asked == ["first", "order", "repair", "late repair", "backfill", "audit"]
        assert answers.asked[0][0] == 0.0

    asking(ok([1]), act=act, weight=5.0)


def test_a_caller_that_is_cancelled_leaves_the_line() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        await rest.call(ASK, IDS)
        waiting = [asyncio.create_task(rest.call(ASK, IDS)) for _ in range(2)]
        await asyncio.sleep(1)
        waiting[0].cancel()
        await waiting[1]
        assert [round(at, 1) for at, _ in answers.asked] == [0.0, 10.1]

    asking(ok([1]), act=act, weight=6.0)


def test_a_request_dearer_than_the_budget_still_goes_out() -> None:
    async def act(rest: Rest, _answers: Answers) -> None:
        for _ in range(2):
            await rest.turns.wait(Request("GET", "/", weight=10**9), Priority.REPAIRS)
        assert asyncio.get_running_loop().time() == 10.0 + JITTER_S

    asking(ok([]), act=act)


def test_what_the_venue_says_is_used_holds_us_back_until_its_minute_is_over() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        await rest.server_time()
        await asyncio.sleep(3)
        await rest.call(ASK, IDS)
        # its clock shows 7 s of a window of ten: three are left, and one for what we do not know of its clock
        await rest.call(ASK, IDS)
        assert [round(at, 1) for at, _ in answers.asked] == [0.0, 3.0, 7.0]

    said = status(200, b"[1]", x_used="998")
    asking(ok({"time": START_NS + 4 * 10**9}), said, ok([1]), act=act)


# ---- limits and bans ----------------------------------------------------------------------------------------------


@dataclass
class Shared:
    """What other processes have done."""

    silent: float = 0.0
    full: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    taken: list[tuple[str, float, float]] = field(default_factory=list)

    def take(self, allowance: Allowance, cost: float, most: float) -> tuple[float, float]:
        self.taken.append((allowance.name, cost, most))
        silent, self.silent = self.silent, 0.0
        return silent, self.full.pop(0) if self.full and not silent else 0.0

    def silence(self, for_s: float) -> None:
        self.told.append(for_s)


def test_other_processes_budget_and_silence_hold_us_back() -> None:
    shared = Shared(silent=7.0, full=[2.0, 1.0])

    async def act(rest: Rest, answers: Answers) -> None:
        await rest.call(ASK, IDS, priority=Priority.ORDERS)
        assert [at for at, _ in answers.asked] == [10.0]
        assert rest.silent_s() == 0.0
        assert shared.taken == [("weight", 5.0, 1000.0)] * 4

    asking(ok([1]), act=act, shared=shared)


def test_a_ban_of_another_process_is_told_not_waited_for() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        with pytest.raises(RateLimited, match="3600 s of silence"):
            await rest.call(ASK, IDS)
        assert (answers.asked, rest.silent_s()) == ([], 3600.0)

    asking(ok([1]), act=act, shared=Shared(silent=3600.0))


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        (ok({"code": -1003, "msg": "slow"}), LIMITED_S),
        (ok({"code": -1003, "msg": "slow", "after_s": 3.0}), 3.0),
        (status(400, b'{"code": -1003, "msg": "slow"}', retry_after="4"), 4.0),
        (status(418, b'{"code": -1003, "msg": "banned", "after_s": 55.0}'), 55.0),
        (status(418, b"teapot"), 120.0),
        (status(429, b'{"code": 7, "msg": "slow"}'), 10.0),
        (status(429, b"[1]"), 10.0),
    ],
)
def test_too_many_requests_is_obeyed_however_it_is_said(said: Response, waited: float) -> None:
    shared = Shared()

    async def act(rest: Rest, answers: Answers) -> None:
        assert len(await rest.call(ASK, IDS)) == 1
        assert [at for at, _ in answers.asked] == [0.0, waited]
        assert shared.told == [waited]

    asking(said, ok([1]), act=act, shared=shared)


def test_a_limit_without_a_number_is_longer_each_time_but_counts_once_for_what_was_under_way() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        for each in await asyncio.gather(*(rest.call(ASK, IDS) for _ in range(2)), return_exceptions=True):
            assert isinstance(each, RateLimited)
        times = sorted({round(at) for at, _ in answers.asked})
        assert times == [0, 10, 30, 70]

    asking(status(429, b"slow"), act=act, takes_s=0.001)


def test_connections_of_every_kind_wait_for_each_other() -> None:
    dialled: list[tuple[float, str]] = []

    @asynccontextmanager
    async def dial(url: str) -> AsyncIterator[Pipe]:
        dialled.append((round(asyncio.get_running_loop().time(), 6), url))
        if url == "c":
            raise ConnectionLost("no")
        yield None  # type: ignore[misc]  # nobody uses it

    async def opened(paced: Dial, url: str) -> str:
        try:
            async with paced(url):
                return "open"
        except ConnectionLost:
            return "lost"

    async def main() -> list[str]:
        clock = VirtualClock(START_NS)
        gate = at_most(2, 1.0, clock.now())
        paced = dials_in_turn(dial, gate, clock)
        return await asyncio.gather(*(opened(paced, url) for url in "abcd"))

    assert run(main()) == ["open", "open", "lost", "open"]
    assert [url for _, url in dialled] == list("abcd")
    assert [at for at, _ in dialled] == pytest.approx([0, 1, 2, 3], abs=0.01)

"""Asking a venue for history: its list and clock first, then answers, with patience and an end to it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from tapeline.app.history.asking import BAD_MOST, CLOCK_EVERY_S, HistoryDesk, Outside
from tapeline.errors import BadData, ConnectionLost, Refused
from tapeline.model.event import Bar
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named
from tapeline.venues.spec import Answer, Ask, Request, Venue
from tapeline.wire.pipe import Response

AT_NS = 19_900 * DAY_NS + 10 * HOUR_NS
BARS = Ask("bars", "BTCUSDT", "1m", AT_NS - 3 * MINUTE_NS, AT_NS - MINUTE_NS, limit=2)
Said = Response | Exception
BANNED = Response(418, {"retry-after": "90"}, b"{}")
CUT_OFF = Response(200, {}, b'[["17')
WRONG = Response(400, {}, b'{"code":-1121,"msg":"Invalid symbol."}')


def asked(
    story: Callable[[HistoryDesk, VirtualClock, list[str]], Awaitable[None]], *said: Said, at: str = "klines",
    venue: Venue | None = None,
) -> None:  # fmt: skip
    """Play a story with a desk; requests whose path has `at` are answered by `said`, the rest by a simulated venue."""
    spoken = venue or venue_named("binance")

    async def main() -> None:
        clock = VirtualClock(AT_NS)
        sim = SimulatedVenue(spoken, Market(spoken, 1, AT_NS, Rates(trades_per_minute=60)), clock=clock)
        script, paths = list(said), list[str]()

        async def fetch(base: str, request: Request) -> Response:
            paths.append(request.path)
            found = script.pop(0) if script and at in request.path else await sim.fetch(base, request)
            if isinstance(found, Exception):
                raise found
            return found

        async with sim.open():
            await story(HistoryDesk(spoken, Outside(fetch=fetch, clock=clock, chance=lambda: 0.5)), clock, paths)

    run(main())


async def opens(desk: HistoryDesk) -> Sequence[Answer] | str | list[int]:
    """Open times of the two bars, or why there are none."""
    found = await desk.answers(BARS, desk.symbols.find("BTC/USDT"))
    return found if isinstance(found, str) else [each.open_at_ns for each in found if isinstance(each, Bar)]


TWO = [AT_NS - 3 * MINUTE_NS, AT_NS - 2 * MINUTE_NS]


def test_the_list_and_the_clock_first_then_answers() -> None:
    async def story(desk: HistoryDesk, clock: VirtualClock, _paths: list[str]) -> None:
        assert desk.now_ns() == clock.wall_ns()
        await desk.open()
        assert desk.symbols.find("BTC/USDT").native == "BTCUSDT"
        assert abs(desk.now_ns() - clock.wall_ns()) < SECOND_NS
        assert await opens(desk) == TWO

    asked(story)


def test_a_ban_is_waited_for_and_is_no_failure() -> None:
    async def story(desk: HistoryDesk, clock: VirtualClock, paths: list[str]) -> None:
        await desk.open()
        began = clock.now()
        assert await opens(desk) == TWO
        assert clock.now() - began >= 180.0
        assert sum("klines" in path for path in paths) == 3, "nothing is asked while the ban lasts"

    asked(story, BANNED, BANNED)


def test_a_body_cut_off_is_asked_again_and_told_in_the_end() -> None:
    async def story(desk: HistoryDesk, _clock: VirtualClock, _paths: list[str]) -> None:
        await desk.open()
        assert await opens(desk) == TWO

    async def in_vain(desk: HistoryDesk, _clock: VirtualClock, paths: list[str]) -> None:
        await desk.open()
        said = await opens(desk)
        assert isinstance(said, str)
        assert said.startswith("bars of BTCUSDT cannot be read: ")
        assert sum("klines" in path for path in paths) == BAD_MOST

    asked(story, CUT_OFF, CUT_OFF)
    asked(in_vain, *[CUT_OFF] * 100)


def test_a_list_cut_off_a_ban_and_a_clock_that_is_refused_at_first_do_not_end_it() -> None:
    async def story(desk: HistoryDesk, clock: VirtualClock, _paths: list[str]) -> None:
        began = clock.now()
        await desk.open()
        assert clock.now() - began >= 90.0
        assert await opens(desk) == TWO

    async def late_clock(desk: HistoryDesk, _clock: VirtualClock, _paths: list[str]) -> None:
        await desk.open()
        assert desk.rest.venue_now_ns() is not None

    async def in_vain(desk: HistoryDesk, _clock: VirtualClock, paths: list[str]) -> None:
        with pytest.raises(BadData, match="the instrument list cannot be read"):
            await desk.open()
        assert len(paths) == BAD_MOST

    asked(story, CUT_OFF, BANNED, CUT_OFF, at="exchangeInfo")
    asked(late_clock, WRONG, WRONG, at="/time")
    asked(in_vain, *[CUT_OFF] * 100, at="exchangeInfo")


def test_no_answer_for_a_long_time_is_told_in_words() -> None:
    async def story(desk: HistoryDesk, clock: VirtualClock, _paths: list[str]) -> None:
        await desk.open()
        began = clock.now()
        assert await opens(desk) == "the line is dead"
        assert clock.now() - began > 600.0
        assert await opens(desk) == TWO

    asked(story, *[ConnectionLost("the line is dead")] * 80)


def test_what_the_venue_refuses_is_not_asked_again() -> None:
    async def story(desk: HistoryDesk, _clock: VirtualClock, paths: list[str]) -> None:
        await desk.open()
        with pytest.raises(Refused, match="-1121"):
            await opens(desk)
        assert sum("klines" in path for path in paths) == 1

    asked(story, WRONG)


def test_the_clock_is_read_again_and_again_and_a_failure_leaves_the_last_reading() -> None:
    async def story(desk: HistoryDesk, _clock: VirtualClock, paths: list[str]) -> None:
        await desk.open()
        task = asyncio.create_task(desk.watch_clock())
        await asyncio.sleep(2.5 * CLOCK_EVERY_S)
        task.cancel()
        assert sum(path.endswith("/time") for path in paths) >= 3
        assert desk.now_ns() > AT_NS + 2 * CLOCK_EVERY_S * SECOND_NS

    asked(story, WRONG, at="/time")


def test_a_venue_that_tells_no_time_goes_by_ours() -> None:
    binance = venue_named("binance")
    calls = {name: call for name, call in binance.rest.items() if name != "time"}

    async def story(desk: HistoryDesk, clock: VirtualClock, paths: list[str]) -> None:
        await desk.open()
        await desk.watch_clock()
        assert desk.now_ns() == clock.wall_ns()
        assert not any(path.endswith("/time") for path in paths)

    asked(story, venue=replace(binance, rest=calls))

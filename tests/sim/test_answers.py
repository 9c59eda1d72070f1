"""REST answers that are wrong in every way a venue's may be, and the history behind them, by real venues' calls."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
import pytest

from tapeline.errors import BadData, Refused, Retry
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tapeline.sim.answers import Answers, concerns, half
from tapeline.sim.faults import Fault, fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named
from tapeline.venues.spec import Answer, Ask
from tapeline.wire.pipe import Response

START_NS = 19_900 * DAY_NS
NATIVE = {"binance": "BTCUSDT", "binance-usdm": "BTCUSDT", "okx": "BTC-USDT"}
Story = Callable[["Desk"], Coroutine[Any, Any, None]]


class Desk:
    """Asks a simulated venue as the application would, one request at a time."""

    def __init__(self, sim: SimulatedVenue) -> None:
        self.sim, self.venue = sim, sim.venue
        self.native = NATIVE[sim.venue.name]

    async def response(self, ask: Ask) -> Response:
        return await self.sim.fetch("", self.venue.rest[ask.call].build(ask))

    async def rows(self, call: str, **ask: Any) -> Sequence[Answer]:
        """What the answer holds, as the venue's own reader sorts it."""
        asked = Ask(call, self.native, **ask)
        response = await self.response(asked)
        return self.venue.rest[call].parse(response.body, asked, {}, self.sim.player.now_ns())


def told(story: Story, venue: str, *faults: str) -> None:
    async def main() -> None:
        value = venue_named(venue)
        market = Market(value, 3, START_NS, Rates(trades_per_minute=2, levels=5, step_beats=600))
        sim = SimulatedVenue(
            value, market, clock=VirtualClock(START_NS), faults=[fault(text) for text in faults]
        )  # fmt: skip
        async with sim.open():
            await asyncio.sleep(3600.0)
            await story(Desk(sim))

    run(main())


def opens(rows: Sequence[Answer]) -> list[int]:
    return [(row.open_at_ns - START_NS) // MINUTE_NS for row in rows if isinstance(row, Bar)]


MINUTES: dict[str, Any] = {"interval": "1m", "from_ns": START_NS + 10 * MINUTE_NS, "to_ns": START_NS + 20 * MINUTE_NS}
TEN = list(range(10, 20))


@pytest.mark.parametrize("venue", NATIVE)
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("open_bar", [TEN, [*TEN, 60]]),
        ("empty", [[]]),
        ("short", [[10, 11, 12, 13, 14, 16, 17, 18, 19]]),
        ("overlap", [TEN, list(range(5, 20))]),
        ("disorder", [TEN]),  # the venue's reader sorts
    ],
)
def test_a_page_that_is_wrong_and_the_next_one_is_right(venue: str, kind: str, expected: list[list[int]]) -> None:
    async def story(desk: Desk) -> None:
        first = opens(await desk.rows("bars", **MINUTES))
        assert sorted(first) in expected
        assert opens(await desk.rows("bars", **MINUTES)) == TEN

    told(story, venue, f"{kind}@+0s")


def test_disorder_is_on_the_wire() -> None:
    async def story(desk: Desk) -> None:
        (wrong, right) = [
            [row[0] for row in msgspec.json.decode((await desk.response(Ask("bars", desk.native, **MINUTES))).body)]
            for _ in range(2)
        ]
        assert wrong != right
        assert sorted(wrong) == right

    told(story, "binance", "disorder@+0s")


@pytest.mark.parametrize("venue", NATIVE)
def test_a_server_error_and_a_body_that_is_cut_off(venue: str) -> None:
    async def story(desk: Desk) -> None:
        failed = await desk.response(Ask("bars", desk.native, **MINUTES))
        assert failed.status == 500
        with pytest.raises(Retry):
            desk.venue.rest["bars"].parse(failed.body, Ask("bars", desk.native, interval="1m"), {}, START_NS)
        with pytest.raises(BadData):
            await desk.rows("bars", **MINUTES)
        assert opens(await desk.rows("bars", **MINUTES)) == TEN

    told(story, venue, "500@+0s", "half_body@+0s")


@pytest.mark.parametrize("venue", NATIVE)
def test_a_closed_bar_that_is_revised_stays_so(venue: str) -> None:
    async def story(desk: Desk) -> None:
        revised = await desk.rows("bars", **MINUTES)
        again = await desk.rows("bars", **MINUTES)
        assert [each.volume for each in revised if isinstance(each, Bar)] == [
            each.volume for each in again if isinstance(each, Bar)
        ]
        (bar,) = desk.sim.rest.answers.revised
        assert bar.open_at_ns == START_NS + 19 * MINUTE_NS
        (pit,) = [pit for pit in _market(desk).pits if pit.instrument.native == desk.native]
        (true,) = pit.candles("1m", bar.open_at_ns, bar.open_at_ns + MINUTE_NS, START_NS + HOUR_NS)
        assert bar.volume == 2 * true.volume

    told(story, venue, "revise@+0s")


@pytest.mark.parametrize("venue", NATIVE)
def test_a_bar_that_is_revised_twice_was_told_in_three_ways(venue: str) -> None:
    async def story(desk: Desk) -> None:
        for _ in range(3):
            await desk.rows("bars", **MINUTES)
        once, twice = desk.sim.rest.answers.revised
        assert once.open_at_ns == twice.open_at_ns == START_NS + 19 * MINUTE_NS
        assert twice.volume == 2 * once.volume

    told(story, venue, "revise@+0s", "revise@+0s")


def _market(desk: Desk) -> Market:
    source = desk.sim.player._source
    assert isinstance(source, Market)
    return source


@pytest.mark.parametrize("venue", NATIVE)
def test_the_open_bar_is_told_apart(venue: str) -> None:
    async def story(desk: Desk) -> None:
        bars = [bar for bar in await desk.rows("bars", interval="1h", limit=3) if isinstance(bar, Bar)]
        await asyncio.sleep(600)
        now = [bar for bar in await desk.rows("bars", interval="1h", limit=3) if isinstance(bar, Bar)]
        assert [bar.closed for bar in now] == [True, True, False]
        assert now[-1].open_at_ns == START_NS + HOUR_NS
        assert bars[-1].open_at_ns <= now[-1].open_at_ns

    told(story, venue)


@pytest.mark.parametrize(("venue", "call"), [("binance", "aggtrades"), ("binance-usdm", "aggtrades")])
def test_aggregates_by_id_and_by_time(venue: str, call: str) -> None:
    async def story(desk: Desk) -> None:
        from_ns, to_ns = START_NS, START_NS + 5 * MINUTE_NS
        by_time = [row for row in await desk.rows(call, from_ns=from_ns, to_ns=to_ns) if isinstance(row, Trade)]
        assert len(by_time) == 10
        assert all(from_ns <= (row.at_ns or 0) < to_ns for row in by_time)
        by_id = [row.seq for row in await desk.rows(call, from_id=by_time[3].seq, limit=4) if isinstance(row, Trade)]
        assert by_id == [row.seq for row in by_time[3:7]]
        (last,) = [row for row in await desk.rows(call, to_ns=to_ns, limit=1) if isinstance(row, Trade)]
        assert last.seq == by_time[-1].seq

    told(story, venue)


def test_a_history_that_is_bounded_and_a_window_that_is_too_long() -> None:
    async def story(desk: Desk) -> None:
        await asyncio.sleep(3 * 86400.0)
        now_ns = desk.sim.player.now_ns()
        old = {"from_ns": now_ns - 49 * HOUR_NS, "to_ns": now_ns - 48 * HOUR_NS - SECOND_NS}
        assert await desk.rows("aggtrades", **old) == []
        kept = await desk.rows("aggtrades", from_id=1, limit=1)
        assert isinstance(kept[0], Trade)
        assert abs((kept[0].at_ns or 0) - (now_ns - 48 * HOUR_NS)) < 2 * MINUTE_NS
        with pytest.raises(Refused):
            await desk.rows("aggtrades", from_ns=now_ns - 2 * HOUR_NS, to_ns=now_ns)

    told(story, "binance-usdm")


@pytest.mark.parametrize(("venue", "call"), [("binance", "trades"), ("okx", "trades"), ("binance-usdm", "aggtrades")])
def test_numbers_that_come_again_after_a_restart(venue: str, call: str) -> None:
    async def story(desk: Desk) -> None:
        pit = next(pit for pit in _market(desk).pits if pit.instrument.native == desk.native)
        numbers = [trade.seq or 0 for trade in pit.between(START_NS + 28 * MINUTE_NS, START_NS + 34 * MINUTE_NS)]
        assert numbers[:6] == list(range(numbers[0], numbers[0] + 6)), "up to the restart, and the minute it is in"
        assert numbers[6:] == list(range(numbers[0] + 6 - 20, numbers[0] + 12 - 20))
        rows = [row for row in await desk.rows(call, from_id=numbers[6], limit=6) if isinstance(row, Trade)]
        assert [row.seq for row in rows] == numbers[6:]
        assert (rows[0].at_ns or 0) > START_NS + 31 * MINUTE_NS, "by number, the later one is found"

    told(story, venue, "anew@+30m:20")


def test_who_asks_while_told_to_wait_is_impatient() -> None:
    async def story(desk: Desk) -> None:
        for wait_s, impatient in ((0.0, 0), (3.0, 1), (8.0, 1)):
            await asyncio.sleep(wait_s)
            await desk.response(Ask("time"))
            assert desk.sim.impatient == impatient
        assert desk.sim.rest.requests["time"] == 2

    told(story, "binance", "429@+0s:10")


def test_which_questions_a_fault_concerns() -> None:
    bars, trades, time = Ask("bars", "X", "1m"), Ask("trades", "X"), Ask("time")
    asked = {"bars": bars, "trades": trades, "time": time}
    for text, whom in {
        "empty@+0s": {"bars", "trades"},
        "500@+0s": {"bars", "trades", "time"},
        "500@+0s:trades": {"trades"},
        "short@+0s:bars": {"bars"},
        "short@+0s:bars:1m": {"bars"},
        "short@+0s:bars:5m": set(),
        "revise@+0s": {"bars"},
        "open_bar@+0s": {"bars"},
    }.items():
        one = fault(text)
        assert isinstance(one, Fault)
        assert {name for name, ask in asked.items() if concerns(one, ask)} == whom, text
    assert half(b"123456") == b"123"


def test_rows_nobody_knows_and_questions_without_a_start() -> None:
    answers, overlap = Answers(), fault("overlap@+0s")
    assert isinstance(overlap, Fault)
    asked: list[Ask] = []

    def none(ask: Ask) -> None:
        asked.append(ask)

    assert answers.rows(Ask("trades", "X", limit=3), overlap, none, 0) is None
    assert answers.rows(Ask("trades", "X", from_id=3), overlap, none, 0) is None
    assert asked == [Ask("trades", "X", limit=3), Ask("trades", "X", from_id=0)]
    revise = fault("revise@+0s")
    assert isinstance(revise, Fault)
    assert answers.rows(Ask("bars", "X", "1m"), revise, lambda _ask: [], 0) == []
    assert answers.revised == []

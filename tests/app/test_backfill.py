"""Backfills in virtual time against simulated venues: all of it, nothing twice, within the limits, whatever happens."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tapeline.app.history.asking import Outside
from tapeline.app.history.backfill import Backfill, Plan, Series, trade_series
from tapeline.errors import ConfigError, TimedOut, UnknownInstrument
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.writer import WriterStatistics
from tapeline.sync.history import Span
from tapeline.sync.walk import Finding
from tapeline.venues import venue_named
from tapeline.venues.spec import Request, Venue
from tapeline.wire.pipe import Response

AT_NS = 19_900 * DAY_NS + 10 * HOUR_NS
BTC = "binance:BTC/USDT"


@dataclass
class Kept:
    """A writer that keeps rows in a list."""

    rows: list[Any] = field(default_factory=list)
    queued: int = 0

    def start(self, socket: str = "") -> None: ...
    def stop(self, within_s: float = 0.0) -> None: ...
    def flush(self, within_s: float = 0.0) -> bool:
        return bool(within_s) or True

    def offer(self, row: Any) -> None:
        self.rows.append(row)

    def found(self) -> list[Fact]:
        return []

    def statistics(self) -> WriterStatistics:
        self.queued = max(0, self.queued - 1)
        return WriterStatistics(len(self.rows), 0, 0, 0, 0, 0, self.queued * 100_000, 0, 0.0, "")


@dataclass
class Scene:
    """A backfill, the market it asks, and what came of it."""

    backfill: Backfill
    sim: SimulatedVenue
    market: Market
    kept: Kept
    notes: list[tuple[str, str, Finding, int]]
    statuses: list[tuple[float, int, str]]  # when, HTTP status, path

    def truth(self, symbol: str, span: Span) -> list[tuple[str, Any]]:
        pit = next(pit for pit in self.market.pits if pit.instrument.symbol == symbol)
        return [(trade.id, trade.price) for trade in pit.between(*span)]

    def trades(self, instrument: str = BTC) -> list[tuple[str, Any]]:
        rows = [row for row in self.kept.rows if isinstance(row, Trade) and row.instrument == instrument]
        return [(row.id, row.price) for row in sorted(rows, key=lambda row: row.seq or 0)]

    def bars(self, instrument: str = BTC) -> list[int]:
        return [row.open_at_ns for row in self.kept.rows if isinstance(row, Bar) and row.instrument == instrument]

    def found(self, state: str) -> list[Span]:
        return sorted((each.from_ns, each.to_ns) for _, _, each, _ in self.notes if each.state == state)


def play(
    story: Callable[[Scene], Awaitable[None]], *, venue: Venue | str = "binance", rate: int = 60,
    faults: Sequence[str] = (), answer: Callable[[int, Response], Response | Exception | None] | None = None,
    missing: Callable[[str, str, Span], Sequence[Span]] = lambda _instrument, _channel, span: [span],
    takes_s: float = 0.1, workers: int = 8, **wanted: Any,
) -> None:  # fmt: skip
    spoken = venue_named(venue) if isinstance(venue, str) else venue

    async def main() -> None:
        clock = VirtualClock(AT_NS)
        market = Market(spoken, 1, AT_NS, Rates(trades_per_minute=rate, step_beats=1800, levels=5))
        sim = SimulatedVenue(spoken, market, clock=clock, faults=[fault(text) for text in faults])
        statuses: list[tuple[float, int, str]] = []
        notes: list[tuple[str, str, Finding, int]] = []

        async def fetch(base: str, request: Request) -> Response:
            began = clock.now()
            await asyncio.sleep(takes_s / 2)
            said: Response | Exception | None = await sim.fetch(base, request)
            assert isinstance(said, Response)
            if answer is not None and "exchangeInfo" not in request.path:
                said = answer(len(statuses), said) or said
            statuses.append((began, said.status if isinstance(said, Response) else 0, request.path))
            await asyncio.sleep(takes_s / 2)
            if isinstance(said, Exception):
                raise said
            return said

        def note(series: Series, finding: Finding, known_at_ns: int) -> None:
            notes.append((series.instrument.id, series.channel, finding, known_at_ns))

        given: dict[str, Any] = {"instruments": (BTC,), "channels": ("bars:1m",), "from_ns": AT_NS - HOUR_NS} | wanted
        outside = Outside(fetch=fetch, clock=clock, chance=lambda: 0.5)
        kept = Kept()
        backfill = Backfill(Plan(**given), outside, kept, missing=missing, note=note, workers=workers)
        async with sim.open():
            await story(Scene(backfill, sim, market, kept, notes, statuses))

    run(main())


def test_bars_of_several_instruments_up_to_now() -> None:
    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        for instrument in (BTC, "binance:ETH/USDT"):
            opens = scene.bars(instrument)
            assert sorted(opens) == list(range(AT_NS - HOUR_NS, AT_NS - MINUTE_NS, MINUTE_NS))
        # The last bar ended this very moment: it is not final yet, and nothing is said of it.
        assert scene.found("proven") == [(AT_NS - HOUR_NS, AT_NS - MINUTE_NS)] * 2
        assert {each.evidence for _, _, each, _ in scene.notes} == {"bars"}
        assert (scene.backfill.incomplete, scene.backfill.part, scene.backfill.rows) == (False, 1.0, 118)
        assert [type(row).__name__ for row in scene.kept.rows[:4]] == ["Instrument", "Wanted"] * 2
        assert scene.kept.rows[1] == Wanted(BTC, "bars:1m", AT_NS - HOUR_NS, AT_NS, "backfill")

    play(story, instruments=(BTC, "binance:ETH/USDT", BTC))


def test_years_before_the_listing_cost_two_requests() -> None:
    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        first_ns = scene.market.history_ns
        assert min(scene.bars()) == first_ns
        assert scene.found("unrecoverable") == [(AT_NS - 700 * DAY_NS, first_ns)]
        assert len([path for _, _, path in scene.statuses if "klines" in path]) < 12

    play(story, from_ns=AT_NS - 700 * DAY_NS)


@pytest.mark.parametrize(
    ("venue", "symbol", "channel"),
    [("binance", "BTC/USDT", "trades"), ("binance-usdm", "BTC/USDT:USDT", "aggtrades"), ("okx", "BTC/USDT", "trades")],
)
def test_trades_by_whatever_walk_the_venue_has(venue: str, symbol: str, channel: str) -> None:
    span = AT_NS - 2 * HOUR_NS + 7, AT_NS - 5 * MINUTE_NS

    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        assert scene.trades(f"{venue}:{symbol}") == scene.truth(symbol, span)
        assert {name for _, name, _, _ in scene.notes} == {channel}
        proven = scene.found("proven")
        assert (proven[0][0], proven[-1][1]) == span
        assert [end for _, end in proven[:-1]] == [begin for begin, _ in proven[1:]]
        assert not scene.backfill.incomplete
        assert {status for _, status, _ in scene.statuses} == {200}

    play(
        story, venue=venue, instruments=(f"{venue}:{symbol}",), channels=(), trades=True, from_ns=span[0],
        to_ns=span[1], rate=300,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("venue", "symbol", "channel", "repeated"),
    [
        ("binance", "BTC/USDT", "trades", 2500), ("binance", "BTC/USDT", "aggtrades", 100),
        ("binance-usdm", "BTC/USDT:USDT", "aggtrades", 100), ("okx", "BTC/USDT", "trades", 100),
        ("okx", "BTC/USDT", "trades", 100_000),
    ],
)  # fmt: skip
def test_trades_that_numbers_given_anew_hide_come_too_or_are_in_dispute(
    venue: str, symbol: str, channel: str, repeated: int
) -> None:
    """The venue restarts, and goes on from a number that it has given out: by numbers alone nothing is missing."""

    async def story(scene: Scene) -> None:
        await asyncio.sleep(3 * HOUR_NS / 10**9)
        await scene.backfill.run()
        pit = next(pit for pit in scene.market.pits if pit.instrument.symbol == symbol)
        told = pit.aggregates if channel == "aggtrades" else pit.between
        happened = [(trade.id, trade.at_ns) for trade in told(AT_NS, AT_NS + 2 * HOUR_NS)]
        assert len({number for number, _ in happened}) == len(happened) - (repeated % 100_000), "numbers come again"
        rows = [(row.id, row.at_ns) for row in scene.kept.rows if isinstance(row, Trade)]
        assert set(rows) <= set(happened)
        by_number = venue == "binance" and channel == "trades"
        hidden = set(happened) - set(rows)
        assert bool(hidden) is by_number
        for _, at_ns in hidden:
            said = {each.state for _, _, each, _ in scene.notes if each.from_ns <= (at_ns or 0) < each.to_ns}
            assert said == {"disputed"}, "asked by number the venue gives the later one"
        assert scene.backfill.incomplete is by_number

    play(
        story, venue=venue, instruments=(f"{venue}:{symbol}",), channels=(channel,), from_ns=AT_NS,
        to_ns=AT_NS + 2 * HOUR_NS, rate=60, faults=(f"anew@+1h:{repeated}",),
    )  # fmt: skip


def test_trades_begin_where_the_venue_has_them() -> None:
    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        first_ns = scene.market.history_ns
        assert scene.trades() == scene.truth("BTC/USDT", (first_ns, first_ns + HOUR_NS))
        lost = scene.found("unrecoverable")
        assert lost[0][0] == AT_NS - 100 * DAY_NS
        assert first_ns <= lost[-1][1] < first_ns + MINUTE_NS

    play(
        story, channels=("trades",), from_ns=AT_NS - 100 * DAY_NS,
        to_ns=(AT_NS - 2 * DAY_NS) // DAY_NS * DAY_NS + HOUR_NS,
    )  # fmt: skip


def test_before_the_venue_had_any_there_is_nothing_to_ask_for() -> None:
    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        span = AT_NS - 100 * DAY_NS, AT_NS - 99 * DAY_NS
        assert scene.found("unrecoverable") == [span, span]
        assert (scene.trades(), scene.bars(), scene.backfill.incomplete) == ([], [], False)

    play(story, channels=("trades", "bars:1s"), from_ns=AT_NS - 100 * DAY_NS, to_ns=AT_NS - 99 * DAY_NS)


def test_what_the_venue_keeps_for_two_days_only_is_said_to_be_lost() -> None:
    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        lost = scene.found("unrecoverable")  # what grows too old while it is asked for is a second
        assert lost[0][0] == AT_NS - 50 * HOUR_NS
        assert lost[0][1] == lost[-1][0] or len(lost) == 1
        assert lost[-1][1] == pytest.approx(AT_NS - 48 * HOUR_NS, abs=30 * 10**9)
        assert "keeps 48 hours" in next(each.why for _, _, each, _ in scene.notes if each.state != "proven")

    play(
        story, venue="binance-usdm", instruments=("binance-usdm:BTC/USDT:USDT",), channels=(), trades=True,
        from_ns=AT_NS - 50 * HOUR_NS, to_ns=AT_NS - 47 * HOUR_NS, rate=6,
    )  # fmt: skip


def test_only_what_is_missing_is_asked_for() -> None:
    holes = [(AT_NS - 50 * MINUTE_NS, AT_NS - 40 * MINUTE_NS), (AT_NS - 20 * MINUTE_NS, AT_NS - 10 * MINUTE_NS)]

    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        assert scene.found("proven") == holes
        assert sorted(scene.bars()) == [at for hole in holes for at in range(*hole, MINUTE_NS)]

    play(story, missing=lambda _instrument, _channel, _span: holes)


def test_all_held_is_done_at_once() -> None:
    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        assert [path for _, _, path in scene.statuses] == ["/api/v3/exchangeInfo", "/api/v3/time"]
        assert [each.state for each in scene.backfill.series] == ["done"]

    play(story, missing=lambda _instrument, _channel, _span: [])


def test_a_ban_in_the_middle_is_obeyed_and_then_it_goes_on() -> None:
    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        banned_at = next(at for at, status, _ in scene.statuses if status == 418)
        under_way = [at for at, _, _ in scene.statuses if banned_at < at < banned_at + 500]
        assert [at for at in under_way if at > banned_at + 0.2] == []
        assert len([status for _, status, _ in scene.statuses if status == 418]) == 1
        assert scene.trades() == scene.truth("BTC/USDT", (AT_NS - HOUR_NS, AT_NS - MINUTE_NS))
        assert not scene.backfill.incomplete

    play(story, channels=("trades",), faults=("ban@+1s:500",), rate=3000, to_ns=AT_NS - MINUTE_NS)


def test_a_venue_that_falters_is_asked_again() -> None:
    chance = random.Random(5)

    def answer(_number: int, said: Response) -> Response | Exception | None:
        whole = Response(200, {}, said.body[:100])  # cut off
        troubles = (Response(500, {}, b"<html>"), whole, TimedOut("late"))
        return chance.choice(troubles) if chance.random() < 0.2 else None

    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        assert scene.trades() == scene.truth("BTC/USDT", (AT_NS - HOUR_NS, AT_NS - MINUTE_NS))
        assert not scene.backfill.incomplete

    play(story, channels=("trades",), answer=answer, rate=3000, to_ns=AT_NS - MINUTE_NS)


@pytest.mark.parametrize(
    ("venue", "symbol", "channel"),
    [
        ("binance", "BTC/USDT", "aggtrades"), ("binance", "BTC/USDT", "bars:1m"),
        ("binance-usdm", "BTC/USDT:USDT", "aggtrades"), ("okx", "BTC/USDT", "trades"), ("okx", "BTC/USDT", "bars:1m"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("nth", [0, 1])
def test_one_empty_answer_gives_no_history_up(venue: str, symbol: str, channel: str, nth: int) -> None:
    """The first that are asked for rows tell where history begins: what they lack was lost for ever."""
    span = AT_NS - 40 * HOUR_NS, AT_NS - 5 * MINUTE_NS
    empty = {"okx": b'{"code":"0","msg":"","data":[]}'}.get(venue, b"[]")
    asked: list[Response] = []

    def answer(_number: int, said: Response) -> Response | None:
        rows = said.body.startswith(b"[[") or any(name in said.body for name in (b'"tradeId"', b'"a":', b'"data":[["'))
        if rows:
            asked.append(said)
        return Response(200, {}, empty) if rows and len(asked) == nth + 1 else None

    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        assert len(asked) > nth + 1
        assert scene.found("unrecoverable") == []
        if channel == "bars:1m":
            assert len(scene.bars(f"{venue}:{symbol}")) == (span[1] - span[0]) // MINUTE_NS
        else:
            assert scene.trades(f"{venue}:{symbol}") == scene.truth(symbol, span)

    play(
        story, venue=venue, instruments=(f"{venue}:{symbol}",), channels=(channel,), from_ns=span[0], to_ns=span[1],
        rate=6, answer=answer, workers=1,
    )  # fmt: skip


def test_a_window_that_never_comes_is_told_and_left_missing() -> None:
    def answer(number: int, _said: Response) -> Response | None:
        return Response(200, {}, b"[[") if number == 4 else None

    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        (series,) = scene.backfill.series
        assert (series.state, series.failed, scene.backfill.incomplete) == ("done", 1, True)
        assert "cannot be read" in series.trouble

    def twice(number: int, said: Response) -> Response | None:
        return answer(4 if number in range(4, 8) else 0, said)

    play(story, answer=twice, from_ns=AT_NS - 40 * HOUR_NS, workers=1)


def test_a_series_that_is_refused_does_not_stop_the_others() -> None:
    def answer(_number: int, said: Response) -> Response | None:
        return Response(400, {}, b'{"code":-1100,"msg":"no"}') if said.body.startswith(b"[{") else None

    async def story(scene: Scene) -> None:
        await scene.backfill.run()
        states = {each.channel: (each.state, each.part) for each in scene.backfill.series}
        assert states == {"trades": ("refused", 1.0), "bars:1m": ("done", 1.0)}
        assert "-1100 no" in next(each.trouble for each in scene.backfill.series if each.channel == "trades")
        assert scene.backfill.incomplete

    play(story, channels=("trades", "bars:1m"), answer=answer)


def test_one_that_is_stopped_before_the_venue_has_answered_is_not_complete() -> None:
    async def story(scene: Scene) -> None:
        running = asyncio.create_task(scene.backfill.run())
        await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.wait({running})
        assert (scene.backfill.series, scene.backfill.part, scene.backfill.incomplete) == ([], 0.0, True)

    play(story)


def test_it_waits_for_the_disk() -> None:
    async def story(scene: Scene) -> None:
        scene.kept.queued = 40
        began = asyncio.get_running_loop().time()
        await scene.backfill.run()
        assert asyncio.get_running_loop().time() - began > 0.5

    play(story)


def test_what_was_found_by_the_time_it_is_cut_short_is_noted() -> None:
    async def story(scene: Scene) -> None:
        running = asyncio.create_task(scene.backfill.run())
        while not scene.bars():  # noqa: ASYNC110  # time is virtual
            await asyncio.sleep(0.05)
        assert 0 < scene.backfill.part < 1
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        proven = {at for span in scene.found("proven") for at in range(*span, MINUTE_NS)}
        assert proven == set(scene.bars())

    play(story, from_ns=AT_NS - 45 * HOUR_NS, workers=1, takes_s=2.0)


def test_it_comes_near_the_limit_and_is_never_told_to_slow_down() -> None:
    binance = venue_named("binance")
    bars = replace(binance.rest["bars"], page=2)
    narrow = replace(binance, rest={**binance.rest, "bars": bars})

    async def story(scene: Scene) -> None:
        clock = asyncio.get_running_loop().time
        scene.backfill._workers = 24
        began = clock()
        await scene.backfill.run()
        asked = [at for at, _, path in scene.statuses if "klines" in path]
        assert {status for _, status, _ in scene.statuses} == {200}
        weight = 2 * len(asked)
        assert weight > 6000
        assert weight / (clock() - began) >= 0.88 * 6000 / 60

    play_with_page(story, narrow)


def play_with_page(story: Callable[[Scene], Awaitable[None]], venue: Venue) -> None:
    """The venue by that name, as changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tapeline.app.history.backfill.venue_named", lambda _name: venue)
        span_ns = 10_000 * MINUTE_NS
        patch.setattr("tapeline.sim.market.HISTORY_NS", 20 * DAY_NS)
        play(story, venue=venue, channels=("bars:1m",), from_ns=AT_NS - span_ns, rate=1)


@pytest.mark.parametrize(
    ("wanted", "error", "text"),
    [
        ({"channels": ("bars:1m@trades",)}, ConfigError, "made from trades"),
        ({"channels": ("quotes",)}, ConfigError, "it has aggtrades, bars, trades"),
        ({"instruments": ("binance:NO/PE",)}, UnknownInstrument, "NO/PE"),
        ({"instruments": ("nowhere:X",)}, ConfigError, "nowhere"),
        ({"from_ns": AT_NS + DAY_NS}, ConfigError, "nothing lies between"),
    ],
)
def test_what_cannot_be_is_said_at_once(wanted: dict[str, Any], error: type[Exception], text: str) -> None:
    async def story(scene: Scene) -> None:
        with pytest.raises(error, match=text):
            await scene.backfill.run()
        assert [path for _, _, path in scene.statuses if "klines" in path] == []

    play(story, **wanted)


def test_an_interval_the_venue_has_not() -> None:
    async def story(scene: Scene) -> None:
        with pytest.raises(ConfigError, match="no bars of 1s"):
            await scene.backfill.run()

    play(story, venue="binance-usdm", instruments=("binance-usdm:BTC/USDT:USDT",), channels=("bars:1s",))


def test_which_trades_a_venue_gives_without_a_key() -> None:
    assert [trade_series(name) for name in ("binance", "binance-usdm", "okx")] == ["trades", "aggtrades", "trades"]

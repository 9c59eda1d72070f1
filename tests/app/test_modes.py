"""Fall-back to polling and back, in virtual time: no bar and no trade too few or twice, and every switch is told."""

import asyncio
from pathlib import Path

import pytest

from mode_fixtures import START_NS, House, Show, on, stream
from tapeline.config import ConnectionConfig
from tapeline.errors import Refused
from tapeline.model.event import Bar, ModeChange, Trade
from tapeline.model.interval import MINUTE_NS

WHO = "binance:BTC/USDT"


def opens(house: House, name: str, who: str = WHO) -> list[int]:
    with house.store() as store:
        return [(bar.open_at_ns - START_NS) // MINUTE_NS for bar in store.bars(who, name)]


def test_a_stream_that_dies_for_minutes_is_polled_and_comes_back_without_a_bar_too_few_or_twice(tmp_path: Path) -> None:
    house = House(tmp_path, stream("trades", "bars:1m", "bars:1m@trades"), faults=("cut@+150s+400s/all",))

    async def play(show: Show) -> None:
        await asyncio.sleep(200)
        assert show.switches() == [("websocket", "polling")]
        row = show.row("bars:1m")
        assert (row["uses"], row["mode"], row["mode_from"]) == ("polling", "auto", "default")
        assert "the stream failed 3 times" in row["why"]
        await asyncio.sleep(300)
        bars = [bar for bar in show.of(Bar, "bars:1m") if bar.closed]
        assert [bar.open_at_ns for bar in bars] == [START_NS + n * MINUTE_NS for n in range(8)], "while it is down"
        assert {bar.source for bar in bars[2:]} == {"rest"}
        await asyncio.sleep(400)
        assert show.switches() == [("websocket", "polling"), ("polling", "websocket")]
        assert show.row("bars:1m")["uses"] == "websocket"
        assert show.gaps("trades") == []
        assert show.gaps("bars:1m") == []
        trades = [trade.seq for trade in show.of(Trade, "trades")]
        assert trades == list(range(trades[0], trades[0] + len(trades))), "in order, each once"
        statistics = show.running.modes.statistics()
        assert (statistics.fallbacks, statistics.returns, statistics.polled) == (1, 1, 0)

    on(house, play)
    assert opens(house, "1m") == list(range(15))
    with house.store() as store:
        assert store.holes() == []
        told = store.coverage(WHO, "bars:1m")
        assert {(span.state, span.evidence) for span in told} == {("proven", "bars")}
        assert {span.source for span in told} == {"ws", "rest"}
        built, theirs = list(store.bars(WHO, "1m@trades")), {bar.open_at_ns: bar for bar in store.bars(WHO, "1m")}
    assert [bar.certificate for bar in built] == ["partial"] + ["complete"] * (len(built) - 1)
    assert len(built) >= 14
    for bar in built[1:]:
        assert (bar.close, bar.volume, bar.trades) == (
            theirs[bar.open_at_ns].close, theirs[bar.open_at_ns].volume, theirs[bar.open_at_ns].trades,
        )  # fmt: skip
        assert bar.revision == 1, "closed once, and whole"


def test_bars_of_a_stream_that_is_back_and_not_trusted_yet_close_on_time(tmp_path: Path) -> None:
    channels, settings = ("trades", "bars:1s@trades"), ConnectionConfig(reconnect_delay_s=0.2)
    house = House(tmp_path, stream(*channels), faults=("cut@+100s+1s/all",), connection=settings)

    async def play(show: Show) -> None:
        await asyncio.sleep(110)
        late = list[float]()
        for _ in range(30):
            await asyncio.sleep(1)
            assert show.row("trades")["uses"] == "polling"
            bars, trades = show.of(Bar, "bars:1s@trades"), show.of(Trade, "trades")
            late.append((trades[-1].at_ns - bars[-1].open_at_ns) / 1e9)
        assert max(late) < 5, "a second each, one of lateness, and what the market lets pass between two trades"

    on(house, play)


def test_a_venue_of_two_endpoints_falls_back_where_it_fails_and_merged_trades_come_once(tmp_path: Path) -> None:
    house = House(
        tmp_path, stream("trades", "bars:1m", "bars:1m@trades", venue="okx"), venue="okx",
        faults=("cut@+150s+200s/trades",),
    )  # fmt: skip
    who = "okx:BTC/USDT"

    async def play(show: Show) -> None:
        await asyncio.sleep(300)
        assert (show.row("trades")["uses"], show.row("bars:1m")["uses"]) == ("polling", "websocket")
        await asyncio.sleep(500)
        assert show.switches() == [("websocket", "polling"), ("polling", "websocket")]
        assert show.gaps("trades") == []

    on(house, play)
    with house.store() as store:
        assert store.holes() == []
        due = None
        for trade in store.trades(who):
            assert due is None or trade.first_id == due
            due = (trade.last_id or 0) + 1
        built = [bar for bar in store.bars(who, "1m@trades") if bar.certificate == "complete"]
        theirs = {bar.open_at_ns: bar for bar in store.bars(who, "1m")}
    assert len(built) >= 11
    assert all(bar.volume == theirs[bar.open_at_ns].volume for bar in built)


def test_where_fall_back_is_forbidden_the_stream_is_waited_for_and_repair_fills_the_hole(tmp_path: Path) -> None:
    house = House(
        tmp_path, stream("trades", "bars:1m", mode="hybrid", fallback_to_polling=False), faults=("cut@+150s+200s/all",)
    )

    async def play(show: Show) -> None:
        await asyncio.sleep(500)
        assert show.switches() == []
        assert len(show.gaps("trades")) == 1
        row = show.row("trades")
        assert (row["mode"], row["uses"], row["fallback"], row["fallback_from"]) == (
            "hybrid", "websocket", False, "[stream[0]] fallback_to_polling",
        )  # fmt: skip

    on(house, play)
    with house.store() as store:
        assert store.holes() == []


def test_a_short_cut_is_no_reason_to_poll(tmp_path: Path) -> None:
    house = House(tmp_path, stream("trades"), faults=("cut@+100s",))

    async def play(show: Show) -> None:
        await asyncio.sleep(200)
        assert show.switches() == []
        assert show.row("trades")["failures"] == 0, "forgiven"

    on(house, play)


def test_a_mode_set_at_run_time_switches_without_a_hole_and_back(tmp_path: Path) -> None:
    house = House(tmp_path, stream("trades", "bars:1m", "bars:1m@trades"))

    async def play(show: Show) -> None:
        modes = show.running.modes
        await asyncio.sleep(100)
        modes.set_mode("polling")
        await asyncio.sleep(200)
        assert {trade.source for trade in show.of(Trade)[-10:]} == {"rest"}
        modes.set_mode("websocket", WHO)
        await asyncio.sleep(100)
        assert {trade.source for trade in show.of(Trade)[-10:]} == {"ws"}
        assert show.row("trades")["mode_from"] == "overrides.json instruments"
        modes.set_mode(None)
        assert show.row("trades")["mode_from"] == "default"
        with pytest.raises(Refused, match="is no mode"):
            modes.set_mode("fast")
        await asyncio.sleep(100)
        assert [(each.before, each.after, each.mode) for each in show.of(ModeChange)] == [
            ("websocket", "polling", "polling"), ("polling", "websocket", "websocket"),
        ]  # fmt: skip
        assert show.gaps("trades") == show.gaps("bars:1m") == []

    on(house, play)
    assert opens(house, "1m") == list(range(8))
    with house.store() as store:
        assert store.holes() == []
        assert {bar.certificate for bar in list(store.bars(WHO, "1m@trades"))[1:]} == {"complete"}

"""Fall-back to polling and back, in virtual time: no bar and no trade too few or twice, and every switch is told."""

import asyncio
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from mode_fixtures import START_NS, House, Show, on, stream
from tapeline.config import StreamConfig, VenueConfig
from tapeline.errors import ConfigError, Refused
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


def test_polling_from_the_start_opens_no_connection_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    house = House(tmp_path, stream("trades", "bars:1m", "bars:1m@trades", mode="polling"))

    async def play(show: Show) -> None:
        await asyncio.sleep(330)
        assert [each for desk in show.running.instance.desks.values() for each in desk.statistics()] == []
        assert show.row("bars:1m")["why"] == "mode polling"
        assert show.gaps("trades") == show.gaps("bars:1m") == []
        assert {event.source for event in show.of(Trade)} == {"rest"}
        (polling,) = show.running.modes.polling()
        assert (polling.venue, polling.series, polling.failures, polling.every_s) == ("binance", 2, 0, 10.0)

    on(house, play, play, between_s=100)
    assert opens(house, "1m") == list(range(12)), "and what was missed between the two runs"
    with house.store() as store:
        assert store.holes() == []
        assert {span.source for span in store.coverage(WHO, "bars:1m")} == {"rest"}
        ids = [trade.seq or 0 for trade in store.trades(WHO)]
        built = {bar.open_at_ns: bar for bar in store.bars(WHO, "1m@trades")}
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert built[START_NS + 2 * MINUTE_NS].certificate == "complete"


def test_bars_of_many_symbols_and_intervals_cost_one_request_a_close(tmp_path: Path) -> None:
    house = House(
        tmp_path, stream("bars:1m", "bars:5m", "bars:1h", symbols=("BTC/USDT", "ETH/USDT", "ETH/BTC"), mode="polling"),
        listed=3,
    )  # fmt: skip

    async def play(_show: Show) -> None:
        await asyncio.sleep(100)
        before = len([each for each in house.asked if each.path.endswith("/klines")])
        await asyncio.sleep(600)
        asked = len([each for each in house.asked if each.path.endswith("/klines")]) - before
        assert asked == 3 * (10 + 2), "each symbol: ten of a minute, two of five"

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


def test_rest_in_trouble_delays_polling_and_loses_nothing(tmp_path: Path) -> None:
    house = House(
        tmp_path, stream("trades", "bars:1m", mode="polling"),
        faults=("500@+100s+60s", "ban@+200s:60", "empty@+300s+20s", "short@+350s+30s", "half_body@+400s+30s"),
    )  # fmt: skip

    async def play(show: Show) -> None:
        await asyncio.sleep(610)
        (polling,) = show.running.modes.polling()
        assert polling.failures > 0
        assert polling.trouble

    on(house, play)
    assert opens(house, "1m") == list(range(10))
    with house.store() as store:
        assert store.holes() == []
        ids = [trade.seq or 0 for trade in store.trades(WHO)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert house.sim.impatient == 0, "silence was kept where the venue asked for it"


def test_who_keeps_a_stream_where_the_venue_takes_few_topics(tmp_path: Path) -> None:
    house = House(
        tmp_path, stream("bars:1m", symbols=("BTC/USDT", "ETH/USDT")), stream("trades", symbols=("ETH/BTC",)),
        stream("quotes", symbols=("BTC/USDT",)), listed=3,
    )  # fmt: skip
    first, second, third = house.config.stream
    streams = (first, replace(second, websocket_priority=5), third)
    house.config = replace(house.config, venue={"binance": VenueConfig(max_topics=2)}, stream=streams)

    async def play(show: Show) -> None:
        await asyncio.sleep(130)
        uses = {(row["instrument"], *row["channels"]): row["uses"] for row in show.running.modes.rows()}
        assert uses == {
            ("binance:BTC/USDT", "bars:1m"): "polling", ("binance:ETH/USDT", "bars:1m"): "polling",
            ("binance:ETH/BTC", "trades"): "websocket", ("binance:BTC/USDT", "quotes"): "websocket",
        }  # fmt: skip
        assert "higher websocket_priority" in show.row("bars:1m", "binance:BTC/USDT")["why"]
        assert [bar.source for bar in show.of(Bar, "bars:1m")] == ["rest"] * 4

    on(house, play)


@pytest.mark.parametrize(
    ("streams", "fault"),
    [
        ((stream("trades", "book", mode="polling"),), "book .* cannot be polled: no REST call brings it whole"),
        ((stream("trades", mode="polling"), stream("trades", mode="hybrid")), "asked for as polling .* and as hybrid"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(tmp_path: Path, streams: tuple[StreamConfig, ...], fault: str) -> None:
    async def play(_show: Show) -> None:
        raise AssertionError("it starts")

    with pytest.raises(ExceptionGroup) as told:
        on(House(tmp_path, *streams), play)
    (error,) = told.value.exceptions
    assert isinstance(error, ConfigError)
    assert re.search(fault, str(error))


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

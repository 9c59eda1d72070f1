"""Polling in virtual time: at bar closes, over restarts, with REST in trouble."""

import asyncio
from pathlib import Path

from mode_fixtures import START_NS, House, Show, on, stream
from tapeline.model.event import Trade
from tapeline.model.interval import MINUTE_NS

WHO = "binance:BTC/USDT"


def opens(house: House, name: str, who: str = WHO) -> list[int]:
    with house.store() as store:
        return [(bar.open_at_ns - START_NS) // MINUTE_NS for bar in store.bars(who, name)]


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

"""Fall-back to polling and back, in virtual time: no bar and no trade too few or twice, and every switch is told."""

import asyncio
from pathlib import Path

from mode_fixtures import START_NS, House, Show, on, stream
from tapeline.model.event import Bar, Trade
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

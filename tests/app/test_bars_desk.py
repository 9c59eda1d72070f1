import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tapeline.app.bars import BarDesk
from tapeline.config import BarsConfig
from tapeline.market.bus import Bus
from tapeline.model.channel import channel
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import SECOND_NS

BTC = "binance:BTC/USDT"
START_NS = 1_723_161_600_000_000_000  # a whole minute
Staged = Callable[..., None]


def test_built_bars_equal_the_venues_own(staged: Staged) -> None:
    async def play(on: Any) -> None:
        built, theirs = on.collect(channel="bars:1m@trades"), on.collect(channel="bars:1m")
        await on.instance.subscribe(BTC, ["bars:1m@trades", "bars:1m"])
        await asyncio.sleep(400)
        own = {bar.open_at_ns: bar for bar in built if isinstance(bar, Bar) and bar.certificate == "complete"}
        venue = {bar.open_at_ns: bar for bar in theirs if isinstance(bar, Bar) and bar.closed}
        both = own.keys() & venue.keys()
        assert len(both) >= 4
        for at in both:
            for name in ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume"):
                assert getattr(own[at], name) == getattr(venue[at], name), name

    staged(play)


def test_several_intervals_come_from_one_pass(staged: Staged) -> None:
    async def play(on: Any) -> None:
        seconds, minutes = on.collect(channel="bars:1s@trades"), on.collect(channel="bars:1m@trades")
        await on.instance.subscribe(BTC, ["bars:1s@trades"])
        await on.instance.subscribe(BTC, ["bars:1m@trades"])
        await asyncio.sleep(200)
        whole = next(bar for bar in minutes if bar.certificate == "complete")
        parts = [bar for bar in seconds if whole.open_at_ns <= bar.open_at_ns < whole.open_at_ns + 60_000_000_000]
        assert sum(bar.volume for bar in parts) == whole.volume
        assert sum(bar.trades for bar in parts) == whole.trades
        desk = await on.instance.desk("binance")
        (builders,) = [list(each.builders()) for each in desk._bar_desks.values()]
        assert len(builders) == 1

    staged(play)


def test_a_bar_that_a_gap_touches_is_partial_and_the_next_is_not(staged: Staged) -> None:
    async def play(on: Any) -> None:
        bars = on.collect(channel="bars:1m@trades")
        await on.instance.subscribe(BTC, ["bars:1m@trades"])
        await asyncio.sleep(330)
        certificates = [bar.certificate for bar in sorted(bars, key=lambda bar: bar.open_at_ns)]
        assert certificates[2] == "partial"
        assert certificates[3] == "complete"

    staged(play, faults=("cut@+150s+5s",))


def test_empty_intervals_can_be_carried(staged: Staged) -> None:
    async def play(on: Any) -> None:
        bars = on.collect(channel="bars:1s@trades")
        await on.instance.subscribe(BTC, ["bars:1s@trades"])
        await asyncio.sleep(60)
        opens = [bar.open_at_ns for bar in bars]
        assert opens == list(range(opens[0], opens[0] + len(opens) * 1_000_000_000, 1_000_000_000))
        assert any(bar.trades == 0 for bar in bars)

    staged(play, empty="carry", rate=20)


def test_bars_end_with_their_topic(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["bars:1m@trades"])
        await on.instance.unsubscribe(BTC, ["bars:1m@trades"])
        desk = await on.instance.desk("binance")
        assert [list(each.builders()) for each in desk._bar_desks.values()] == [[]]

    staged(play)


def test_a_bar_waits_for_trades_that_another_connection_may_still_bring() -> None:
    def trade(seq: int, at_s: float) -> Trade:
        at_ns = START_NS + round(at_s * SECOND_NS)
        return Trade(BTC, "trades", at_ns, at_ns, "ws", str(seq), seq, "buy", Decimal(1), Decimal(1))

    lacking: list[int | None] = [None]
    bus, bars = Bus(failed=lambda *_: None, now=lambda: 0.0), list[Bar]()
    bus.subscribe(bars.append, types=(Bar,), name="test")
    desk = BarDesk(bus, BarsConfig(), lambda: 0, lambda _instrument, _channel: lacking[0])
    listed = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
    desk.build(listed, channel("bars:1m@trades"))
    bus.publish_all([trade(1, 1), trade(2, 58)])
    lacking[0] = START_NS + 58 * SECOND_NS  # the third has not come, the fourth waits for it
    desk.watermark.stamp(START_NS + 63 * SECOND_NS, START_NS + 63 * SECOND_NS)
    desk.advance()
    assert bars == []
    lacking[0] = None
    bus.publish_all([trade(3, 59), trade(4, 63)])
    desk.watermark.stamp(START_NS + 64 * SECOND_NS, START_NS + 64 * SECOND_NS)
    desk.advance()
    assert [(bar.trades, bar.revision) for bar in bars] == [(3, 1)]


def _desk(seen: list[Any]) -> tuple[Bus, BarDesk]:
    def fail(_handle: object, event: object, error: Exception) -> None:
        raise AssertionError(event) from error

    bus = Bus(failed=fail)
    bus.subscribe(seen.append)
    desk = BarDesk(bus, BarsConfig(), lambda: 99)
    spot = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
    desk.build(spot, channel("bars:1m@trades"))
    desk.build(spot, channel("bars:1m@trades"))
    return bus, desk


def _trade(seq: int, at_s: int, source: str = "ws") -> Trade:
    at_ns = at_s * SECOND_NS
    return Trade(BTC, "trades", at_ns, at_ns, source, str(seq), seq, "buy", Decimal(seq), Decimal(1))


def test_repaired_trades_reach_everybody_at_once_and_the_builder_in_one_piece() -> None:
    seen = list[Any]()
    bus, desk = _desk(seen)
    hole = Gap(BTC, "trades", 80 * SECOND_NS, 0, "built", 70 * SECOND_NS, 80 * SECOND_NS, 2, 5, "link_down")
    bus.publish_all([_trade(1, 10), _trade(2, 70), hole, _trade(5, 80), _trade(6, 125)])
    desk.watermark.stamp(125 * SECOND_NS, 125 * SECOND_NS)
    desk.advance()
    assert [(bar.certificate, bar.trades) for bar in seen if isinstance(bar, Bar)] == [("partial", 1), ("partial", 2)]
    missing = [_trade(3, 72, "rest"), _trade(4, 75, "rest")]
    desk.publish_repaired(missing)
    assert seen[-2:] == missing, "no bar for each"
    desk.repair(BTC, "trades", missing, [(70 * SECOND_NS, 80 * SECOND_NS + 1)])
    desk.repair("binance:NO/ONE", "trades", missing, [])
    bar = seen[-1]
    assert (bar.certificate, bar.trades, bar.revision, bar.high, bar.close) == (
        "repaired",
        4,
        2,
        Decimal(5),
        Decimal(5),
    )
    assert seen[-2] == missing[-1], "one revision, not one a trade"


def test_bars_that_are_handed_over_close_by_the_other_desks_watermark() -> None:
    seen = list[Any]()
    bus, desk = _desk(seen)
    bus.publish_all([_trade(1, 10), _trade(2, 70)])
    other = BarDesk(bus, BarsConfig(), lambda: 99)
    desk.hand_over(BTC, "trades", other)
    desk.hand_over(BTC, "trades", other)
    assert desk.builder(BTC, "trades") is None
    assert (desk.intervals(BTC, "trades"), other.intervals(BTC, "trades")) == ((), ("1m",))
    bus.publish(_trade(3, 90))
    for each in (desk, other):
        each.watermark.stamp(150 * SECOND_NS, 150 * SECOND_NS)
        each.advance()
    bars = [bar for bar in seen if isinstance(bar, Bar)]
    assert [(bar.open_at_ns // SECOND_NS, bar.trades) for bar in bars] == [(0, 1), (60, 2)], "each once"
    other.drop(BTC, "trades")
    bus.publish(_trade(4, 160))
    assert list(other.builders()) == []

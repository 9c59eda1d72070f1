import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, BookDelta, BookSnapshot, Event, Gap, Link, Quote, Trade
from tapeline.outlet import Outlet
from tapeline.sim.loop import VirtualClock, run

BTC = "binance:BTC/USDT"


def trade(seq: int) -> Trade:
    return Trade(BTC, "trades", seq, seq, "ws", str(seq), seq, "buy", Decimal(1), Decimal(1))


def quote(bid: int, instrument: str = BTC) -> Quote:
    return Quote(instrument, "quotes", None, bid, "ws", Decimal(bid), Decimal(1), Decimal(bid + 1), Decimal(1))


def gap(after_ns: int) -> Gap:
    return Gap(BTC, "quotes", None, 1, "built", after_ns, after_ns + 1, None, None, "link_down")


async def drained(outlet: Outlet) -> list[Any]:
    outlet.close()
    return [event async for event in outlet]


def in_world(main: Coroutine[Any, Any, Any]) -> Any:
    return run(main)


def test_everything_comes_out_in_order() -> None:
    async def main() -> None:
        outlet = Outlet()
        for i in range(5):
            outlet.put(trade(i))
        assert [event.seq for event in await drained(outlet)] == [0, 1, 2, 3, 4]
        outlet.put(trade(9))
        assert outlet.statistics().taken == 5

    in_world(main())


def test_a_reader_that_waits_is_woken() -> None:
    async def main() -> None:
        outlet = Outlet()
        asyncio.get_running_loop().call_later(5, outlet.put, trade(1))
        assert (await anext(outlet)).seq == 1
        asyncio.get_running_loop().call_later(5, outlet.close)
        with pytest.raises(StopAsyncIteration):
            await anext(outlet)

    in_world(main())


def test_drop_oldest_keeps_the_newest_and_counts() -> None:
    async def main() -> None:
        outlet = Outlet("drop_oldest", 3)
        for i in range(10):
            outlet.put(trade(i))
        assert [event.seq for event in await drained(outlet)] == [7, 8, 9]
        assert (outlet.statistics().dropped, outlet.statistics().delivered) == (7, 3)

    in_world(main())


def test_batches_hold_all_that_waits() -> None:
    async def main() -> None:
        outlet = Outlet(batch=True)
        outlet.put(trade(1))
        outlet.put(trade(2))
        assert [event.seq for event in await anext(outlet)] == [1, 2]

    in_world(main())


def test_conflate_keeps_the_newest_of_each_and_every_gap() -> None:
    async def main() -> None:
        outlet = Outlet("conflate")
        for event in (quote(1), gap(1), quote(5, "okx:BTC/USDT"), quote(2), gap(2), quote(3)):
            outlet.put(event)
        assert await drained(outlet) == [quote(3), gap(1), quote(5, "okx:BTC/USDT"), gap(2)]
        assert outlet.statistics().conflated == 2

    in_world(main())


def bar(minute: int, close: int, *, closed: bool = False) -> Bar:
    one = Decimal(close)
    return Bar(BTC, "bars:1m", None, 1, "ws", "1m", minute, one, one, one, one, one, None, 1, None, 1, 1, closed)


def link(connection: str) -> Link:
    return Link(None, "link", None, 1, "ws", "binance", connection, (), "down", "backing_off", "cut")


def test_a_closed_bar_is_not_lost_to_the_next_one() -> None:
    async def main() -> None:
        outlet = Outlet("conflate")
        for event in (bar(0, 1), bar(0, 2), bar(0, 3, closed=True), bar(60, 4), bar(60, 5)):
            outlet.put(event)
        assert await drained(outlet) == [bar(0, 3, closed=True), bar(60, 5)]

    in_world(main())


def test_links_and_gaps_each_count() -> None:
    async def main() -> None:
        outlet = Outlet("conflate")
        events: list[Event] = [link("1"), link("2"), link("1"), gap(1), gap(1)]
        for event in events:
            outlet.put(event)
        assert await drained(outlet) == events
        assert outlet.statistics().conflated == 0

    in_world(main())


def delta(seq: int, *bids: tuple[str, str], checksum: int | None = None) -> BookDelta:
    return BookDelta(BTC, "book", seq, seq, "ws", bids, (("9", str(seq)),), seq, seq, seq - 1, checksum)


def test_deltas_of_a_book_become_one_that_does_the_same() -> None:
    async def main() -> None:
        outlet = Outlet("conflate")
        outlet.put(delta(1, ("5", "1"), ("4", "1")))
        outlet.put(delta(2, ("5", "0"), ("3", "2")))
        outlet.put(delta(3, ("5", "7"), checksum=11))
        (one,) = await drained(outlet)
        assert one == BookDelta(
            BTC, "book", 3, 3, "ws", (("5", "7"), ("4", "1"), ("3", "2")), (("9", "3"),), 1, 3, 0, 11
        )

    in_world(main())


def test_a_snapshot_has_all_the_deltas_that_wait_before_it() -> None:
    async def main() -> None:
        outlet = Outlet("conflate")
        snapshot = BookSnapshot(BTC, "book", 5, 5, "ws", (("5", "1"),), (), None, 5)
        older = BookSnapshot(BTC, "book", 1, 1, "ws", (("5", "1"),), (), None, 1)
        for event in (older, delta(2), snapshot, delta(6)):
            outlet.put(event)
        assert await drained(outlet) == [snapshot, delta(6)]
        assert outlet.statistics().conflated == 2

    in_world(main())


def test_a_key_of_ones_own() -> None:
    async def main() -> None:
        outlet = Outlet("conflate", key=lambda event: event.instrument)
        for event in (quote(1), bar(0, 1), quote(2, "okx:BTC/USDT"), bar(60, 2)):
            outlet.put(event)
        assert await drained(outlet) == [bar(60, 2), quote(2, "okx:BTC/USDT")]

    in_world(main())


def test_what_cannot_be_conflated_is_refused_before_it_comes() -> None:
    for channel in ("trades", "aggtrades", "liquidations"):
        with pytest.raises(ConfigError, match=f"{channel} cannot be conflated"):
            Outlet(max_per_s=1).check(channel)
        Outlet("block").check(channel)
    with pytest.raises(ConfigError, match="all channels, with trades among them, cannot be conflated"):
        Outlet("conflate").check(None)
    Outlet("conflate").check("quotes")
    Outlet().check(None)


def test_paced_batches_hold_the_newest_of_each() -> None:
    async def main() -> None:
        outlet = Outlet(max_per_s=2, batch=True, clock=VirtualClock(0))
        loop = asyncio.get_running_loop()
        for i in range(1, 12):
            loop.call_later(i * 0.1, outlet.put, quote(i))
            loop.call_later(i * 0.1, outlet.put, quote(i, "okx:BTC/USDT"))
        assert [event.bid for event in await anext(outlet)] == [1, 1]
        assert [event.bid for event in await anext(outlet)] == [6, 6]

    in_world(main())


def test_a_block_outlet_read_in_batches_makes_room_at_once() -> None:
    async def main() -> None:
        outlet = Outlet("block", 2, batch=True)
        outlet.put(trade(1))
        outlet.put(trade(2))
        waiting = asyncio.ensure_future(outlet.wait_room())
        await asyncio.sleep(0)
        assert len(await anext(outlet)) == 2
        await asyncio.wait_for(waiting, 30)

    in_world(main())


def test_conflate_is_bounded_too() -> None:
    async def main() -> None:
        outlet = Outlet("conflate", 2, batch=True)
        for i in range(4):
            outlet.put(quote(1, f"binance:{i}"))
        assert [event.instrument for event in await anext(outlet)] == ["binance:2", "binance:3"]
        assert outlet.statistics().dropped == 2

    in_world(main())


def test_trades_are_never_conflated() -> None:
    async def main() -> None:
        for outlet in (Outlet("conflate"), Outlet(max_per_s=10)):
            with pytest.raises(ConfigError, match="trades cannot be conflated"):
                outlet.put(trade(1))

    in_world(main())


def test_max_per_s_paces_and_gives_the_newest() -> None:
    async def main() -> None:
        clock = VirtualClock(0)
        outlet = Outlet(max_per_s=2, clock=clock)
        loop = asyncio.get_running_loop()
        for i in range(1, 100):
            loop.call_later(i * 0.1, outlet.put, quote(i))
        began = loop.time()
        got = [(await anext(outlet)).bid for _ in range(4)]
        assert loop.time() - began == pytest.approx(1.6)
        assert got == [1, 6, 11, 16]

    in_world(main())


def test_block_holds_the_feed_until_there_is_room() -> None:
    async def main() -> None:
        outlet = Outlet("block", 4)
        for i in range(4):
            outlet.put(trade(i))
        assert outlet.blocked
        waiting = asyncio.ensure_future(outlet.wait_room())
        for i in range(3):
            assert not waiting.done()
            assert (await anext(outlet)).seq == i
        await waiting
        assert outlet.statistics().dropped == 0

    in_world(main())


def test_closing_frees_whoever_waits_for_room() -> None:
    async def main() -> None:
        outlet = Outlet("block", 1)
        outlet.put(trade(1))
        waiting = asyncio.ensure_future(outlet.wait_room())
        await asyncio.sleep(0)
        outlet.close()
        await waiting

    in_world(main())


def test_closing_tells_whoever_feeds_it_once() -> None:
    async def main() -> None:
        outlet, told = Outlet(), list[str]()
        outlet.on_close(lambda: told.append("first"))
        outlet.put(trade(1))
        outlet.close()
        outlet.close()
        outlet.on_close(lambda: told.append("late"))
        outlet.put(trade(2))
        assert told == ["first", "late"]
        assert [event.seq async for event in outlet] == [1]

    in_world(main())


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"max_per_s": 0},
        {"max_per_s": float("nan")},
        {"policy": "forget"},
        {"policy": "block", "max_per_s": 1},
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Outlet(**options)

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tapeline.app.instance import Answer
from tapeline.app.status import status
from tapeline.config import ConnectionConfig
from tapeline.errors import ConfigError, NotHeld, UnknownInstrument
from tapeline.model.event import Link, Notice, Quote, Trade
from tapeline.outlet import Outlet

BTC = "binance:BTC/USDT"
Staged = Callable[..., None]


def test_every_channel_is_answered_and_delivers(staged: Staged) -> None:
    async def play(on: Any) -> None:
        trades = on.collect(channel="trades", instrument=BTC)
        quotes = on.collect(channel="quotes")
        answers = await on.instance.subscribe(BTC, ["trades", "quotes", "book", "bars:1m", "bars:1m@trades"])
        assert answers == [
            Answer(BTC, name, "live") for name in ("trades", "quotes", "book", "bars:1m", "bars:1m@trades")
        ]
        await asyncio.sleep(90)
        assert all(isinstance(event, Trade) for event in trades)
        seqs = [event.seq or 0 for event in trades if isinstance(event, Trade)]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert {type(event) for event in quotes} == {Quote}
        bid, ask = on.instance.book(BTC).best()
        assert bid is not None
        assert ask is not None
        assert Decimal(0) < bid[0] < ask[0]

    staged(play)


def test_the_native_name_is_accepted_and_answered_with_the_unified_one(staged: Staged) -> None:
    async def play(on: Any) -> None:
        before, after = list[Quote](), list[Quote]()
        on.instance.on(before.append, instrument="binance:BTCUSDT", of="quotes")
        (answer,) = await on.instance.subscribe("binance:BTCUSDT", ["quotes"])
        assert answer == Answer(BTC, "quotes", "live")
        on.instance.on(after.append, instrument="binance:BTCUSDT", of="quotes")
        await asyncio.sleep(60)
        assert {quote.instrument for quote in before} == {quote.instrument for quote in after} == {BTC}
        assert before[-1] == after[-1]

    staged(play)


def test_what_is_unknown_is_said_before_anything_is_dialled(staged: Staged) -> None:
    async def play(on: Any) -> None:
        with pytest.raises(UnknownInstrument, match="binance lists no 'BTC/USDX': did you mean BTC/USDT"):
            await on.instance.subscribe("binance:BTC/USDX", ["trades"])
        with pytest.raises(ConfigError, match="did you mean 'trades'"):
            await on.instance.subscribe(BTC, ["trade"])
        with pytest.raises(ConfigError, match="binance has no channel 'mark'"):
            await on.instance.subscribe(BTC, ["mark"])
        with pytest.raises(ConfigError, match="unknown venue 'binanc'"):
            await on.instance.subscribe("binanc:BTC/USDT", ["trades"])
        with pytest.raises(ConfigError, match="subscribe to it first"):
            on.instance.book(BTC)
        assert on.sim.dialled == 0

    staged(play)


def test_the_last_user_of_a_topic_unsubscribes_it(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["trades", "quotes"])
        await on.instance.subscribe(BTC, ["trades"])
        await on.instance.unsubscribe(BTC, ["trades"])
        await asyncio.sleep(5)
        assert not [raw for _, way, raw in on.frames if way == "out" and b"UNSUBSCRIBE" in raw]
        await on.instance.unsubscribe(BTC, ["trades"])
        await asyncio.sleep(5)
        (raw,) = [raw for _, way, raw in on.frames if way == "out" and b"UNSUBSCRIBE" in raw]
        assert b"btcusdt@trade" in raw
        got = on.collect(channel="trades")
        await asyncio.sleep(30)
        assert got == []

    staged(play)


def test_a_callback_that_raises_hurts_nobody_else_and_is_suspended(staged: Staged) -> None:
    async def play(on: Any) -> None:
        def broken(_event: object) -> None:
            raise ValueError("user bug")

        on.instance.on(broken, instrument=BTC, of="trades")
        others = on.collect(channel="trades")
        notices = on.collect(types=(Notice,))
        await on.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(60)
        assert len(others) > 20
        assert on.instance.problems.counts["binance", "subscriber"] == 10
        (notice,) = notices
        assert isinstance(notice, Notice)
        assert notice.code == "subscriber_suspended"
        assert "broken failed 10 times in a row" in notice.text

    staged(play)


def test_links_and_notices_are_channels_of_their_own(staged: Staged) -> None:
    async def play(on: Any) -> None:
        links: list[Link] = []
        notices: list[Notice] = []
        on.instance.on(links.append, of="link")
        on.instance.on(notices.append, of="notice")

        def broken(trade: Trade) -> None:
            raise ValueError(trade.id)

        on.instance.on(broken, of="trades")
        await on.instance.subscribe(BTC, ["trades", "quotes"])
        await asyncio.sleep(60)
        assert links[-1].change == "up"
        assert [notice.code for notice in notices] == ["subscriber_suspended"]
        with pytest.raises(ConfigError, match="unknown channel 'notices'"):
            on.instance.on(print, of="notices")
        with pytest.raises(ConfigError, match="unknown channel 'link'"):
            await on.instance.subscribe(BTC, ["link"])

    staged(play)


def test_an_outlet_reads_at_its_own_pace_and_block_stops_the_feed(staged: Staged) -> None:
    async def play(on: Any) -> None:
        outlet = Outlet("block", 5, clock=on.clock)
        on.instance.outlet(outlet, instrument=BTC, of="trades")
        await on.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(30)
        assert outlet.statistics().waiting < 20, "the feed stops reading soon after the mark"
        (told,) = status(on.instance, state="running", now_ns=1, parts={})["outlets"]
        assert (told["channel"], told["instrument"], told["policy"], told["blocked"]) == ("trades", BTC, "block", True)
        assert told["waiting"] == outlet.statistics().waiting
        seqs = [(await anext(outlet)).seq for _ in range(40)]
        assert seqs == list(range(seqs[0], seqs[0] + 40))
        other = Outlet(clock=on.clock)
        handle = on.instance.outlet(other, instrument=BTC, of="trades")
        before = len(on.instance.bus.statistics())
        outlet.close()
        await asyncio.sleep(30)
        assert other.statistics().waiting > 20, "nobody holds the feed back any more"
        assert len(on.instance.bus.statistics()) == before - 1
        handle.close()
        other.close()
        assert len(on.instance.bus.statistics()) == before - 2
        assert status(on.instance, state="running", now_ns=1, parts={})["outlets"] == []

    staged(play)


def test_an_outage_is_one_down_and_one_up_and_points_go_on(staged: Staged) -> None:
    async def play(on: Any) -> None:
        links = on.collect(types=(Link,))
        await on.instance.subscribe(BTC, ["trades", "quotes"])
        await asyncio.sleep(60)
        changes = [link.change for link in links if isinstance(link, Link) and link.change != "state"]
        assert changes == ["up", "down", "up"]
        assert [link.change for link in on.instance.links if link.change != "state"] == changes
        assert set(on.instance.points()) == {(BTC, "trades"), (BTC, "quotes")}
        assert on.instance.open_gaps() == []
        assert not on.instance.given_up

    staged(play, faults=("cut@+20s+2s",))


def test_attempts_can_be_bounded(staged: Staged) -> None:
    async def play(on: Any) -> None:
        settings = ConnectionConfig(reconnect_attempts=3)
        links = on.collect(types=(Link,))
        await on.instance.subscribe(BTC, ["trades"], settings=settings)
        await asyncio.sleep(120)
        assert on.instance.given_up
        last = links[-1]
        assert isinstance(last, Link)
        assert (last.final, last.change) == (True, "down")
        (gap,) = on.instance.open_gaps()
        assert (gap.channel, gap.cause, gap.open) == ("trades", "link_down", True)

    staged(play, faults=("cut@+20s", "refuse@+20s+10m"))


def test_a_book_that_is_not_kept_is_an_error(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["book:5"])
        desk = await on.instance.desk("binance")
        with pytest.raises(NotHeld):
            desk.books.book(BTC, "book")

    staged(play)


def test_an_exception_of_the_block_comes_out_as_it_is(staged: Staged) -> None:
    async def play(on: Any) -> None:
        with pytest.raises(KeyError, match="mine"):
            async with on.instance.running():
                raise KeyError("mine")

    staged(play)


def test_what_a_venue_says_of_itself_is_told_whatever_venue_it_is(
    staged: Staged, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(on: Any) -> None:
        notices = on.collect(channel="notice", types=(Notice,))
        answers = await on.instance.subscribe("okx:BTC/USDT", ["trades", "status"])
        assert [answer.state for answer in answers] == ["live", "live"]
        await asyncio.sleep(60)
        (notice,) = notices
        assert (notice.venue, notice.code) == ("okx", "64008")

    staged(play, venue="okx", faults=("closing@+20s+20s",))
    assert "code=64008" in capsys.readouterr().out

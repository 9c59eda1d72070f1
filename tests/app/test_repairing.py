"""Repair in a running instance, in virtual time: a simulated venue with its REST history, a store, a ledger."""

import asyncio
import sqlite3
from pathlib import Path

from repair_fixtures import FIELDS, START_NS, Scene, Theatre, agree_with_the_venue, held_ids, played
from tapeline.model.event import Bar, Dispute, Gap, Link, Repair, Trade
from tapeline.model.interval import MINUTE_NS
from tapeline.store.reader import open_store
from tapeline.venues.spec import Request
from tapeline.wire.pipe import Response


def test_a_cut_is_filled_at_once_and_its_bar_comes_again_once(tmp_path: Path) -> None:
    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(178)
            assert scene.ledger.to_fetch("binance:BTC/USDT", "trades") == [], "within seconds of the reconnect"
            await asyncio.sleep(222)
            rest = [trade for trade in scene.of(Trade, "trades") if trade.source == "rest"]
            assert len(rest) > 10
            (gap,) = scene.of(Gap, "trades")
            assert [trade.seq for trade in rest] == list(range(gap.after_seq + 1, gap.before_seq))
            (repair,) = scene.of(Repair, "trades")
            assert (repair.state, repair.rows, repair.why) == ("repaired", len(rest), "fetched after link_down")
            bars = [bar for bar in scene.of(Bar, "bars:1m@trades") if bar.open_at_ns == START_NS + 2 * MINUTE_NS]
            assert [(bar.certificate, bar.revision) for bar in bars] == [("repaired", 1)], "it closed after the repair"
            assert scene.repairer.statistics().holes_filled == 1, "no bar of the venue's closed meanwhile"

        await on.run(play, "trades", "bars:1m", "bars:1m@trades")

    played(tmp_path, act, faults=("cut@+150s+20s",))
    ids = held_ids(tmp_path, "binance:BTC/USDT")
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert agree_with_the_venue(tmp_path, "binance:BTC/USDT", "1m@trades", "1m", but=1) >= 5
    with open_store(tmp_path) as store:
        assert store.holes() == []
        assert {span.state for span in store.coverage("binance:BTC/USDT", "trades")} == {"proven", "repaired"}


def test_a_bar_that_closed_partial_comes_again_with_the_next_revision(tmp_path: Path) -> None:
    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(300)
            bars = [bar for bar in scene.of(Bar, "bars:1m@trades") if bar.open_at_ns == START_NS + MINUTE_NS]
            assert [bar.revision for bar in bars] == list(range(1, len(bars) + 1))
            assert bars[-1].certificate == "repaired"
            assert len(bars) <= 2, "once closed, once repaired"

        await on.run(play, "trades", "bars:1m", "bars:1m@trades")

    played(tmp_path, act, faults=("cut@+110s+20s",))
    assert agree_with_the_venue(tmp_path, "binance:BTC/USDT", "1m@trades", "1m", but=1) >= 3


def test_what_was_missed_between_two_runs_is_filled_and_bars_across_them_are_whole(tmp_path: Path) -> None:
    channels = ("trades", "bars:1m", "bars:5m", "bars:1m@trades", "bars:5m@trades")

    async def first(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(390)

        await on.run(play, *channels, clean=False)
        await asyncio.sleep(200)

    async def second(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(500)

        await on.run(play, *channels)

    played(tmp_path, first, second)
    who = "binance:BTC/USDT"
    ids = held_ids(tmp_path, who)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert agree_with_the_venue(tmp_path, who, "1m@trades", "1m", but=1) >= 8
    with open_store(tmp_path) as store:
        assert store.holes() == []
        five = {bar.open_at_ns: bar for bar in store.bars(who, "5m@trades")}
        theirs = {bar.open_at_ns: bar for bar in store.bars(who, "5m")}
    second_five = START_NS + 5 * MINUTE_NS
    assert five[second_five].certificate == "repaired"
    assert all(getattr(five[second_five], name) == getattr(theirs[second_five], name) for name in FIELDS)
    assert five[START_NS].certificate == "partial", "nobody asked for what was before the first run"


def test_a_venue_that_does_not_answer_is_asked_again_later(tmp_path: Path) -> None:
    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(95)
            down = True

            async def fetch(base: str, request: Request) -> Response:
                if down and "historicalTrades" in request.path:
                    return Response(500, {}, b"oops")
                return await on.sim.fetch(base, request)

            on.fetch = fetch
            await asyncio.sleep(60)
            assert scene.ledger.to_fetch("binance:BTC/USDT", "trades") != []
            told = scene.repairer.statistics()
            assert told.trouble.startswith("binance:BTC/USDT trades: ")
            assert "500" in told.trouble
            assert told.holes_filled == 1, "the bars came"
            down = False
            await asyncio.sleep(300)
            assert scene.ledger.to_fetch("binance:BTC/USDT", "trades") == []
            assert scene.repairer.statistics().trouble == "", "it is over"

        await on.run(play, "trades", "bars:1m", "bars:1m@trades")

    played(tmp_path, act, faults=("cut@+100s+20s",))
    ids = held_ids(tmp_path, "binance:BTC/USDT")
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_what_the_venue_has_no_more_is_said_to_be_lost(tmp_path: Path) -> None:
    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            async def fetch(base: str, request: Request) -> Response:
                if "historicalTrades" in request.path:
                    return Response(200, {}, b"[]")
                return await on.sim.fetch(base, request)

            on.fetch = fetch
            await asyncio.sleep(200)
            (repair,) = scene.of(Repair, "trades")
            assert (repair.state, repair.cause) == ("unrecoverable", "link_down")
            assert "asked twice" in repair.why
            assert scene.repairer.statistics().holes_lost == 1

        await on.run(play, "trades", "bars:1m@trades")

    played(tmp_path, act, faults=("cut@+100s+20s",))
    with open_store(tmp_path) as store:
        (hole,) = store.holes()
        assert (hole.state, hole.channel) == ("unrecoverable", "trades")
        (bar,) = store.bars("binance:BTC/USDT", "1m@trades", START_NS + MINUTE_NS, START_NS + 2 * MINUTE_NS)
        assert bar.certificate == "partial"


def test_a_hole_that_holds_rows_already_waits_for_the_list_though_the_venue_gives_nothing(tmp_path: Path) -> None:
    """Its numbers came once, and no list said that they are all; now the venue has a bad hour."""

    async def act(on: Theatre) -> None:
        silent = ["aggTrades"]

        async def fetch(base: str, request: Request) -> Response:
            if any(name in request.path for name in silent):
                return Response(200, {}, b"[]")
            return await on.sim.fetch(base, request)

        async def play(scene: Scene) -> None:
            on.fetch = fetch
            await asyncio.sleep(125)
            came = {trade.seq for trade in scene.of(Trade, "trades") if trade.source == "rest"}
            assert len(came) > 10
            assert scene.ledger.to_fetch("binance:BTC/USDT", "trades") != [], "no list has shown that they are all"
            silent.append("historicalTrades")
            await asyncio.sleep(60)
            assert scene.of(Repair, "trades") == [], "nothing is given up that is held"
            silent.clear()
            await asyncio.sleep(400)
            (repair,) = scene.of(Repair, "trades")
            assert repair.state == "repaired"
            assert {trade.seq for trade in scene.of(Trade, "trades") if trade.source == "rest"} == came

        await on.run(play, "trades", "bars:1m@trades")

    played(tmp_path, act, faults=("cut@+100s+20s",))
    with open_store(tmp_path) as store:
        assert store.holes() == []


def test_trades_that_a_venue_merges_live_come_back_one_by_one_and_none_twice(tmp_path: Path) -> None:
    async def act(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(300)

        await on.run(play, "trades", "bars:1m", "bars:1m@trades")

    played(tmp_path, act, venue="okx", faults=("cut@+100s+20s",))
    with open_store(tmp_path) as store:
        assert store.holes() == []
        due = None
        for trade in store.trades("okx:BTC/USDT"):
            assert due is None or trade.first_id == due
            due = (trade.last_id or 0) + 1
    assert agree_with_the_venue(tmp_path, "okx:BTC/USDT", "1m@trades", "1m", but=1) >= 3


def test_what_was_missed_before_the_first_connection_is_fetched(tmp_path: Path) -> None:
    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(300)
            (gap,) = scene.of(Gap, "trades")
            assert (gap.cause, gap.after_seq) == ("late_start", None)
            assert gap.after_ns == START_NS
            assert {repair.why for repair in scene.of(Repair, "trades")} == {"fetched after late_start"}
            assert scene.ledger.to_fetch("binance:BTC/USDT", "bars:1m") == []
            trades = [trade.seq for trade in scene.of(Trade, "trades")]
            assert len(trades) == len(set(trades))

        await on.run(play, "trades", "bars:1m", "bars:1m@trades")

    played(tmp_path, act, faults=("refuse@+0s+100s",))
    with open_store(tmp_path) as store:
        assert store.holes() == []
        assert store.wanted_of("binance:BTC/USDT", "trades")[0][0] == START_NS
        minutes = [bar.open_at_ns for bar in store.bars("binance:BTC/USDT", "1m")]
        assert minutes[0] == START_NS
    ids = held_ids(tmp_path, "binance:BTC/USDT")
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert agree_with_the_venue(tmp_path, "binance:BTC/USDT", "1m@trades", "1m", but=0) >= 5


def test_a_bar_in_dispute_has_its_trades_asked_for_again(tmp_path: Path) -> None:
    who, lost = "binance:BTC/USDT", START_NS + 2 * MINUTE_NS

    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(240)
            writer = sqlite3.connect(tmp_path / "series.sqlite")
            gone = writer.execute("DELETE FROM trades WHERE at_ns BETWEEN ? AND ?", (lost, lost + 9 * 10**9)).rowcount
            writer.commit()
            before = len(scene.of(Trade, "trades"))
            for channel in ("bars:1m@trades", "bars:1m", "book"):
                scene.instance.bus.publish(
                    Dispute(who, channel, lost, lost, "rest", lost, lost + MINUTE_NS, "volume ours 1, theirs 2")
                )
            await asyncio.sleep(30)
            again = [trade for trade in scene.of(Trade, "trades")[before:] if trade.source == "rest"]
            assert len(again) == gone > 3, "only what was gone comes again"
            (repair,) = scene.of(Repair, "trades")
            assert (repair.from_ns, repair.to_ns, repair.state) == (lost, lost + MINUTE_NS, "repaired")
            other = lost - MINUTE_NS
            scene.instance.bus.publish(
                Dispute(who, "bars:1m@trades", other, other, "rest", other, lost, "volume ours 1, theirs 2")
            )
            await asyncio.sleep(30)
            told = scene.of(Repair, "trades")[-1]
            assert (told.state, told.rows, told.why) == ("proven", 0, "asked for again: nothing was missing")

        await on.run(play, "trades", "bars:1m", "bars:1m@trades")

    played(tmp_path, act)
    ids = held_ids(tmp_path, who)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    with open_store(tmp_path) as store:
        assert store.holes() == []


def test_a_doubt_takes_nothing_back_whatever_the_venue_says(tmp_path: Path) -> None:
    who = "binance:BTC/USDT"

    async def act(on: Theatre) -> None:
        async def nothing(base: str, request: Request) -> Response:
            if "rades" in request.path:
                return Response(200, {}, b"[]")
            return await on.sim.fetch(base, request)

        async def play(scene: Scene) -> None:
            await asyncio.sleep(200)
            on.fetch = nothing
            before = scene.ledger.coverage(who, "trades").spans(START_NS, START_NS + 3 * MINUTE_NS)
            scene.instance.bus.publish(
                Dispute(who, "bars:1m@trades", 1, 1, "rest", START_NS + MINUTE_NS, START_NS + 2 * MINUTE_NS, "ours 1")
            )
            await asyncio.sleep(60)
            assert [request.path for request in on.asked].count("/api/v3/aggTrades") >= 2, (
                "an empty answer is no answer"
            )
            assert scene.ledger.coverage(who, "trades").spans(START_NS, START_NS + 3 * MINUTE_NS) == before

        await on.run(play, "trades", "bars:1m", "bars:1m@trades")

    played(tmp_path, act)


def test_a_doubt_that_the_venue_did_not_answer_is_asked_again_later(tmp_path: Path) -> None:
    who, lost = "binance:BTC/USDT", START_NS + 2 * MINUTE_NS

    async def act(on: Theatre) -> None:
        async def broken(base: str, request: Request) -> Response:
            if "rades" in request.path:
                return Response(500, {}, b"oops")
            return await on.sim.fetch(base, request)

        async def play(scene: Scene) -> None:
            await asyncio.sleep(240)
            writer = sqlite3.connect(tmp_path / "series.sqlite")
            gone = writer.execute("DELETE FROM trades WHERE at_ns BETWEEN ? AND ?", (lost, lost + 9 * 10**9)).rowcount
            writer.commit()
            on.fetch = broken
            scene.instance.bus.publish(
                Dispute(who, "bars:1m@trades", lost, lost, "rest", lost, lost + MINUTE_NS, "volume ours 1, theirs 2")
            )
            await asyncio.sleep(60)
            assert scene.of(Repair, "trades") == []
            on.fetch = on.sim.fetch
            await asyncio.sleep(400)
            (repair,) = scene.of(Repair, "trades")
            assert (repair.state, repair.rows) == ("repaired", gone)

        await on.run(play, "trades", "bars:1m", "bars:1m@trades")

    played(tmp_path, act)


def test_forty_streams_are_whole_within_five_seconds_of_a_reconnect(tmp_path: Path) -> None:
    """Ten symbols in four intervals, an outage of half a minute over the end of an hour, 50 ms an answer."""
    hour_ns = START_NS + 60 * MINUTE_NS

    async def act(on: Theatre) -> None:
        async def slow(base: str, request: Request) -> Response:
            await asyncio.sleep(0.05)
            return await on.sim.fetch(base, request)

        async def play(scene: Scene) -> None:
            await asyncio.sleep((hour_ns - on.clock.wall_ns()) / 1e9 - 11)
            on.fetch, asked = slow, len(on.asked)
            up = asyncio.Event()
            scene.instance.bus.subscribe(lambda link: up.set() if link.change == "up" else None, types=(Link,))
            await up.wait()
            assert scene.repairer.statistics().holes_filled == 0
            await asyncio.sleep(5)
            assert [key for key in scene.ledger.series() if scene.ledger.to_fetch(*key)] == []
            assert scene.repairer.statistics().holes_filled == 40
            assert 40 <= len(on.asked) - asked <= 45, "one request a series, and a reading of the clock"

        await on.run(play, "bars:1m", "bars:5m", "bars:15m", "bars:1h", symbols=tuple(f"B{n}/USDT" for n in range(10)))

    start_ns = hour_ns - 2 * MINUTE_NS
    played(tmp_path, act, listed=10, rate=6, faults=("cut@+110s+30s/all",), start_ns=start_ns)
    with open_store(tmp_path) as store:
        assert store.holes() == []
        for n in range(10):
            assert [bar.open_at_ns for bar in store.bars(f"binance:B{n}/USDT", "1h")] == [START_NS]

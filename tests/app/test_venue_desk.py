import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from tapeline.config import ConnectionConfig
from tapeline.errors import ConfigError
from tapeline.model.channel import channel
from tapeline.model.event import Bar, Gap, Link
from tapeline.model.topic import Topic
from tapeline.wire.continuity import Point

BTC = "binance:BTC/USDT"
Staged = Callable[..., None]


def test_a_planned_re_dial_overlaps_and_loses_nothing(staged: Staged) -> None:
    async def play(on: Any) -> None:
        links, gaps = on.collect(types=(Link,)), on.collect(types=(Gap,))
        trades = on.collect(channel="trades")
        settings = ConnectionConfig(max_connection_age_s=120.0)
        await on.instance.subscribe(BTC, ["trades", "quotes", "book"], settings=settings)
        await asyncio.sleep(600)
        assert on.sim.dialled >= 5
        assert [link.change for link in links if link.change != "state"] == ["up"]
        assert gaps == []
        seqs = [trade.seq for trade in trades]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert on.instance.book(BTC).synchronised

    staged(play)


def test_the_venues_closing_notice_brings_a_successor_at_once(staged: Staged) -> None:
    async def play(on: Any) -> None:
        links, gaps = on.collect(types=(Link,)), on.collect(types=(Gap,))
        await on.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(120)
        assert [link.change for link in links if link.change != "state"] == ["up"]
        assert gaps == []
        assert on.sim.dialled == 2

    staged(play, faults=("closing@+30s+30s",))


def test_a_dead_topic_is_found_by_a_probe_and_what_it_missed_is_a_gap(staged: Staged) -> None:
    async def play(on: Any) -> None:
        gaps = on.collect(types=(Gap,), channel="trades")
        await on.instance.subscribe(BTC, ["trades", "quotes"])
        await asyncio.sleep(700)
        assert gaps
        assert {gap.cause for gap in gaps} <= {"silence", "id_jump", "link_down"}
        assert any("/trades" in url.lower() or "historicaltrades" in url.lower() for url in on.answers)

    staged(play, faults=("drop@+60s+5m:trades",))


def test_a_restart_is_announced_before_the_first_event(staged: Staged) -> None:
    async def play(on: Any) -> None:
        desk = await on.instance.desk("binance")
        desk._points = {(BTC, "trades"): Point(1, 2, 3)}  # what a store would have held
        events = on.collect(channel="trades")
        await on.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(30)
        gap, trade = events[:2]
        assert isinstance(gap, Gap)
        assert (gap.cause, gap.after_seq, gap.before_seq) == ("restart", 3, trade.seq)

    staged(play)


def test_speeds_depths_and_intervals_that_are_not_offered_are_refused(staged: Staged) -> None:
    async def play(on: Any) -> None:
        desk = await on.instance.desk("binance")
        btc = desk.symbols.find("BTC/USDT")
        with pytest.raises(ConfigError, match="binance has no channel 'funding'"):
            desk.want(btc, [channel("funding")])
        for text in ("book@7ms", "book:7"):
            with pytest.raises(
                ConfigError, match=rf"binance has no channel '{text}'; it has book\[:5\|10\|20\]\[@1000ms\]"
            ):
                desk.want(btc, [channel(text)])
        topics = desk.want(btc, [channel("book:5"), channel("book@1000ms"), channel("bars:1s")])
        assert topics == [Topic(text, "BTCUSDT") for text in ("book:5", "book@1000ms", "bars:1s")]

    staged(play)


def test_what_contracts_alone_have_is_not_asked_for_of_spot(staged: Staged) -> None:
    async def play(on: Any) -> None:
        desk = await on.instance.desk("okx")
        listed = list(desk.symbols.by_native.values())
        kinds = {each.kind: each for each in listed}
        with pytest.raises(ConfigError, match="okx: funding is for perpetual instruments, not for spot ones"):
            desk.want(kinds["spot"], [channel("funding")])
        assert desk.want(kinds["perpetual"], [channel("funding")])

    staged(play, venue="okx")


def test_an_instrument_list_that_is_refused_at_first_is_asked_again(staged: Staged) -> None:
    async def play(on: Any) -> None:
        (answer,) = await on.instance.subscribe(BTC, ["trades"])
        assert answer.state == "live"
        assert on.instance.problems.by_kind()["binance"]["instruments"] >= 1

    staged(play, faults=("429@+0s+60s:2",))


def test_an_instrument_list_that_is_cut_off_is_asked_for_again(staged: Staged) -> None:
    async def play(on: Any) -> None:
        (answer,) = await on.instance.subscribe(BTC, ["trades"])
        assert answer.state == "live"
        assert on.instance.problems.by_kind()["binance"]["instruments"] >= 1

    staged(play, faults=("half_body@+0s+5s",))


def test_bars_of_a_quiet_market_close_by_the_venues_clock(staged: Staged) -> None:
    async def play(on: Any) -> None:
        bars = on.collect(types=(Bar,), channel="bars:1m@trades")
        await on.instance.subscribe(BTC, ["bars:1m@trades"])
        await asyncio.sleep(190)
        assert [bar.certificate for bar in bars][:2] in (["partial", "complete"], ["complete", "complete"])
        assert all(bar.closed and bar.source == "built" for bar in bars)

    staged(play)


def test_statistics_name_every_connection(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe("binance-usdm:BTC/USDT:USDT", ["aggtrades", "book", "mark", "funding"])
        await asyncio.sleep(20)
        desk = await on.instance.desk("binance-usdm")
        found = {each.endpoint: each for each in desk.statistics()}
        assert set(found) == {"public", "market"}
        assert (found["market"].topics, found["market"].live_topics) == (3, 3)
        assert found["public"].state == "live"
        assert found["public"].frames > 10

    staged(play, venue="binance-usdm")


def test_giving_back_one_channel_of_a_shared_stream_does_not_silence_the_other(staged: Staged) -> None:
    async def play(on: Any) -> None:
        perp = "binance-usdm:BTC/USDT:USDT"
        await on.instance.subscribe(perp, ["mark", "funding"])
        await on.instance.unsubscribe(perp, ["funding"])
        marks, funding = on.collect(channel="mark"), on.collect(channel="funding")
        await asyncio.sleep(20)
        assert len(marks) > 10
        assert funding == []
        await on.instance.unsubscribe(perp, ["mark"])
        await asyncio.sleep(3)
        count = len(marks)
        await asyncio.sleep(20)
        assert len(marks) == count

    staged(play, venue="binance-usdm")


def test_a_callback_that_holds_the_loop_up_is_named(staged: Staged) -> None:
    async def play(on: Any) -> None:
        def dawdling(_event: object) -> None:
            asyncio.get_running_loop().jump(0.2)  # type: ignore[attr-defined]  # the virtual loop's own

        on.instance.on(dawdling, instrument=BTC, of="trades")
        await on.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(20)
        (found,) = [each for each in on.instance.bus.statistics() if "dawdling" in each.name]
        assert found.slow_calls > 3
        assert found.slowest_s >= 0.2
        await on.instance.unsubscribe(BTC, ["trades"])
        await asyncio.sleep(120)

    staged(play)


def test_a_schema_that_drifts_is_told_and_the_feed_goes_on(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["trades"])
        desk = await on.instance.desk("binance")
        (trade,) = [event for event in (desk.merge.track(BTC, "trades").last,) if event is not None]
        for number in range(40):
            desk.sample("binance/public/1#1", b'{"a":1}' if number < 35 else b'{"a":1,"new":2}', [trade])
        assert on.instance.problems.by_kind()["binance"]["schema_drift"] == 1

    staged(play)


def test_what_cannot_be_read_is_logged_with_its_topic(staged: Staged) -> None:
    """The stream's name stands before what is broken."""

    async def play(on: Any) -> None:
        desk = await on.instance.desk("binance")
        with capture_logs() as lines:
            desk.problem("binance/public/1#1", "schema", "no price", b'{"stream":"ethusdt@trade","data":{"e":"trade"')
            desk.problem("binance/public/1#1", "bad_json", "not JSON", b"\xff")
        assert [(line["kind"], line.get("topic"), line["connection"]) for line in lines] == [
            ("schema", "trades ETHUSDT", "binance/public/1#1"),
            ("bad_json", None, "binance/public/1#1"),
        ]

    staged(play)


def test_two_connections_of_an_endpoint_are_one_stream(staged: Staged) -> None:
    async def play(on: Any) -> None:
        links, gaps = on.collect(types=(Link,)), on.collect(types=(Gap,))
        trades, bars = on.collect(channel="trades"), on.collect(types=(Bar,), channel="bars:1m@trades")
        settings = ConnectionConfig(connections=2)
        await on.instance.subscribe(BTC, ["trades", "quotes", "book", "bars:1m@trades"], settings=settings)
        await asyncio.sleep(240)
        desk = await on.instance.desk("binance", settings=settings)
        assert [(each.connection, each.state, each.live_topics) for each in desk.statistics()] == [
            ("binance/public/1a", "live", 3), ("binance/public/1b", "live", 3),
        ]  # fmt: skip
        assert [link.change for link in links if link.change != "state"] == ["up"]
        assert gaps == []
        seqs = [trade.seq for trade in trades]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert [bar.revision for bar in bars] == [1] * len(bars)
        assert desk.merge.statistics().duplicates > len(seqs)
        assert on.instance.problems.by_kind()["binance"]["connection_lost"] == 1

    staged(play, faults=("cut@+100s+30s/1",))


def test_what_cannot_prove_itself_has_a_hole_where_nobody_knows_and_trades_have_none(staged: Staged) -> None:
    async def play(on: Any) -> None:
        gaps = on.collect(types=(Gap,))
        await on.instance.subscribe(BTC, ["trades", "quotes", "book", "book:5"])
        await asyncio.sleep(60)
        desk = await on.instance.desk("binance")
        desk.unproven(frozenset(Topic(name, "BTCUSDT") for name in ("trades", "quotes", "book", "book:5")), "link_down")
        await asyncio.sleep(60)
        assert [(gap.channel, gap.cause) for gap in sorted(gaps, key=lambda gap: gap.channel)] == [
            ("book:5", "link_down"), ("quotes", "link_down"),
        ]  # fmt: skip
        assert on.instance.book(BTC).synchronised

    staged(play)


def test_a_topic_is_polled_beside_its_connection_or_without_one(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["trades", "bars:1m@trades"])
        (desk,) = on.instance.desks.values()
        spot, topic = desk.symbols.find("BTC/USDT"), Topic("trades", "BTCUSDT")
        assert desk.live_topics() == {topic}
        assert desk.feed_of(topic) is not None
        before = desk.bar_desk(BTC, "trades")
        desk.poll(topic)
        beside = desk.bar_desk(BTC, "trades")
        assert beside is not before, "polling closes its bars now"
        bars = on.collect(channel="bars:1m@trades")
        await asyncio.sleep(130)
        assert len(bars) >= 2, "and so do the trades of the stream"
        desk.unpoll(topic)
        assert desk.bar_desk(BTC, "trades") is before
        assert desk.polled == {}
        other = desk.symbols.find("ETH/USDT")
        (alone,) = desk.want(other, [channel("trades")], polled=True)
        assert desk.feed_of(alone) is None
        if alone not in desk.polled:
            desk.poll(alone)
        desk.down(frozenset({alone}), "link_down")
        desk.silent(alone)
        assert desk.merge.track(other.id, "trades").broken == "", "what is polled has no hole by a connection's fall"
        desk.unwant(other, [channel("trades")])
        assert alone not in desk.polled
        desk.unwant(spot, [channel("aggtrades")])

    staged(play)


def test_a_stream_that_is_placed_later_is_delivered(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["trades"])
        (desk,) = on.instance.desks.values()
        other = desk.symbols.find("ETH/USDT")
        (topic,) = desk.want(other, [channel("trades")], polled=True)
        assert topic not in desk.live_topics()
        desk.stream([topic])
        await asyncio.sleep(30)
        assert topic in desk.live_topics()

    staged(play)

"""Outages over which the numbers of trades follow each other: each is looked at by time, once."""

import asyncio
from pathlib import Path

import pytest

from repair_fixtures import START_NS, Scene, Theatre, held_ids, played
from tapeline.app.outages import outages
from tapeline.model.event import Gap, Repair, Trade
from tapeline.model.fact import Stretch
from tapeline.model.interval import SECOND_NS
from tapeline.store.reader import open_store
from tapeline.wire.continuity import Point

BTC = "binance:BTC/USDT"


def last_of(scene: Scene) -> Trade:
    found = scene.of(Trade, "trades")[-1]
    assert isinstance(found, Trade)
    return found


def test_each_is_told_once_from_the_last_trade_before_it_to_the_first_after(tmp_path: Path) -> None:
    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(30)
            track = next(iter(next(iter(scene.instance.desks.values())).merge))
            last = last_of(scene)
            seq, at_ns = last.seq or 0, last.at_ns or 0
            before_ns = at_ns - 5 * SECOND_NS
            track.outage = Point(before_ns - 1, before_ns, seq - 1), last
            assert list(outages(scene.instance)) == [
                ((BTC, "trades"), Stretch(before_ns - 1, at_ns + 1, seq, seq - 1, cause="link_down"))
            ]
            assert list(outages(scene.instance)) == []
            for near_ns in (at_ns, before_ns):
                track.outage = Point(near_ns, near_ns, seq - 1), last
                assert list(outages(scene.instance)) == [], "no venue restarts so fast"
            track.outage = Point(None, at_ns, seq - 1), last
            assert list(outages(scene.instance)) == [], "nobody knows when"

        await on.run(play, "trades")

    played(tmp_path, act)


@pytest.mark.parametrize("repeated", [0, 3])
def test_a_quiet_outage_is_asked_about_and_says_nothing_where_nothing_was_missed(tmp_path: Path, repeated: int) -> None:
    """Missed: trades at 178, 206 and 295 s. Where three numbers come again, the first at 309 s, none says so."""

    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(400)
            assert [gap.cause for gap in scene.of(Gap, "trades")] == ["late_start"], "the first trade is a rare one"
            told = [repair for repair in scene.of(Repair, "trades") if repair.cause == "link_down"]
            assert [repair.state for repair in told] == (["disputed", "disputed"] if repeated else [])
            lists = [dict(request.query)["limit"] for request in on.asked if request.path == "/api/v3/aggTrades"]
            assert lists.count("3") >= 1, "by time: the two that are held, and one before"

        await on.run(play, "trades", "bars:1m@trades")

    faults = ("cut@+120s+180s", "anew@+270s:3") if repeated else ("cut@+120s+30s",)
    played(tmp_path, act, rate=1, faults=faults)
    ids = held_ids(tmp_path, BTC)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    with open_store(tmp_path) as store:
        holes = store.holes(BTC, "trades")
    assert {hole.state for hole in holes} == ({"disputed"} if repeated else set())
    for at_s in (178, 206, 295) if repeated else ():
        assert any(hole.from_ns < START_NS + at_s * 10**9 < hole.to_ns for hole in holes), at_s
    assert all(START_NS + 111 * 10**9 < hole.from_ns < hole.to_ns < START_NS + 310 * 10**9 for hole in holes)


def test_bars_beside_a_trade_that_a_number_hides_are_whole_no_more(tmp_path: Path) -> None:
    """The trade at 178 s is missed, and its number is that of the first one heard after, at 206 s."""

    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(400)
            assert "link_down" not in {gap.cause for gap in scene.of(Gap, "trades")}

        await on.run(play, "trades", "bars:1m@trades")

    played(tmp_path, act, rate=1, faults=("cut@+120s+80s", "anew@+170s:1"))
    with open_store(tmp_path) as store:
        (hole,) = store.holes(BTC, "trades")
        opens = {(bar.open_at_ns - START_NS) // 10**9: bar.certificate for bar in store.bars(BTC, "1m@trades")}
    assert (hole.state, hole.from_ns < START_NS + 178 * 10**9 < hole.to_ns) == ("disputed", True)
    assert {opens[60], opens[180]} == {"partial"}
    assert 120 not in opens

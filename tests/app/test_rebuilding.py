"""Built bars that reach back before a run, or lie deeper than a builder remembers: made anew from the store."""

import asyncio
import dataclasses
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from repair_fixtures import FIELDS, START_NS, Scene, Theatre, agree_with_the_venue, held_ids, played
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Stretch
from tapeline.model.interval import HOUR_NS, MINUTE_NS
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore
from tapeline.sync.plan import Errand
from tapeline.venues import venue_named
from tapeline.venues.spec import Request
from tapeline.wire.pipe import Response

BTC = "binance:BTC/USDT"
CHANNELS = ("trades", "bars:1m", "bars:1m@trades")


def test_a_restart_that_missed_nothing_leaves_a_whole_bar(tmp_path: Path) -> None:
    async def run(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(150)

        await on.run(play, *CHANNELS)

    async def again(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(200)
            assert scene.rebuilder.rebuilt >= 1

        await on.run(play, *CHANNELS)

    played(tmp_path, run, again)
    with open_store(tmp_path) as store:
        bars = {bar.open_at_ns: bar for bar in store.bars(BTC, "1m@trades")}
        theirs = {bar.open_at_ns: bar for bar in store.bars(BTC, "1m")}
    joined = START_NS + 2 * MINUTE_NS
    assert (bars[joined].certificate, bars[joined].reason) in {("complete", "repair"), ("repaired", "repair")}
    assert all(getattr(bars[joined], name) == getattr(theirs[joined], name) for name in FIELDS)


def test_a_bar_that_a_crash_left_partial_is_made_whole_by_the_next_run(tmp_path: Path) -> None:
    """The crash came after the trades were repaired and before their bar was."""

    async def run(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(400)

        await on.run(play, *CHANNELS)
        with open_store(tmp_path) as store:
            (bar,) = store.bars(BTC, "1m@trades", START_NS + 3 * MINUTE_NS, START_NS + 4 * MINUTE_NS)
        writer = SeriesStore(tmp_path)
        writer.write([replace(bar, certificate="partial", volume=bar.volume - Decimal("0.001"), revision=2)])
        writer.close()

    async def again(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(120)

        await on.run(play, *CHANNELS)

    played(tmp_path, run, again)
    with open_store(tmp_path) as store:
        (bar,) = store.bars(BTC, "1m@trades", START_NS + 3 * MINUTE_NS, START_NS + 4 * MINUTE_NS)
        before = list(store.bars(BTC, "1m@trades", START_NS + 3 * MINUTE_NS, START_NS + 4 * MINUTE_NS, superseded=True))
    assert (bar.certificate, bar.revision) == ("complete", 3)
    assert [each.revision for each in before] == [1, 2]
    assert agree_with_the_venue(tmp_path, BTC, "1m@trades", "1m") >= 6


def test_after_hours_away_all_is_there_that_the_venue_still_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """USD-M keeps aggregates for some time, here three hours: what is older is lost, the venue's own bars are not."""
    who, channels = "binance-usdm:BTC/USDT:USDT", ("aggtrades", "bars:1m", "bars:1m@aggtrades", "bars:1h@aggtrades")
    usdm = venue_named("binance-usdm")
    short = dataclasses.replace(usdm.rest["aggtrades"], keeps_s=3 * 3600)
    forgetful = dataclasses.replace(usdm, rest={**usdm.rest, "aggtrades": short})
    monkeypatch.setattr("tapeline.app.instance.venue_named", lambda _name: forgetful)

    async def run(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(130)

        await on.run(play, *channels, symbols=("BTC/USDT:USDT",))
        await asyncio.sleep(5 * 3600)

    async def again(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(300)
            assert scene.ledger.to_fetch(who, "aggtrades") == scene.ledger.to_fetch(who, "bars:1m") == []

        await on.run(play, *channels, symbols=("BTC/USDT:USDT",))

    played(tmp_path, run, again, venue="binance-usdm", rate=3)
    with open_store(tmp_path) as store:
        holes = store.holes()
        assert {(hole.channel, hole.state, hole.why) for hole in holes} == {
            ("aggtrades", "unrecoverable", "the venue keeps 3 hours of it")
        }
        lost_s = sum(hole.to_ns - hole.from_ns for hole in holes) / 1e9
        assert 2 * 3600 - 300 < lost_s < 2 * 3600 + 300
        minutes = {bar.open_at_ns: bar for bar in store.bars(who, "1m")}
        built = {bar.open_at_ns: bar for bar in store.bars(who, "1m@aggtrades")}
        hours = {bar.open_at_ns: bar for bar in store.bars(who, "1h@aggtrades")}
        fives = list(store.resample(who, "5m@aggtrades"))
    lost_from_ns = holes[0].from_ns
    lost_to_ns = holes[-1].to_ns
    assert len(minutes) >= 5 * 60
    whole = {at: bar for at, bar in built.items() if at >= lost_to_ns}
    assert len(whole) > 150
    assert {bar.certificate for bar in whole.values()} <= {"repaired", "complete"}
    for at, bar in whole.items():
        assert (bar.volume, bar.open, bar.high, bar.low, bar.close) == (
            minutes[at].volume, minutes[at].open, minutes[at].high, minutes[at].low, minutes[at].close,
        )  # fmt: skip
    for found, length_ns in ((built.values(), MINUTE_NS), (fives, 5 * MINUTE_NS), (hours.values(), HOUR_NS)):
        torn = [bar for bar in found if bar.open_at_ns < lost_to_ns and bar.open_at_ns + length_ns > lost_from_ns]
        assert {bar.certificate for bar in torn} == {"partial"}, "what nobody has any more is in no whole bar"
    sound = sorted(at for at, bar in hours.items() if bar.certificate != "partial")
    assert len(sound) == 2
    assert hours[sound[0]].volume == sum(
        bar.volume for at, bar in whole.items() if at // HOUR_NS == sound[0] // HOUR_NS
    )


def test_a_crash_in_the_middle_of_a_repair_costs_nothing(tmp_path: Path) -> None:
    async def run(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(100)

        await on.run(play, *CHANNELS, clean=False)
        await asyncio.sleep(3 * 3600)

    async def crash(on: Theatre) -> None:
        async def slow(base: str, request: Request) -> Response:
            await asyncio.sleep(0.5)
            return await on.sim.fetch(base, request)

        async def play(scene: Scene) -> None:
            await asyncio.sleep(2)
            assert 1000 <= scene.repairer.statistics().rows <= 5000
            assert scene.ledger.to_fetch(BTC, "trades") != []

        on.fetch = slow
        await on.run(play, *CHANNELS, clean=False)
        on.fetch = on.sim.fetch

    async def again(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(240)
            assert scene.ledger.to_fetch(BTC, "trades") == []

        await on.run(play, *CHANNELS)

    played(tmp_path, run, crash, crash, again, rate=60)
    ids = held_ids(tmp_path, BTC)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert agree_with_the_venue(tmp_path, BTC, "1m@trades", "1m", but=1) >= 180


def test_bars_of_a_repair_that_were_never_stored_are_made_by_the_next_run(tmp_path: Path) -> None:
    """The crash came after the ledger was told and before the bars were made: none of them is there."""

    async def run(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(100)

        await on.run(play, *CHANNELS, clean=False)
        await asyncio.sleep(600)

    async def crash(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            scene.rebuilder.look_at = lambda *_: None  # type: ignore[method-assign]  # it will not come to that
            while scene.ledger.to_fetch(BTC, "trades"):  # noqa: ASYNC110  # virtual time
                await asyncio.sleep(0.1)
            await asyncio.sleep(1)

        await on.run(play, *CHANNELS, clean=False)

    async def again(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(180)

        await on.run(play, *CHANNELS)

    played(tmp_path, run, crash, again)
    assert agree_with_the_venue(tmp_path, BTC, "1m@trades", "1m", but=1) >= 13
    with open_store(tmp_path) as store:
        opens = [bar.open_at_ns for bar in store.bars(BTC, "1m@trades")]
    assert opens == list(range(opens[0], opens[-1] + 1, MINUTE_NS)), "the market never rests for a minute"


def test_a_bar_whose_trades_were_stored_before_it_closed_is_made_by_the_next_run(tmp_path: Path) -> None:
    """The crash came after the last trade of a minute and before its watermark: no later trade was stored either."""

    async def run(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep((START_NS + 3 * MINUTE_NS - on.clock.wall_ns()) / 1e9 + 0.2)
            held = [bar.open_at_ns for bar in scene.of(Bar, "bars:1m@trades")]
            assert START_NS + 2 * MINUTE_NS not in held, "it waits for late trades"

        await on.run(play, *CHANNELS, clean=False)

    async def again(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(150)

        await on.run(play, *CHANNELS)

    played(tmp_path, run, again)
    with open_store(tmp_path) as store:
        opens = [bar.open_at_ns for bar in store.bars(BTC, "1m@trades")]
    assert opens == list(range(START_NS, opens[-1] + 1, MINUTE_NS))
    assert agree_with_the_venue(tmp_path, BTC, "1m@trades", "1m", but=1) >= 4


def test_a_seam_is_found_though_later_bars_of_this_run_are_stored_already(tmp_path: Path) -> None:
    """The first run died between the end of a minute and its bar, with a trade of the next minute on disk."""

    async def again(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            later, scene.rebuilder._seams = scene.rebuilder._seams, _nothing  # type: ignore[method-assign]  # not yet
            await asyncio.sleep(150)
            assert len(scene.of(Bar, "bars:1m@trades")) >= 2
            scene.rebuilder._seams = later  # type: ignore[method-assign]  # now
            await asyncio.sleep(60)

        await on.run(play, *CHANNELS)

    played(tmp_path, _died_before_a_bar, again)
    assert _opens(tmp_path)[:3] == [START_NS, START_NS + MINUTE_NS, START_NS + 2 * MINUTE_NS]
    assert _opens(tmp_path) == list(range(START_NS, _opens(tmp_path)[-1] + 1, MINUTE_NS))
    assert agree_with_the_venue(tmp_path, BTC, "1m@trades", "1m", but=1) >= 5


def test_a_seam_that_one_run_left_is_made_by_the_run_after(tmp_path: Path) -> None:
    async def careless(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            scene.rebuilder._seams = _nothing  # type: ignore[method-assign]  # it died before it came to that
            await asyncio.sleep(150)

        await on.run(play, *CHANNELS, clean=False)
        assert START_NS + 2 * MINUTE_NS not in _opens(tmp_path)
        assert START_NS + 3 * MINUTE_NS in _opens(tmp_path)

    async def again(on: Theatre) -> None:
        async def play(_scene: Scene) -> None:
            await asyncio.sleep(150)

        await on.run(play, *CHANNELS)

    played(tmp_path, _died_before_a_bar, careless, again)
    assert _opens(tmp_path) == list(range(START_NS, _opens(tmp_path)[-1] + 1, MINUTE_NS))
    assert agree_with_the_venue(tmp_path, BTC, "1m@trades", "1m", but=1) >= 6


def test_nothing_is_made_again_where_all_agrees(tmp_path: Path) -> None:
    async def run(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(300)
            scene.rebuilder.look_at(BTC, "trades", START_NS + MINUTE_NS, START_NS + 4 * MINUTE_NS)
            scene.rebuilder.look_at("binance:NO/ONE", "trades", 0, 5)
            before = [bar for bar in scene.of(Bar, "bars:1m@trades") if bar.revision > 1]
            await scene.rebuilder.look()
            assert before == [bar for bar in scene.of(Bar, "bars:1m@trades") if bar.revision > 1] == []
            assert scene.rebuilder.rebuilt == 0

        await on.run(play, *CHANNELS)

    played(tmp_path, run)


async def _died_before_a_bar(on: Theatre) -> None:
    async def play(_scene: Scene) -> None:
        await asyncio.sleep((START_NS + 3 * MINUTE_NS - on.clock.wall_ns()) / 1e9 + 0.9)

    await on.run(play, *CHANNELS, clean=False)
    with open_store(on.folder) as store:
        assert [bar.open_at_ns for bar in store.bars(BTC, "1m@trades", last=1)] == [START_NS + MINUTE_NS]
        assert all((each.at_ns or 0) > START_NS + 3 * MINUTE_NS for each in store.points() if each.channel == "trades")


async def _nothing() -> None:
    """It does not come to that."""


def _opens(folder: Path) -> list[int]:
    with open_store(folder) as store:
        return [bar.open_at_ns for bar in store.bars(BTC, "1m@trades")]


def test_a_number_at_another_time_is_of_another_trade(tmp_path: Path) -> None:
    """What a venue that numbers anew gave the number of a trade that is held is not held."""

    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            await asyncio.sleep(60)
            held = scene.of(Trade, "trades")[5]
            later = replace(held, at_ns=held.at_ns + 5 * 10**9)
            near = replace(held, at_ns=held.at_ns + 10**6)
            errand = Errand(BTC, "trades", (Stretch(held.at_ns, held.at_ns + 10**10),))
            assert await scene.rebuilder.not_held(errand, [held, later, near]) == [later]

        await on.run(play, *CHANNELS)

    played(tmp_path, act)

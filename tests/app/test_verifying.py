"""Stores against simulated venues in virtual time: what is equal is, what was tampered with is found."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.app.audit import verifying
from tapeline.app.audit.verifying import Checked, Verification, Wish
from tapeline.app.history.asking import Outside
from tapeline.clock import SystemClock
from tapeline.errors import ConfigError, NotHeld, TapelineError, TimedOut, UnknownInstrument
from tapeline.market.remake import remade
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.reader import open_store
from tapeline.store.writer import StoreWriter
from tapeline.venues import venue_named
from tapeline.venues.spec import Request, Venue
from tapeline.wire.pipe import Response

NOW_NS = 19_900 * DAY_NS + 10 * HOUR_NS + 30_000_000_000
FROM_NS, TO_NS = 19_900 * DAY_NS + 9 * HOUR_NS, 19_900 * DAY_NS + 10 * HOUR_NS - 5 * MINUTE_NS
BTC = "binance:BTC/USDT"
Rows = Callable[[Market], Sequence[Any]]


def held(market: Market, *, channel: str = "trades", source: str = "ws") -> tuple[list[Trade], list[Bar], list[Bar]]:
    """(trades, the venue's bars, ours) of the first instrument, all of the time."""
    pit = market.pits[0]
    trades = [replace(trade, channel=channel, source=source) for trade in pit.between(FROM_NS, TO_NS)]
    bars = [
        replace(bar, source=source, revision=1, at_ns=None, first_id=None, last_id=None)
        for bar in pit.candles("1m", FROM_NS, TO_NS, NOW_NS)
    ]
    return trades, bars, remade(pit.instrument, channel, "1m", (FROM_NS, TO_NS), trades=trades)


def proven(*channels: str, who: str = BTC) -> list[Fact]:
    return [Fact(who, of, FROM_NS, TO_NS, "proven", "ids", "ws", "", 1, run=1) for of in channels]


def verified(
    folder: Path, rows: Rows, wish: Wish | None = None, *, venue: Venue | str = "binance", faults: tuple[str, ...] = (),
    fetch: Any = None, note: bool = True,
) -> Verification:  # fmt: skip
    """Write a store, verify it, note what was found."""
    made: list[Verification] = []
    refused: list[TapelineError] = []

    async def main() -> None:
        clock = VirtualClock(NOW_NS)
        value = venue_named(venue) if isinstance(venue, str) else venue
        market = Market(value, 3, NOW_NS, Rates(trades_per_minute=20))
        sim = SimulatedVenue(value, market, clock=clock, faults=[fault(text) for text in faults])
        writer = StoreWriter(folder, clock=SystemClock())
        writer.start()
        for row in [*(pit.instrument for pit in market.pits), *rows(market)]:
            writer.offer(row)
        writer.stop()
        async with sim.open():
            outside = Outside(fetch=fetch or sim.fetch, clock=clock, chance=random.Random(1).random)
            found = Verification(folder, wish or Wish(), outside)
            made.append(found)
            try:
                await found.run()
            except TapelineError as error:  # the simulator's group would wrap it
                refused.append(error)
        if note:
            assert found.note() == ""

    run(main())
    if refused:
        raise refused[0]
    return made[0]


def one(found: Verification, channel: str) -> Checked:
    return next(each for each in found.series if each.channel == channel)


def test_everything_that_is_held_is_equal(tmp_path: Path) -> None:
    def rows(market: Market) -> list[Any]:
        trades, bars, ours = held(market)
        return [*trades, *bars, *ours, *proven("trades", "bars:1m")]

    found = verified(tmp_path, rows)
    assert {each.channel: (each.state, each.equal, each.unchecked, each.trouble) for each in found.series} == {
        name: ("equal", 55, [], "") for name in ("bars:1m", "bars:1m@trades", "trades")
    }
    assert found.facts == []


def test_a_bar_that_was_tampered_with_is_found_kept_and_disputed_and_not_changed(tmp_path: Path) -> None:
    def rows(market: Market) -> list[Any]:
        _, bars, ours = held(market)
        bars[7] = replace(bars[7], close=bars[7].close + 1, high=bars[7].high + 1)
        return [*bars, *ours, *proven("trades", "bars:1m")]

    found = verified(tmp_path, rows)
    mine = one(found, "bars:1m")
    assert (mine.state, mine.equal, len(mine.mismatches)) == ("mismatch", 54, 1)
    told = mine.mismatches[0]
    assert (told.from_ns, [each.field for each in told.differences]) == (FROM_NS + 7 * MINUTE_NS, ["high", "close"])
    assert one(found, "bars:1m@trades").state == "equal"
    with open_store(tmp_path) as store:
        spans = [span for span in store.coverage(BTC, "bars:1m") if span.state == "disputed"]
        assert [(span.from_ns, span.to_ns, span.why) for span in spans] == [(told.from_ns, told.to_ns, told.why)]
        assert [hole.cause for hole in store.holes(BTC, "bars:1m")] == ["disputed"]
        assert list(store.bars(BTC, "1m"))[7].close == Decimal(told.differences[1].ours), "nothing was changed"


def test_what_was_in_dispute_and_is_equal_is_settled_for_good(tmp_path: Path) -> None:
    stale = Fact(BTC, "bars:1m", FROM_NS, FROM_NS + MINUTE_NS, "disputed", "", "rest", "audit: x", 1, cause="disputed")

    def rows(market: Market) -> list[Any]:
        return [*held(market)[1], *proven("bars:1m"), stale]

    found = verified(tmp_path, rows)
    assert [(fact.state, fact.why) for fact in found.facts] == [("proven", "audited again: equal")]
    writer = StoreWriter(tmp_path, clock=SystemClock())
    writer.start()
    writer.offer(Fact(BTC, "bars:1m", FROM_NS, TO_NS, "repaired", "bars", "rest", "", 2))
    writer.stop()
    with open_store(tmp_path) as store:
        assert store.holes() == []


def test_a_bar_we_claim_to_hold_and_do_not_and_one_that_nobody_claims(tmp_path: Path) -> None:
    def rows(market: Market) -> list[Any]:
        bars = held(market)[1]
        claimed = replace(proven("bars:1m")[0], to_ns=FROM_NS + 10 * MINUTE_NS)
        return [*bars[:3], *bars[4:20], *bars[21:], claimed]

    mine = verified(tmp_path, rows).series[0]
    assert [(each.from_ns, each.ours) for each in mine.mismatches] == [(FROM_NS + 3 * MINUTE_NS, None)]
    assert [(each.from_ns, each.why) for each in mine.unchecked] == [(FROM_NS + 20 * MINUTE_NS, "we do not hold it")]


def test_sums_prove_what_the_ledger_could_not(tmp_path: Path) -> None:
    """Raw trades of USD-M: a hole that nothing repairs, and in which nothing was."""
    who = "binance-usdm:BTC/USDT:USDT"
    lost = Fact(
        who, "trades", FROM_NS + 5, FROM_NS + 9, "unrecoverable", "", "ws", "no call", 1, cause="link_down", run=2
    )

    def rows(market: Market) -> list[Any]:
        trades = held(market)[0]
        late = trades[3:]
        del late[100]
        return [*late, lost]

    found = verified(tmp_path, rows, Wish(channel="trades"), venue="binance-usdm")
    sums = [fact for fact in found.facts if fact.evidence == "sum"]
    with open_store(tmp_path) as store:
        inside = store.coverage(who, "trades", FROM_NS, TO_NS)
        whole = [span for span in inside if span.evidence == "sum"]
    assert len(sums) == 2, "in two pieces: one trade is missing in the middle of the hour, three at its beginning"
    assert sums[0].from_ns == FROM_NS + MINUTE_NS
    assert sums[1].to_ns == TO_NS
    assert [(span.from_ns, span.to_ns) for span in whole] == [(fact.from_ns, fact.to_ns) for fact in sums]
    assert found.series[0].equal == 53
    assert {each.why for each in found.series[0].unchecked} == {"our bar is partial"}


def test_an_answer_of_the_newest_trades_proves_by_overlap(tmp_path: Path) -> None:
    def rows(market: Market) -> list[Any]:
        return [replace(trade, source="ws") for trade in market.pits[0].between(FROM_NS, NOW_NS)]

    found = verified(tmp_path, rows, Wish(channel="trades", to_ns=FROM_NS + MINUTE_NS), venue="binance-usdm")
    told = [fact for fact in found.facts if fact.evidence == "overlap"]
    assert len(told) == 1
    assert told[0].from_ns > FROM_NS + MINUTE_NS, "a thousand trades, of twenty a minute, back from now"
    assert told[0].to_ns > NOW_NS - MINUTE_NS


def test_a_feed_without_numbers_hears_that_it_lacks_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = venue_named("binance")
    bare = changed(value.feeds["trades"], continuity="", evidence="")
    venue = changed(value, feeds={**value.feeds, "trades": bare})
    monkeypatch.setattr(verifying, "venue_named", lambda _name: venue)

    def rows(market: Market) -> list[Any]:
        trades = held(market)[0]
        del trades[500]
        return trades

    found = verified(tmp_path, rows, venue=venue, note=True)
    missing = [fact for fact in found.facts if fact.state == "missing"]
    assert len(missing) == 1
    assert missing[0].why.startswith("audit: volume ours ")
    assert sum(fact.to_ns - fact.from_ns for fact in found.facts if fact.evidence == "sum") == 54 * MINUTE_NS
    again = verified(tmp_path, lambda _market: [], venue=venue)
    assert [fact for fact in again.facts if fact.evidence == "sum" or fact.state == "missing"] == [], "it is known"


def test_only_what_was_asked_for_and_never_what_is_not_settled(tmp_path: Path) -> None:
    def rows(market: Market) -> list[Any]:
        pit = market.pits[0]
        bars = [replace(bar, source="ws", revision=1) for bar in pit.candles("1m", FROM_NS, NOW_NS, NOW_NS)]
        return [bar for bar in bars if bar.closed]

    found = verified(tmp_path, rows)
    assert found.series[0].equal == 59, "the last one ended half a minute ago"
    some = Wish(instruments=(BTC,), channel="bars:1m", from_ns=FROM_NS + 1, to_ns=FROM_NS + 5 * MINUTE_NS + 1)
    assert verified(tmp_path, lambda _market: [], some).series[0].equal == 4


async def _nobody(base_url: str, request: Request) -> Response:
    raise TimedOut(f"{base_url}{request.path}: no answer")


def test_a_venue_that_does_not_answer_is_said(tmp_path: Path) -> None:
    found = verified(tmp_path, lambda market: held(market)[1], fetch=_nobody)
    assert [(each.state, each.equal) for each in found.series] == [("unchecked", 0)]
    assert "no answer" in found.series[0].trouble


def test_a_venue_that_stops_to_answer_in_the_middle_is_said(tmp_path: Path) -> None:
    found = verified(tmp_path, lambda market: held(market)[1], faults=("500@+0s+3600s:bars",))
    assert (found.series[0].state, found.series[0].equal) == ("unchecked", 0)
    assert "Internal error" in found.series[0].trouble


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    def rows(market: Market) -> list[Any]:
        return held(market)[1]

    for wish, error, text in (
        (Wish(instruments=("binance:NO/PE",)), UnknownInstrument, "NO/PE"),
        (Wish(instruments=("binance:ETH/USDT",)), NotHeld, "ETH/USDT"),
        (Wish(channel="trades"), NotHeld, "the store holds bars:1m"),
    ):
        with pytest.raises(error, match=text):
            verified(tmp_path, rows, wish)
    price = Decimal(1)
    other = Bar(
        "okx:A/B", "bars:1m", None, 1, "ws", "1m", FROM_NS, price, price, price, price, price, None, None, None, None,
        None, closed=True, revision=1,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="one venue's, and these are of binance, okx"):
        verified(tmp_path, lambda _market: [other], Wish(rest_url="http://127.0.0.1:1"))


def test_while_somebody_writes_the_store_nothing_is_noted(tmp_path: Path) -> None:
    def rows(market: Market) -> list[Any]:
        bars = held(market)[1]
        return [replace(bars[0], volume=Decimal(1)), *bars[1:]]

    found = verified(tmp_path, rows, note=False)
    writer = StoreWriter(tmp_path, clock=SystemClock())
    writer.start()
    assert found.facts
    assert found.note() == "an instance writes this store"
    writer.stop()
    (tmp_path / "lock").unlink()
    (tmp_path / "lock").mkdir()  # as little use as a file that may only be read
    assert f"{tmp_path / 'lock'}: Is a directory" in found.note()
    (tmp_path / "lock").rmdir()
    assert found.note() == ""
    with open_store(tmp_path) as store:
        assert [hole.state for hole in store.holes()] == ["disputed"]

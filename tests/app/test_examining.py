"""A venue's bars against a store, without a venue: verdicts, and what they mean for the ledger."""

from collections.abc import Iterable
from dataclasses import replace as changed
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tapeline.app.audit.examining import Examined, Subject, counts, examine, overlapping, stored_bars, unchecked
from tapeline.clock import SystemClock
from tapeline.market.coverage import Coverage
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.model.interval import HOUR_NS, MINUTE_NS, SECOND_NS
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore
from tapeline.store.writer import InlineWriter
from tapeline.sync.audit import Match, Mismatch, Unchecked
from tapeline.venues import venue_named

T0 = 478_640 * HOUR_NS
BTC = "binance:BTC/USDT"
BINANCE = venue_named("binance")
assert BINANCE.server is not None
LISTED = BINANCE.server.sample_instruments[0]


def trade(number: int, **values: Any) -> Trade:
    """Ten seconds apart, six a minute, a tenth each at ten."""
    at_ns = T0 + number * 10 * SECOND_NS
    one = Trade(BTC, "trades", at_ns, at_ns, "ws", str(number), number, "buy", Decimal(10), Decimal("0.1"))
    return replace(one, **values)


def bar(minute: int, **values: Any) -> Bar:
    ten = Decimal(10)
    one = Bar(
        BTC, "bars:1m", None, 7, "rest", "1m", T0 + minute * MINUTE_NS, ten, ten, ten, ten, Decimal("0.6"), Decimal(6),
        6, Decimal("0.6"), None, None, closed=True, revision=1,
    )  # fmt: skip
    return replace(one, **values)


def covers(first: int, end: int, channel: str = "trades", **values: Any) -> Fact:
    fact = Fact(BTC, channel, T0 + first * MINUTE_NS, T0 + end * MINUTE_NS, "proven", "ids", "ws", "", 1, run=1)
    return replace(fact, **values)


def examined(
    folder: Path, rows: Iterable[Any], theirs: list[Bar], *channels: str, minutes: int = 10, venue: Any = BINANCE,
    all_trades: bool = True,
) -> Examined:  # fmt: skip
    writer = InlineWriter(SeriesStore(folder, SystemClock()))
    for row in rows:
        writer.offer(row)
    writer.stop()
    subject = Subject(venue=venue, instrument=LISTED, interval="1m", channels=channels)
    with open_store(folder) as store:
        return examine(
            store, subject, (T0, T0 + minutes * MINUTE_NS), theirs, known_at_ns=99, all_trades=all_trades,
            covered=lambda of: store.covering(BTC, of),
        )  # fmt: skip


THEIRS = [bar(number) for number in range(10)]
TRADES = [trade(number) for number in range(60)]


def test_trades_make_the_bars_that_the_venue_has(tmp_path: Path) -> None:
    found = examined(tmp_path, [*TRADES, covers(0, 10)], THEIRS, "trades")
    assert [(type(each), each.channel) for each in found.verdicts] == [(Match, "trades")] * 10
    assert found.facts == []
    assert counts(found.verdicts) == (10, 0, 0)


def test_one_that_is_missing_though_the_ids_say_nothing_is_a_dispute(tmp_path: Path) -> None:
    found = examined(tmp_path, [*TRADES[:20], *TRADES[21:], covers(0, 10)], THEIRS, "trades")
    (mismatch,) = [each for each in found.verdicts if isinstance(each, Mismatch)]
    assert mismatch.why.startswith("audit: volume ours 0.5, theirs 0.6; quote_volume ours 5, theirs 6; trades ours 5")
    assert [(fact.channel, fact.state, fact.from_ns) for fact in found.facts] == [
        ("trades", "disputed", T0 + 3 * MINUTE_NS)
    ]
    assert isinstance(mismatch.ours, Bar)
    assert (mismatch.ours.channel, mismatch.theirs) == ("bars:1m@trades", THEIRS[3])


def test_where_a_hole_is_known_nothing_is_judged_but_a_sum_may_close_it(tmp_path: Path) -> None:
    held = [*TRADES[:20], *TRADES[21:], covers(0, 3), covers(5, 10, run=2)]
    found = examined(tmp_path, held, THEIRS, "trades")
    assert [(type(each), each.from_ns) for each in found.verdicts if not isinstance(each, Match)] == [
        (Unchecked, T0 + 3 * MINUTE_NS)
    ]
    assert [(fact.evidence, fact.from_ns, fact.to_ns) for fact in found.facts] == [
        ("sum", T0 + 4 * MINUTE_NS, T0 + 5 * MINUTE_NS)
    ]
    assert [each.why for each in unchecked(found.verdicts)] == ["our bar is partial"]


def test_proven_trades_are_not_even_read_where_that_is_asked(tmp_path: Path) -> None:
    found = examined(tmp_path, [covers(0, 10)], THEIRS, "trades", all_trades=False)
    assert (found.verdicts, found.facts) == ([], [])
    found = examined(tmp_path / "other", [*TRADES, covers(0, 9)], THEIRS, "trades", all_trades=False)
    assert found.verdicts == []
    assert [(fact.from_ns, fact.evidence) for fact in found.facts] == [(T0 + 9 * MINUTE_NS, "sum")]


def test_a_feed_without_evidence_is_told_what_it_lacks_once(tmp_path: Path) -> None:
    bare = changed(BINANCE.feeds["trades"], evidence="", continuity="", repair="")
    venue = changed(BINANCE, feeds={**BINANCE.feeds, "trades": bare})
    held = [*TRADES[2:20], *TRADES[21:57]]
    found = examined(tmp_path, held, THEIRS, "trades", venue=venue)
    lost = [fact for fact in found.facts if fact.state == "unrecoverable"]
    assert [(fact.from_ns, fact.cause) for fact in lost] == [(T0 + 3 * MINUTE_NS, "disputed")]
    assert lost[0].why.endswith("; no REST call of the venue brings trades back"), "not of the bars at either end"
    again = examined(tmp_path, lost, THEIRS, "trades", venue=venue)
    assert [fact for fact in again.facts if fact.state == "unrecoverable"] == []


def test_stored_bars_and_built_ones_each_against_the_same(tmp_path: Path) -> None:
    ours = [replace(each, source="ws") for each in THEIRS]
    built = [
        replace(each, channel="bars:1m@trades", source="built", origin="trades", certificate="complete")
        for each in THEIRS
    ]
    built[4] = replace(built[4], high=Decimal(11))
    found = examined(tmp_path, [*ours, *built], THEIRS, "bars:1m", "bars:1m@trades", "bars:1m@aggtrades")
    assert counts([each for each in found.verdicts if each.channel == "bars:1m"]) == (10, 0, 0)
    assert counts([each for each in found.verdicts if each.channel == "bars:1m@trades"]) == (9, 0, 1)
    assert [each.why for each in unchecked(found.verdicts)] == ["we do not hold it"], "of aggregates there is nothing"
    with open_store(tmp_path) as store:
        assert len(stored_bars(store, BTC, "1m@trades", (T0, T0 + 3 * MINUTE_NS))) == 3
        assert stored_bars(store, BTC, "1h", (T0, T0 + 3 * MINUTE_NS)) == []


def test_the_newest_trades_prove_by_overlap_only_where_nothing_else_does(tmp_path: Path) -> None:
    examined(tmp_path, TRADES, [], "trades")
    feed = BINANCE.feeds["trades"]
    bare = changed(feed, repair="")
    with open_store(tmp_path) as store:
        (fact,) = overlapping(store, bare, TRADES[10:30], Coverage(), 99)
        assert (fact.evidence, fact.from_ns, fact.to_ns) == ("overlap", TRADES[10].at_ns + 1, TRADES[29].at_ns)  # type: ignore[operator]  # it has a stamp
        assert overlapping(store, feed, TRADES[10:30], Coverage(), 99) == []
        assert overlapping(store, bare, [*TRADES[10:30], trade(999)], Coverage(), 99) == []
        assert overlapping(store, bare, [], Coverage(), 99) == []
        other = [replace(each, instrument="binance:NO/PE") for each in TRADES[10:30]]
        assert overlapping(store, bare, other, Coverage(), 99) == []

"""A stream without holes: what waits, for how long, and what comes out in which order."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from tapeline.market import complete
from tapeline.market.complete import Complete
from tapeline.model.event import Event, Gap, Repair, Trade

BTC = "binance:BTC/USDT"
LOST = "unrecoverable"


def trade(seq: int, source: str = "ws") -> Trade:
    return Trade(BTC, "trades", seq * 10, seq * 10 + 1, source, str(seq), seq, "buy", Decimal(1), Decimal(1))


def gap(after: int, before: int) -> Gap:
    return Gap(BTC, "trades", before * 10, before * 10, "built", after * 10, before * 10, after, before, "link_down")


def repair(from_ns: int, to_ns: int, state: str = "repaired") -> Repair:
    return Repair(BTC, "trades", None, 9, "rest", from_ns, to_ns, state, 1, "", "")


def names(events: Sequence[Event]) -> list[object]:
    return [event.seq if isinstance(event, Trade) else type(event).__name__ for event in events]


def until(series: Complete) -> float | None:
    return series.until


def told(series: Complete, *events: Event, now: float = 0.0) -> list[object]:
    out: list[Event] = []
    for event in events:
        out += series.take(event, now)
    return names(out)


def test_live_events_pass_at_once_and_after_a_hole_wait_until_it_is_filled() -> None:
    series = Complete(hold_s=5)
    assert told(series, trade(1), trade(2)) == [1, 2]
    assert series.until is None
    assert told(series, gap(2, 6), trade(6), trade(7), trade(5, "rest"), trade(3, "rest"), trade(4, "rest")) == []
    assert until(series) == 5
    assert told(series, repair(20, 61), trade(8)) == [3, 4, 5, 6, 7, "Repair", 8]
    assert series.until is None


def test_a_hole_told_in_pieces_is_filled_with_the_last_of_them() -> None:
    series = Complete()
    assert told(series, trade(1), gap(1, 5), trade(5), trade(4, "rest"), repair(35, 51)) == [1]
    assert told(series, repair(0, 10), repair(10, 20)) == []
    assert told(series, trade(2, "rest"), trade(3, "rest"), repair(20, 35)) == [2, 3, 4, 5, *["Repair"] * 4]


def test_what_cannot_be_filled_passes_as_a_gap_at_once() -> None:
    series = Complete()
    out: list[Event] = []
    for event in (trade(1), gap(1, 5), trade(5), repair(10, 51, LOST)):
        out += series.take(event, 0)
    assert names(out) == [1, "Gap", 5, "Repair"]
    assert out[1] == gap(1, 5)


def test_what_takes_too_long_passes_marked_open_and_comes_later_as_it_comes() -> None:
    series = Complete(hold_s=5)
    assert told(series, gap(1, 5), trade(5), trade(3, "rest")) == []
    assert series.expired(4.9) == []
    out = list(series.expired(5))
    assert out == [replace(gap(1, 5), open=True), trade(3, "rest"), trade(5)]
    assert told(series, trade(4, "rest"), trade(6), repair(10, 51)) == [4, 6, "Repair"]


def test_a_second_hole_waits_behind_the_first_and_each_for_its_own_time() -> None:
    series = Complete(hold_s=5)
    assert told(series, gap(1, 3), trade(3), now=0) == []
    assert told(series, gap(3, 6), trade(6), trade(4, "rest"), trade(5, "rest"), repair(30, 61), now=3) == []
    assert names(series.expired(5)) == ["Gap", 3, 4, 5, 6, "Repair"], "the second is filled already"
    assert told(series, gap(6, 8), trade(8), now=6) == []
    assert told(series, gap(8, 10), trade(10), trade(7, "rest"), repair(60, 81), now=7) == [7, 8]
    assert series.until == 12
    assert names(series.expired(12)) == ["Gap", 10, "Repair"]


def test_trades_without_numbers_find_their_hole_by_time_and_an_open_gap_is_none() -> None:
    series = Complete()
    assert told(series, gap(3, 4), gap(9, 2)) == ["Gap", "Gap"], "nothing lies inside that could come"
    nameless = [replace(each, seq=None) for each in (trade(2, "rest"), trade(3))]
    unnumbered = replace(gap(1, 3), after_seq=None, before_seq=None)
    assert told(series, replace(gap(0, 1), open=True), trade(1), unnumbered, nameless[1], nameless[0]) == [1]
    assert [type(each).__name__ for each in series.take(repair(10, 31), 0)] == ["Trade", "Trade", "Repair"]
    assert told(series, gap(3, 5), trade(99, "rest")) == [99], "of no hole that is known here"


def test_memory_is_bounded() -> None:
    series, most = Complete(), complete.HELD_MOST
    series.take(gap(1, 3), 0)
    live = trade(3)
    out: list[Event] = []
    for _ in range(most + 1):
        out += series.take(live, 0)
    assert len(out) == most + 2
    assert isinstance(out[0], Gap)
    assert out[0].open

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.market.coverage import Coverage
from tapeline.model.event import Bar, BookSnapshot
from tapeline.model.fact import Fact
from tapeline.model.interval import MINUTE_NS
from tapeline.sync.audit import (
    Difference,
    Match,
    Mismatch,
    Unchecked,
    agreed,
    audit_bars,
    compare_bars,
    compare_books,
    disputed,
    settled_before,
)
from tapeline.venues.spec import Quirk

T0 = 28_000_000 * MINUTE_NS
ROUNDS = Quirk(kind="rounds", why="eight digits", fields=("quote_volume",), step=Decimal("0.00000001"))
MORE = Quirk(kind="more", why="funds", of=("aggtrades",), fields=("volume", "trades"))


def bar(minute: int = 0, **changes: Any) -> Bar:
    one = Bar(
        "v:X", "bars:1m", None, 7, "ws", "1m", T0 + minute * MINUTE_NS, Decimal(10), Decimal(12), Decimal(9),
        Decimal(11), Decimal("5.50"), Decimal("60.5"), 3, Decimal(2), 1, 3, closed=True, revision=1,
    )  # fmt: skip
    return replace(one, **changes)


def built(minute: int = 0, **changes: Any) -> Bar:
    given: dict[str, Any] = {"channel": "bars:1m@trades", "origin": "trades", "certificate": "complete"} | changes
    return bar(minute, **given)


def fact(first: int, end: int, state: str = "proven", why: str = "", channel: str = "bars:1m") -> Fact:
    return Fact("v:X", channel, T0 + first * MINUTE_NS, T0 + end * MINUTE_NS, state, "bars", "ws", why, 1)


def at(first: int, end: int) -> tuple[int, int]:
    return T0 + first * MINUTE_NS, T0 + end * MINUTE_NS


def test_equal_bars_match_whatever_their_digits_and_ids() -> None:
    theirs = bar(source="rest", volume=Decimal("5.5"), first_id=None, last_id=None)
    assert compare_bars(bar(), theirs) == Match("v:X", "bars:1m", *at(0, 1))


def test_every_field_that_differs_is_told_and_both_readings_kept() -> None:
    theirs = bar(source="rest", high=Decimal(13), trades=4)
    found = compare_bars(bar(), theirs)
    assert isinstance(found, Mismatch)
    assert found.differences == (Difference("high", "12", "13"), Difference("trades", "3", "4"))
    assert (found.ours, found.theirs) == (bar(), theirs)
    assert found.why == "audit: high ours 12, theirs 13; trades ours 3, theirs 4"


def test_the_smallest_difference_is_one_and_what_one_side_does_not_tell_is_none() -> None:
    assert isinstance(compare_bars(bar(), bar(volume=Decimal("5.50000000000000000001"))), Mismatch)
    assert isinstance(compare_bars(bar(), bar(quote_volume=None, trades=None, taker_buy_volume=None)), Match)


def test_what_a_venue_has_declared_is_known_and_only_that() -> None:
    near, far = bar(quote_volume=Decimal("60.50000003")), bar(quote_volume=Decimal("60.50000004"))
    known = compare_bars(built(), near, [ROUNDS])
    assert isinstance(known, Match)
    assert known.differences == (Difference("quote_volume", "60.5", "60.50000003", "eight digits"),)
    assert isinstance(compare_bars(built(), far, [ROUNDS]), Mismatch), "more than a step a trade"
    assert isinstance(compare_bars(bar(), near, [ROUNDS]), Mismatch), "the venue's own stream rounds as its REST does"


def test_more_is_known_only_of_the_channel_it_was_declared_for_and_never_less() -> None:
    aggregated = built(channel="bars:1m@aggtrades", origin="aggtrades")
    more, less = bar(volume=Decimal(6), trades=4), bar(volume=Decimal(5), trades=4)
    assert isinstance(compare_bars(aggregated, more, [MORE]), Match)
    assert isinstance(compare_bars(built(), more, [MORE]), Mismatch)
    found = compare_bars(aggregated, less, [MORE])
    assert isinstance(found, Mismatch)
    assert [(each.field, each.known) for each in found.differences] == [("volume", ""), ("trades", "funds")]


def audited(ours: list[Bar], theirs: list[Bar], *facts: Fact, end: int = 4, **options: Any) -> list[Any]:
    name = ours[0].channel if ours else "bars:1m"
    return list(audit_bars("v:X", name, at(0, end), ours, theirs, held=Coverage(facts), **options))


def test_every_bar_gets_a_verdict_and_what_is_unchecked_comes_in_one_piece() -> None:
    theirs = [bar(0), bar(1), bar(2, close=Decimal(9)), bar(3, closed=False)]
    found = audited([bar(0), bar(2), bar(3)], theirs)
    assert [(type(each), each.from_ns, each.to_ns) for each in found] == [
        (Match, *at(0, 1)), (Unchecked, *at(1, 2)), (Mismatch, *at(2, 3)), (Unchecked, *at(3, 4)),
    ]  # fmt: skip
    assert [each.why for each in found if isinstance(each, Unchecked)] == [
        "we do not hold it", "the venue's bar is open yet",
    ]  # fmt: skip
    assert audited([], [bar(number) for number in range(4)]) == [
        Unchecked("v:X", "bars:1m", *at(0, 4), "we do not hold it")
    ]
    assert [each.why for each in audited([bar(0)], [], end=3)] == ["the venue's answer leaves it out"]


def test_a_bar_that_is_missing_where_nothing_is_claimed_to_be_is_a_mismatch() -> None:
    found = audited([], [bar(0)], fact(0, 1), end=1)
    assert [(each.why, each.ours) for each in found] == [
        ("audit: bar ours none, theirs 10/12/9/11 volume 5.5", None)
    ]  # fmt: skip


def test_built_bars_no_trade_no_bar_and_a_partial_one_is_not_judged() -> None:
    empty = bar(1, volume=Decimal(0), trades=0)
    covered = fact(0, 4, channel="bars:1m@trades")
    found = audited(
        [built(0), built(2, certificate="partial")], [bar(0), empty, bar(2, close=Decimal(9))], covered, end=3
    )
    assert [type(each) for each in found] == [Match, Match, Unchecked]
    assert found[2].why == "our bar is partial"


def test_a_venue_that_leaves_out_empty_bars() -> None:
    carried = built(1, volume=Decimal(0), trades=0)
    found = audited([built(0), carried, built(2)], [bar(0)], end=4, sparse=True)
    assert [type(each) for each in found] == [Match, Match, Mismatch, Match]
    assert found[2].why == "audit: bar ours 10/12/9/11 volume 5.5, theirs none"


def test_a_bar_is_final_after_a_minute_or_after_the_venues_own_time() -> None:
    late = Quirk(kind="reopens", why="corrected", within_s=300.0)
    assert settled_before(T0, []) == T0 - MINUTE_NS
    assert settled_before(T0, [ROUNDS, late]) == T0 - 5 * MINUTE_NS


def test_a_mismatch_is_disputed_and_settled_once_it_is_equal() -> None:
    mismatch = compare_bars(bar(), bar(close=Decimal(9)))
    assert isinstance(mismatch, Mismatch)
    told = disputed(mismatch, 77)
    assert (told.state, told.cause, told.run, told.known_at_ns) == ("disputed", "disputed", 0, 77)
    assert told.why == "audit: close ours 11, theirs 9"
    covered = Coverage([fact(0, 9), told])
    assert [(each.from_ns, each.to_ns) for each in covered.holes(at(0, 9))] == [at(0, 1)]
    matches = [Match("v:X", "bars:1m", *at(minute, minute + 1)) for minute in range(3)]
    again = agreed(matches, covered, 99)
    assert [(each.from_ns, each.to_ns, each.state, each.cause) for each in again] == [(*at(0, 1), "proven", "disputed")]
    covered.add(again[0])
    assert covered.missing(at(0, 9)) == []
    assert agreed(matches, Coverage([fact(0, 9), fact(0, 1, "disputed", "two readings")]), 99) == [], "not an audit's"


@pytest.mark.parametrize(
    ("channel", "state"), [("bars:1m", "missing"), ("bars:1m@trades", "disputed"), ("trades", "disputed")]
)
def test_a_bar_of_the_venue_that_is_gone_is_missing_and_can_be_fetched(channel: str, state: str) -> None:
    (mismatch,) = audit_bars("v:X", "bars:1m", at(0, 1), [], [bar()], held=Coverage([fact(0, 9)]))
    assert isinstance(mismatch, Mismatch)
    told = disputed(replace(mismatch, channel=channel), 77)
    assert (told.state, told.cause) == (state, "disputed")
    assert told.why == "audit: bar ours none, theirs 10/12/9/11 volume 5.5"
    covered = Coverage([fact(0, 9), told])
    assert covered.missing(at(0, 9)) == [at(0, 1)]
    assert bool(covered.to_fetch(at(0, 9))) == (state == "missing")


def book(bids: list[tuple[str, str]], asks: list[tuple[str, str]], source: str = "ws") -> BookSnapshot:
    return BookSnapshot("v:X", "book", T0, T0, source, bids, asks, last_seq=5)


def test_books_at_one_sequence_by_number_not_by_text() -> None:
    ours = book([("10.00", "1.0"), ("9", "2")], [("11", "1")])
    assert compare_books(ours, book([("10", "1"), ("9.0", "2.00"), ("8", "9")], [("11", "1")], "rest"), 2) == Match(
        "v:X", "book", T0, T0 + 1
    )
    theirs = book([("10", "1"), ("8", "2")], [("11", "3")], "rest")
    found = compare_books(ours, theirs, 20)
    assert isinstance(found, Mismatch)
    assert found.differences == (Difference("bid 2", "2 at 9", "2 at 8"), Difference("ask 1", "1 at 11", "3 at 11"))
    short = compare_books(ours, book([("10", "1")], [("11", "1")], "rest"), 20)
    assert isinstance(short, Mismatch)
    assert short.differences == (Difference("bid 2", "2 at 9", "none"),)

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from wire_fakes import SECOND_NS, START_NS, quote

from tapeline.model.event import Bar, BookSnapshot, Ticker
from tapeline.wire.continuity import Place, Point
from tapeline.wire.latest import ByOpenTime, ByUpdate

FOLLOWS, SEEN, AHEAD = Place.FOLLOWS, Place.SEEN, Place.AHEAD
MINUTE_NS = 60 * SECOND_NS
OPEN_NS = START_NS // MINUTE_NS * MINUTE_NS


def ticker(at_s: float | None, last: int = 1, received_ns: int = 0) -> Ticker:
    at_ns = None if at_s is None else START_NS + round(at_s * SECOND_NS)
    return Ticker("toy:A/X", "ticker", at_ns, received_ns, "ws", Decimal(last))


def bar(minute: int, *, closed: bool = False, close: int = 1, received_minute: int | None = None) -> Bar:
    one, received = Decimal(1), minute if received_minute is None else received_minute
    return Bar(
        "toy:A/X", "bars:1m", None, OPEN_NS + received * MINUTE_NS, "ws", "1m", OPEN_NS + minute * MINUTE_NS,
        one, one, one, Decimal(close), one, None, None, None, None, None, closed,
    )  # fmt: skip


# ---- updates -----------------------------------------------------------------------------------------------------


def test_newer_update_ids_pass() -> None:
    rule = ByUpdate()
    assert [rule.follows(quote(n)) for n in (5, 6, 6, 4, 9)] == [True, True, False, False, True]
    assert (rule.order(quote(9)), rule.order(quote(None)), rule.first_of(quote(9))) == (9, 0, 9)
    assert not rule.proves(quote(10))


def test_an_old_update_id_long_after_is_a_venue_that_numbers_anew() -> None:
    rule = ByUpdate()
    assert rule.follows(quote(500, received_ns=START_NS))
    assert not rule.follows(quote(3, received_ns=START_NS + 59 * SECOND_NS))  # may be the slower connection
    assert rule.follows(quote(3, received_ns=START_NS + 61 * SECOND_NS))
    assert rule.follows(quote(4, received_ns=START_NS + 62 * SECOND_NS))
    assert not rule.follows(quote(4, received_ns=START_NS + 999 * SECOND_NS))  # the same state, said again


def test_by_time_where_there_is_no_id() -> None:
    rule = ByUpdate()
    assert [rule.follows(ticker(at)) for at in (10, 11, 10, 11)] == [True, True, False, False]
    assert rule.follows(ticker(11, last=2))  # the same instant, another content
    assert not rule.follows(ticker(11, last=2, received_ns=5))


def test_one_stamp_from_the_future_does_not_end_the_series() -> None:
    rule = ByUpdate()
    assert [rule.follows(ticker(at)) for at in (10, 3610, 11, 12, 11)] == [True, True, True, True, False]


def test_by_content_where_there_is_neither() -> None:
    rule = ByUpdate()
    assert [rule.follows(ticker(None, last)) for last in (1, 1, 2, 1)] == [True, False, True, True]
    assert rule.follows(ticker(5, last=1))
    assert rule.follows(ticker(None, last=3))


def test_updates_go_on_from_a_point() -> None:
    rule = ByUpdate()
    rule.restart(Point(START_NS, 0, 41))
    assert [rule.follows(quote(n)) for n in (41, 42)] == [False, True]


def test_a_top_of_book_is_placed_by_its_sequence() -> None:
    def top(seq: int | None) -> BookSnapshot:
        return BookSnapshot("toy:A/X", "book:5", None, 0, "ws", (), (), None, seq)

    rule = ByUpdate()
    assert [rule.follows(top(n)) for n in (7, 7, 8, 3)] == [True, False, True, False]


# ---- bars --------------------------------------------------------------------------------------------------------


def test_a_bar_is_updated_until_it_closes_and_the_next_follows() -> None:
    rule = ByOpenTime("1m")
    said: list[tuple[Any, bool]] = [
        (bar(0), True),
        (bar(0), False),  # the same again
        (bar(0, close=2), True),
        (bar(0, close=2, closed=True), True),
        (bar(0, close=3, closed=True), False),  # it has closed
        (bar(1), True),
        (bar(0, closed=True), False),  # the slower connection
        (bar(1, closed=True), True),
    ]
    assert [rule.follows(event) for event, _ in said] == [expected for _, expected in said]


@pytest.mark.parametrize(
    ("held", "event"),
    [(bar(0), bar(1)), (bar(0, closed=True), bar(2)), (bar(0), bar(5))],
    ids=["its closing is missing", "a bar is missing", "bars are missing"],
)
def test_what_is_missing_is_seen(held: Bar, event: Bar) -> None:
    rule = ByOpenTime("1m")
    rule.take(held)
    assert rule.place(event) is AHEAD
    assert rule.cause == "missing_bar"
    assert not rule.waits


def test_bars_go_on_from_a_stored_one_which_had_closed() -> None:
    rule = ByOpenTime("1m")
    rule.restart(Point(None, 0, bar(3).open_at_ns))
    assert [rule.place(bar(n)) for n in (2, 3, 4, 5)] == [SEEN, SEEN, FOLLOWS, AHEAD]
    assert rule.proves(bar(4))
    assert rule.order(bar(4)) == rule.seq_of(bar(4)) == rule.first_of(bar(4)) == bar(4).open_at_ns
    rule.restart(Point(None, 0, None))
    assert rule.place(bar(9)) is FOLLOWS


def test_one_bar_from_the_future_does_not_end_the_series() -> None:
    rule = ByOpenTime("1m")
    rule.take(bar(0, closed=True))
    wild = bar(10_000, received_minute=1)
    assert rule.place(wild) is AHEAD
    rule.take(wild)
    assert rule.place(bar(1)) is AHEAD  # announced as a hole, then it goes on
    rule.take(bar(1))
    assert rule.place(bar(1, close=2)) is FOLLOWS


def test_a_clock_of_ours_that_is_behind_makes_no_bar_wild() -> None:
    rule = ByOpenTime("1m")
    rule.take(bar(61, received_minute=0))
    assert rule.place(bar(60, received_minute=0)) is SEEN


# ---- while several lanes deliver ---------------------------------------------------------------------------------


def beside(rule: ByUpdate | ByOpenTime) -> Any:
    """The rule while another lane delivers too, of which one may be far behind."""
    rule.overlap = True
    return rule


def test_an_older_stamp_is_the_slower_lane_however_much_older() -> None:
    rule = beside(ByUpdate())
    behind = [ticker(at, received_ns=START_NS) for at in (100, 101, 80, 102, 81, 102)]
    assert [rule.follows(event) for event in behind] == [True, True, False, True, False, False]
    assert not rule.follows(ticker(82, received_ns=START_NS + 59 * SECOND_NS))
    assert rule.follows(ticker(83, received_ns=START_NS + 61 * SECOND_NS))  # nobody is ahead: the venue's clock


def test_alike_stamps_of_both_pass_once_each() -> None:
    rule = beside(ByUpdate())
    said = [ticker(5, last) for last in (1, 2, 1, 2, 3, 1)]
    assert [rule.follows(event) for event in said] == [True, True, False, False, True, False]
    assert rule.follows(ticker(6, last=1))
    rule.overlap = False
    assert rule.follows(ticker(7, last=1))
    assert rule._beside == []


def grown(minute: int, volume: int, at_s: float, *, closed: bool = False) -> Bar:
    one = bar(minute, closed=closed)
    return msgspec.structs.replace(one, volume=Decimal(volume), at_ns=START_NS + round(at_s * SECOND_NS))


def test_an_earlier_state_of_the_open_bar_is_the_slower_lane() -> None:
    rule = beside(ByOpenTime("1m"))
    said: list[tuple[Bar, bool]] = [
        (grown(0, 1, 1), True),
        (grown(0, 3, 3), True),
        (grown(0, 1, 1), False),
        (grown(0, 2, 2), False),
        (grown(0, 3, 3), False),
        (grown(0, 3, 4), True),  # nothing traded, and the venue says so
        (grown(0, 3, 3), False),
        (grown(0, 4, 5, closed=True), True),
        (grown(0, 4, 4), False),
        (grown(1, 1, 6), True),
        (grown(0, 4, 5, closed=True), False),
    ]
    assert [rule.follows(event) for event, _ in said] == [expected for _, expected in said]


def test_of_a_bar_that_is_held_back_the_later_state_counts() -> None:
    rule = ByOpenTime("1m")
    assert rule.renews(grown(1, 1, 1), grown(1, 2, 2))
    assert rule.renews(grown(1, 1, 1), grown(1, 1, 1, closed=True))
    assert not rule.renews(grown(1, 2, 2), grown(1, 1, 1))
    assert not rule.renews(grown(1, 2, 2, closed=True), grown(1, 2, 3))
    assert not ByUpdate().renews(quote(1), quote(1))

from decimal import Decimal
from typing import Any

import pytest
from wire_fakes import START_NS, trade

from tapeline.model.event import BookDelta, BookSnapshot, Liquidation
from tapeline.model.verdict import Verdict
from tapeline.wire.continuity import (
    REMEMBERED_IDS,
    REMEMBERED_MORE,
    ByContent,
    ByIdentity,
    ByIds,
    ByJudge,
    BySeq,
    Place,
    Point,
    Rule,
)

FOLLOWS, SEEN, AHEAD = Place.FOLLOWS, Place.SEEN, Place.AHEAD


def chained(at: int | None, delta: BookDelta) -> Verdict:
    """A rule like most venues': each delta names the one before it."""
    if at is None or delta.prev_seq == at:
        return Verdict.APPLY
    return Verdict.STALE if delta.last_seq is not None and delta.last_seq <= at else Verdict.GAP


def delta(last: int | None, prev: int | None = None, first: int | None = None) -> BookDelta:
    before = last - 1 if prev is None and last is not None else prev
    return BookDelta("toy:A/X", "book", START_NS, 0, "ws", (), (), first, last, before)


def snapshot(last: int | None) -> BookSnapshot:
    return BookSnapshot("toy:A/X", "book", START_NS, 0, "ws", (), (), None, last)


def ids(first: int | None, last: int | None, at_ns: int | None = None) -> Any:
    return trade(last, at_ns=at_ns, first_id=first, last_id=last)


def taken(rule: Rule, *events: Any) -> list[Place]:
    """Each event's place; those that follow are taken."""
    places = []
    for event in events:
        places.append(rule.place(event))
        if places[-1] is FOLLOWS:
            rule.take(event)
    return places


# ---- by seq ------------------------------------------------------------------------------------------------------


def test_seq_grows_by_one() -> None:
    rule = BySeq()
    assert taken(rule, trade(5), trade(6), trade(6), trade(5), trade(8), trade(7)) == [
        FOLLOWS, FOLLOWS, SEEN, SEEN, AHEAD, FOLLOWS,
    ]  # fmt: skip
    assert [rule.follows(trade(seq)) for seq in (7, 9, 8, 9)] == [False, False, True, True]


def test_the_first_event_of_a_fresh_series_is_not_plainly_next() -> None:
    assert not BySeq().follows(trade(5))
    assert not BySeq().follows(trade(None))  # None == None is no proof; once it ended the whole feed
    assert not ByIds().follows(ids(None, 5))


def test_a_trade_without_seq_passes_and_proves_nothing() -> None:
    rule = BySeq()
    assert taken(rule, trade(None), trade(5), trade(None), trade(6)) == [FOLLOWS] * 4
    assert rule.proves(trade(7))
    assert not rule.proves(trade(None))
    assert not BySeq().proves(trade(7))
    assert (rule.order(trade(7)), rule.order(trade(None))) == (7, 0)
    assert (rule.seq_of(trade(7)), rule.first_of(trade(7))) == (7, 7)


def test_seq_goes_on_from_a_point() -> None:
    rule = BySeq()
    rule.restart(Point(START_NS, 0, 41))
    assert rule.follows(trade(42))
    rule.restart(Point(START_NS, 0, None))
    assert rule.place(trade(7)) is FOLLOWS
    assert not rule.proves(trade(7))


# ---- by id ranges ------------------------------------------------------------------------------------------------


def test_ranges_follow_each_other() -> None:
    rule = ByIds()
    assert taken(rule, ids(1, 3), ids(4, 4), ids(1, 3), ids(9, 9), ids(5, 8), ids(9, 9)) == [
        FOLLOWS, FOLLOWS, SEEN, AHEAD, FOLLOWS, FOLLOWS,
    ]  # fmt: skip
    assert [rule.follows(event) for event in (ids(10, 12), ids(12, 13), ids(13, None), ids(13, 13))] == [
        True, False, False, True,
    ]  # fmt: skip


def test_a_range_that_overlaps_and_goes_on_follows() -> None:
    rule = ByIds()
    assert taken(rule, ids(1, 5), ids(4, 7), ids(8, 9)) == [FOLLOWS] * 3
    assert rule.place(ids(3, 9)) is SEEN


def test_a_trade_without_range_passes_and_proves_nothing() -> None:
    rule = ByIds()
    assert taken(rule, ids(1, 5), ids(None, None), ids(6, None), ids(6, 6)) == [FOLLOWS] * 4
    assert rule.proves(ids(7, 7))
    assert not rule.proves(ids(7, None))
    assert not ByIds().proves(ids(7, 7))


def test_ranges_are_ordered_by_their_start_and_named_by_both_ends() -> None:
    rule = ByIds()
    assert (rule.order(ids(4, 9)), rule.order(ids(None, 9))) == (4, 0)
    assert (rule.seq_of(ids(4, 9)), rule.first_of(ids(4, 9))) == (9, 4)


# ---- by identity -------------------------------------------------------------------------------------------------


def test_an_id_is_taken_once() -> None:
    rule = ByIdentity()
    assert [rule.follows(trade(seq)) for seq in (5, 3, 5, 9, 3)] == [True, True, False, True, False]
    assert (rule.place(trade(9)), rule.place(trade(10))) == (SEEN, FOLLOWS)
    rule.restart(Point(START_NS, 0, 100))
    assert rule.place(trade(10)) is FOLLOWS
    assert not rule.proves(trade(10))
    assert rule.order(trade(10, at_ns=77)) == 77
    assert rule.first_of(trade(10)) == 10


def test_what_is_remembered_is_bounded() -> None:
    rule = ByIdentity()
    for seq in range(REMEMBERED_IDS + 10):
        rule.take(trade(seq))
    assert len(rule._seen) == REMEMBERED_IDS
    assert rule.place(trade(9)) is FOLLOWS
    assert rule.place(trade(10)) is SEEN


def test_beside_a_slower_lane_more_is_remembered_and_that_is_bounded_too() -> None:
    rule = ByIdentity()
    rule.overlap = True
    for seq in range(REMEMBERED_MORE + 10):
        rule.take(trade(seq))
    assert len(rule._seen) == REMEMBERED_MORE
    assert rule.place(trade(10)) is SEEN
    rule.overlap = False
    rule.take(trade(-1))
    assert len(rule._seen) == REMEMBERED_IDS


def liquidation(at_ns: int, size: str, received_ns: int = 0) -> Liquidation:
    return Liquidation("toy:A/X", "liquidations", at_ns, received_ns, "ws", "sell", Decimal(100), Decimal(size))


def test_liquidations_are_events_of_their_own_whatever_their_order() -> None:
    rule = ByContent()
    assert rule.follows(liquidation(10, "1"))
    assert rule.follows(liquidation(9, "1"))  # an older one is no repeat
    assert rule.follows(liquidation(10, "2"))
    assert not rule.follows(liquidation(10, "1", received_ns=5))  # the other connection's copy
    assert rule.order(liquidation(10, "1")) == 10
    assert (rule.seq_of(liquidation(10, "1")), rule.first_of(liquidation(10, "1"))) == (None, None)


# ---- books -------------------------------------------------------------------------------------------------------


def test_deltas_follow_by_the_venues_own_rule() -> None:
    rule = ByJudge(chained)
    assert not rule.follows(delta(5))  # no state yet
    assert taken(rule, delta(5), delta(6), delta(6), delta(9), delta(7)) == [FOLLOWS, FOLLOWS, SEEN, AHEAD, FOLLOWS]
    assert [rule.follows(delta(8)), rule.follows(delta(8)), rule.follows(delta(10))] == [True, False, False]


def test_a_snapshot_starts_anew_unless_it_is_older_than_the_state() -> None:
    rule = ByJudge(chained)
    assert taken(rule, snapshot(10), snapshot(9), snapshot(10), snapshot(20), delta(15), delta(21)) == [
        FOLLOWS, SEEN, FOLLOWS, FOLLOWS, SEEN, FOLLOWS,
    ]  # fmt: skip
    assert not rule.follows(snapshot(22))
    assert taken(rule, snapshot(None)) == [FOLLOWS]  # a venue without sequences: the whole state is always good


def test_what_proves_a_book_unbroken() -> None:
    rule = ByJudge(chained)
    assert not rule.proves(delta(11))
    rule.restart(Point(START_NS, 0, 10))
    assert rule.proves(delta(11))
    assert rule.proves(snapshot(10))  # nothing has moved
    assert not rule.proves(snapshot(11))
    assert not rule.proves(snapshot(None))


def test_a_gap_names_a_book_by_its_first_update() -> None:
    rule = ByJudge(chained)
    assert (rule.seq_of(delta(9, first=7)), rule.first_of(delta(9, first=7)), rule.first_of(delta(9))) == (9, 7, 9)
    assert (rule.order(delta(9)), rule.order(delta(None))) == (9, 0)


@pytest.mark.parametrize("rule", [BySeq(), ByIds(), ByIdentity(), ByContent(), ByJudge(chained)])
def test_every_rule_says_whether_it_waits(rule: Rule) -> None:
    assert rule.waits is (rule.cause != "id_jump" or isinstance(rule, BySeq))

from decimal import Decimal

import pytest

from tapeline.model.event import BookDelta, BookSnapshot, Quote
from tapeline.trading.paper.depth import Depth, Ladder

D = Decimal
NAME = "toy:BTC/USDT"


def snapshot(seq: int, ask: str = "100", *, source: str = "ws", channel: str = "book") -> BookSnapshot:
    return BookSnapshot(NAME, channel, 1, 1, source, [("99", "5")], [(ask, "2")], last_seq=seq)


def delta(seq: int, ask: str, size: str, *, channel: str = "book") -> BookDelta:
    return BookDelta(NAME, channel, 1, 1, "ws", [], [(ask, size)], first_seq=seq, last_seq=seq)


def asks(depth: Depth) -> list[tuple[Decimal, Decimal]]:
    return list(depth.asks.available(None))


def test_levels_are_in_order_whatever_order_they_came_in() -> None:
    for sign, order in ((1, ["101", "100", "99"]), (-1, ["99", "100", "101"])):
        ladder = Ladder(sign)
        for price in ("100", "99", "101", "98"):
            ladder.change(D(price), D(1))
        ladder.change(D(98), D(0))
        ladder.change(D(97), D(0))
        ladder.change(D("100.0"), D(3))  # the same level, written differently
        assert [price for price, _ in ladder.available(None)] == [D(price) for price in order]
        assert (len(ladder), ladder.best, ladder.size(D(100))) == (3, D(order[0]), D(3))
        assert ladder.covers(D(order[-1]))
        assert not ladder.covers(D(order[-1]) - sign)
        assert [price for price, _ in ladder.available(D(100))] == [D(order[0]), D(100)]


def test_no_more_can_be_taken_than_is_shown() -> None:
    ladder = Ladder(-1)
    ladder.load([(D(100), D(2)), (D(101), D(0))])
    ladder.take(D(100), D(2))
    assert list(ladder.available(None)) == []
    with pytest.raises(AssertionError, match="more than is shown at 100"):
        ladder.take(D(100), D(1))


def test_deltas_before_a_state_wait_for_it_and_old_ones_are_in_it() -> None:
    depth = Depth()
    assert not depth.delta(delta(4, "100", "1"))
    assert not depth.delta(delta(6, "101", "3"))
    assert depth.snapshot(snapshot(5))
    assert asks(depth) == [(D(100), D(2)), (D(101), D(3))]
    assert not depth.delta(delta(6, "101", "9"))
    assert depth.delta(delta(7, "101", "0"))
    assert asks(depth) == [(D(100), D(2))]


def test_an_older_snapshot_from_rest_and_a_second_book_are_passed_over() -> None:
    depth = Depth()
    depth.snapshot(snapshot(5))
    assert not depth.snapshot(snapshot(4, "200", source="rest"))
    assert not depth.snapshot(snapshot(9, "200", channel="book:20"))
    assert not depth.delta(delta(9, "200", "1", channel="book:20"))
    assert depth.snapshot(snapshot(6, "101", source="rest"))
    assert asks(depth) == [(D(101), D(2))]
    depth.lose()
    assert (depth.kind, asks(depth)) == ("", [])
    assert depth.snapshot(snapshot(9, "200", channel="book:20"))


def test_best_bid_and_offer_are_used_where_there_is_no_book() -> None:
    depth = Depth()
    assert depth.quote(Quote(NAME, "quotes", 1, 1, "ws", D(99), D(1), None, None))
    assert (depth.kind, depth.bids.best, depth.asks.best) == ("quotes", D(99), None)
    depth.snapshot(snapshot(5))
    assert not depth.quote(Quote(NAME, "quotes", 1, 1, "ws", D(90), D(1), D(91), D(1)))
    assert (depth.side("sell").best, depth.queue("sell").best) == (D(99), D(100))


def test_a_crossed_state_is_given_up() -> None:
    depth = Depth()
    depth.snapshot(snapshot(5))
    depth.delta(delta(6, "98", "1"))
    assert depth.kind == ""
    assert not depth.delta(delta(7, "98", "0"))
    assert depth.snapshot(snapshot(6, "102"))
    assert asks(depth) == [(D(102), D(2))]

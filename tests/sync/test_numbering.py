"""Pages of a venue that has begun to number anew, taken apart."""

from decimal import Decimal

import pytest

from tapeline.model.event import Trade
from tapeline.model.interval import SECOND_NS
from tapeline.sync.numbering import covered, follows, numberings

ONE = Decimal(1)


def trade(seq: int, at_s: float, first: int | None = None, channel: str = "trades") -> Trade:
    ids = (first if first is not None else seq, seq) if channel == "trades" else (seq * 10, seq * 10 + 3)
    at_ns = int(at_s * SECOND_NS)
    return Trade("x:A/B", channel, at_ns, at_ns, "rest", str(seq), seq, "buy", ONE, ONE, *ids)


def told(*trades: tuple[int, float]) -> list[list[int]]:
    return [[each.seq or 0 for each in found] for found in numberings([trade(*each) for each in trades])]


def test_what_is_numbered_in_order_is_one_stretch_however_the_page_is_sorted() -> None:
    assert told((3, 30), (1, 10), (2, 20)) == [[1, 2, 3]]
    assert told() == []
    assert told((5, 50)) == [[5]]
    in_order = [trade(1, 10), trade(2, 10), trade(3, 11)]
    assert numberings(in_order) == [in_order]
    assert numberings([*in_order, trade(7, 12, first=9), trade(8, 12)]) == [[*in_order, trade(8, 12), trade(7, 12, 9)]]


def test_a_number_that_falls_begins_another_and_repeated_ones_are_told_apart() -> None:
    assert told((93, 10), (94, 20), (90, 100), (91, 130), (88, 200), (89, 230)) == [[93, 94], [90, 91], [88, 89]]
    assert told((93, 10), (94, 20), (94, 100), (95, 130)) == [[93, 94], [94, 95]], "one number, two trades"
    assert told((93, 10), (94, 20), (94, 22), (95, 130)) == [[93, 94], [94, 95]], "however near each other"
    assert told((93, 10), (1, 20), (2, 21)) == [[93], [1, 2]]


def test_neighbours_may_be_out_of_order_by_seconds() -> None:
    assert told((2, 10.0), (1, 10.003), (3, 14)) == [[1, 2, 3]]
    assert told((3, 10.0), (2, 14.9), (1, 15.0)) == [[1, 2, 3]]


def test_a_wild_stamp_begins_nothing() -> None:
    assert told((1, 10), (2, 20), (3, 9000), (4, 40), (5, 50)) == [[1, 2, 3, 4, 5]], "there is room for its number"
    assert told((1, 10), (2, 20), (5, 50), (3, 9000)) == [[1, 2, 5], [3]], "its neighbours are not there"


def test_merged_trades_go_by_their_ranges_and_aggregates_by_their_own_numbers() -> None:
    merged = [trade(93, 10, 91), trade(96, 20, 94), trade(94, 100, 92), trade(97, 130, 95)]
    assert [[covered(each) for each in found] for found in numberings(merged)] == [
        [(91, 93), (94, 96)],
        [(92, 94), (95, 97)],
    ]
    assert covered(trade(7, 1, channel="aggtrades")) == (7, 7)


@pytest.mark.parametrize(("ids", "expected"), [((1, 2, 3), True), ((1, 3), False), ((), True), ((4,), True)])
def test_what_follows(ids: tuple[int, ...], expected: bool) -> None:
    assert follows([trade(each, each) for each in ids]) is expected

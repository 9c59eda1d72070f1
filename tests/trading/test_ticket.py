from decimal import Decimal

import pytest

from tapeline.trading.paper.ticket import MOST_CREDITS, Queue, Ticket

D = Decimal


def ticket(name: str, side: str, price: str | None, number: int) -> Ticket:
    return Ticket(name, number, side, D(1), None if price is None else D(price))


@pytest.mark.parametrize(("side", "order"), [("buy", ["market", "b", "a", "c"]), ("sell", ["market", "a", "c", "b"])])
def test_the_market_comes_to_orders_by_price_then_time(side: str, order: list[str]) -> None:
    queue = Queue(side)
    for name, price, number in (("c", "99", 4), ("a", "99", 1), ("b", "100", 2), ("market", None, 3)):
        queue.add(ticket(name, side, price, number))
    assert [one.name for one in queue] == order
    assert (queue.side, len(queue), queue.best) == (side, 4, None)


def test_those_that_go_while_the_queue_is_read_are_passed_over() -> None:
    queue = Queue("buy")
    first, second = ticket("a", "buy", "100", 1), ticket("b", "buy", "99", 2)
    queue.add(first)
    queue.add(second)
    seen = []
    for one in queue:
        seen.append(one.name)
        second.alive = False
        queue.remove(second)
        queue.remove(second)
    assert (seen, len(queue), queue.best) == (["a"], 1, D(100))


def test_what_the_book_took_off_the_queue_is_not_taken_again_by_its_trade() -> None:
    one = ticket("a", "buy", "99", 1)
    one.level_shows(D(10), 5, D(0))
    assert one.ahead == 10
    one.level_shows(D(4), 6, D(0))
    assert (one.ahead, one.credits) == (D(4), [(6, D(6))])
    assert one.trade_passes(D(5), 6) == 0
    assert (one.ahead, one.credits) == (D(4), [(6, D(1))])
    assert one.trade_passes(D(3), 7) == 0  # later than the book: nothing is owed any more
    assert (one.ahead, one.credits) == (D(1), [])
    assert one.trade_passes(D(3), None) == 2


def test_a_level_that_shrank_before_a_trade_does_not_tell_of_it() -> None:
    one = ticket("a", "buy", "99", 1)
    one.level_shows(D(10), 5, D(1))
    one.level_shows(D(7), 6, D(1))  # three were cancelled
    one.level_shows(D(3), 8, D(1))  # four were traded, as is told next
    assert (one.ahead, one.credits) == (D(3), [(6, D(3)), (8, D(4))])
    assert one.trade_passes(D(8), 8) == 1, "four that are told of already, three ahead, and one for us"
    late = ticket("b", "buy", "99", 2)
    late.level_shows(D(10), 5, D(1))
    late.level_shows(D(7), 6, D(1))
    late.level_shows(D(5), 7, D(1))
    assert (late.trade_passes(D(3), 6), late.ahead) == (D(0), D(5)), "its level told of it, and another came between"
    assert late.credits == [(7, D(2))]


def test_what_may_still_be_told_of_is_bounded() -> None:
    one = ticket("a", "buy", "99", 1)
    for at_ns in range(1000):
        one.level_shows(D(1000 - at_ns), at_ns, D(1))
    assert len(one.credits) == MOST_CREDITS
    assert one.credits[0] == (936, D(936))
    assert one.trade_passes(D(1000), 0) == 0, "all of it was told of but one, which was ahead"


def test_cancels_are_what_trades_do_not_explain() -> None:
    one = ticket("a", "buy", "99", 1)
    one.level_shows(D(10), 5, D("0.5"))
    one.level_shows(D(20), 6, D("0.5"))
    one.trade_passes(D(4), 7)
    one.level_shows(D(10), 8, D("0.5"))  # ten less: four were traded, three of the other six stood before us
    assert one.ahead == 3


def test_a_queue_that_nobody_saw_has_no_end() -> None:
    one = ticket("a", "buy", "99", 1)
    with pytest.raises(AssertionError, match="not known"):
        one.trade_passes(D(1), 1)
    one.ahead = D(3)  # as where trades alone are known
    one.level_shows(D(2), 1, D(0))
    assert one.ahead == 2


def test_a_trailing_stop_is_where_the_best_price_put_it() -> None:
    one = ticket("a", "sell", None, 1)
    one.kind, one.trail = "trailing_stop", D("0.1")
    assert not one.rises
    for price, level in ((100, 90), (90, 90), (200, 180)):
        one.follow(D(price))
        assert one.trigger == level
    assert one.reached(D(180))
    still = ticket("b", "sell", None, 1)
    still.follow(D(1))
    with pytest.raises(AssertionError, match="waits for nothing"):
        still.reached(D(1))

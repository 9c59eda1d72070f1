from decimal import Decimal

import pytest
from exchange_fixtures import SPOT, intent

from tapeline.model.event import Funding
from tapeline.trading.paper.funds import Account, Working
from tapeline.trading.paper.timers import DeadMan, Expiry, Settlement, Timers

D = Decimal


def order(number: int, expires_ns: int | None) -> Working:
    account = Account("a", {}, hedge=False, may_trade=True)
    return Working(account, str(number), intent("buy", "1", "9", expires_ns=expires_ns), SPOT, number)


def funding(rate: str, next_ns: int | None) -> Funding:
    return Funding(SPOT.id, "funding", 1, 1, "ws", D(rate), None, next_ns)


def test_what_is_due_comes_in_the_order_of_its_time_and_once() -> None:
    timers = Timers()
    late, early = order(1, 30), order(2, 10)
    timers.expire(late)
    timers.expire(early)
    timers.dead_man("a", None, 20)
    timers.funding(funding("0.1", 15), 0)
    assert timers.next_ns() == 10
    assert list(timers.due(20)) == [Expiry(early), Settlement(SPOT.id, D("0.1"), 15), DeadMan("a", None)]
    assert list(timers.due(20)) == []
    assert timers.next_ns() == 30
    late.state = "filled"
    assert timers.next_ns() is None


def test_timers_are_renewed_and_taken_away() -> None:
    timers = Timers()
    timers.dead_man("a", "x", 10)
    timers.dead_man("a", "x", 20)
    timers.dead_man("a", None, 15)
    timers.dead_man("a", None, None)
    timers.dead_man("a", None, None)
    assert list(timers.due(19)) == []
    assert list(timers.due(20)) == [DeadMan("a", "x")]


def test_the_newest_rate_counts_and_none_for_what_is_past() -> None:
    timers = Timers()
    timers.funding(funding("0.1", 15), 0)
    timers.funding(funding("0.2", 15), 14)
    timers.funding(funding("0.3", None), 14)
    timers.funding(funding("0.4", 14), 14)
    assert list(timers.due(15)) == [Settlement(SPOT.id, D("0.2"), 15)]


def test_an_order_that_is_good_for_ever_has_no_end() -> None:
    with pytest.raises(AssertionError, match="good for ever"):
        Timers().expire(order(1, None))


def test_what_is_to_end_an_order_that_is_over_is_forgotten() -> None:
    timers = Timers()
    orders = [order(number, 100 - number) for number in range(1, 5)]
    for each in orders:
        timers.expire(each)
    orders[0].state = orders[3].state = "filled"
    timers.forget()
    assert [name for _, name, _ in timers._expiries] == [3, 2]  # the ended ones would be there until their time
    assert list(timers.due(100)) == [Expiry(orders[2]), Expiry(orders[1])]

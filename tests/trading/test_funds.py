from decimal import Decimal

import pytest
from exchange_fixtures import PERP, SPOT, intent

from tapeline.errors import OrderRefused
from tapeline.trading.paper.funds import Account, Stake, Working, contract_of, lock_currency
from tapeline.trading.paper.ticket import Ticket

D = Decimal


def account() -> Account:
    return Account("a", {"USDT": D(100)}, hedge=False, may_trade=True)


def test_shares_of_a_cost_are_rounded_and_nothing_is_lost() -> None:
    stake = Stake(PERP, "net")
    assert stake.trade("buy", D(100), D(3)) == 0
    assert stake.trade("buy", D("100.1"), D(4)) == 0  # 70.04 for seven
    assert (stake.entry_price, stake.value(D(110)), stake.unrealised(D(110))) == (
        D("100.0571428571429"),
        D(77),
        D("6.96"),
    )
    first = stake.trade("sell", D(110), D(2))
    assert first == D(22) - D("20.01142857")
    assert stake.trade("sell", D(110), D(6)) == D(55) - (D("70.04") - D("20.01142857"))
    assert (stake.size, stake.cost, stake.entry_price) == (D(-1), D(-11), D(110))
    assert stake.trade("buy", D(100), D(1)) == D(1)
    assert (stake.size, stake.cost, stake.entry_price) == (D(0), D(0), None)


def test_a_lock_is_what_the_order_needs_now() -> None:
    one = account()
    order = Working(one, "1", intent("buy", "1", "50"), SPOT, 7)
    one.lock(order, "USDT", D(50))
    one.lock(order, "USDT", D(20))
    assert (one.wallet("USDT").locked, one.wallet("USDT").free, one.touched) == (D(20), D(80), {"USDT": ""})
    one.touched.clear()
    one.lock(order, "USDT", D(20))
    one.change("EUR", D(3), "transfer")
    assert (one.wallet("EUR").total, one.touched) == (D(3), {"EUR": "transfer"})


def test_an_order_says_what_is_left_and_what_it_needs() -> None:
    one = account()
    order = Working(one, "1", intent("sell", "3", "50"), SPOT, 7)
    assert (order.left, order.final, order.waits, lock_currency(order)) == (D(3), False, False, "BTC")
    order.filled, order.value = D(2), D(101)
    order.ticket = Ticket("7", 7, "sell", D(1), D(50))
    order.ticket.trigger = D(49)
    update = order.update(5)
    assert (update.average, update.filled, update.venue_id, update.received_ns, order.waits) == (
        D("50.5"),
        D(2),
        "7",
        5,
        True,
    )
    assert Working(one, "2", intent("buy", None, quote_size=D(5)), SPOT, 8).left == 0
    assert lock_currency(Working(one, "2", intent("buy", "1"), SPOT, 8)) == "USDT"


def test_only_what_is_open_can_be_worked_on() -> None:
    one = account()
    order = Working(one, "1", intent("sell", "3", "50", of=PERP), PERP, 7)
    one.orders["1"] = order
    assert one.working("1") is order
    order.state = "filled"
    for name, reason in (("1", "already_final"), ("2", "unknown_order")):
        with pytest.raises(OrderRefused) as error:
            one.working(name)
        assert error.value.reason == reason


def test_what_may_be_reduced_is_the_position_on_the_other_side() -> None:
    one = account()
    sell = Working(one, "1", intent("sell", "9", of=PERP), PERP, 1)
    buy = Working(one, "2", intent("buy", "9", of=PERP), PERP, 2)
    assert (one.held(PERP.id, "net"), one.reducible(sell)) == (D(0), D(0))
    one.stake(PERP, "net").trade("buy", D(1), D(3))
    assert (one.held(PERP.id, "net"), one.reducible(sell), one.reducible(buy)) == (D(3), D(3), D(0))
    assert (contract_of(PERP), contract_of(SPOT)) == (D("0.1"), D(1))

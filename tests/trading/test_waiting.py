from decimal import Decimal

import pytest

from tapeline.model.order import Intent
from tapeline.trading.waiting import Waiter, Waiters, released

D = Decimal


def waiter(side: str, kind: str, **more: object) -> Waiter:
    return Waiter("c1", Intent(instrument="sim:A/B", side=side, kind=kind, size=D(1), **more))  # type: ignore[arg-type]  # a table of options


@pytest.mark.parametrize(
    ("side", "kind", "at", "not_yet", "there"),
    [
        ("sell", "stop", "100", "100.1", "100"), ("buy", "stop", "100", "99.9", "100"),
        ("sell", "take_profit", "100", "99.9", "100"), ("buy", "take_profit", "100", "100.1", "100"),
        ("sell", "stop_limit", "100", "100.1", "99"), ("buy", "take_profit_limit", "100", "101", "99"),
    ],
)  # fmt: skip
def test_a_price_is_waited_for_on_its_own_side(side: str, kind: str, at: str, not_yet: str, there: str) -> None:
    waits = waiter(side, kind, stop_price=D(at))
    assert not waits.touch(D(not_yet))
    assert waits.touch(D(there))


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back() -> None:
    sells = waiter("sell", "trailing_stop", trail=D("0.1"))
    assert [sells.touch(D(price)) for price in ("100", "110", "105", "99.1", "99")] == [False] * 4 + [True]
    assert sells.best == D(110)
    buys = waiter("buy", "trailing_stop", trail=D("0.1"))
    assert [buys.touch(D(price)) for price in ("100", "90", "98.9", "99")] == [False] * 3 + [True]


def test_a_trailing_stop_with_a_price_begins_to_trail_there() -> None:
    sells = waiter("sell", "trailing_stop", trail=D("0.1"), stop_price=D(120))
    assert not sells.touch(D(100))
    assert sells.best is None
    assert not sells.touch(D(121))
    assert sells.touch(D("108.9"))


def test_the_limit_half_of_a_bracket_waits_for_its_own_price() -> None:
    sells = waiter("sell", "limit", price=D(100))
    assert (sells.touch(D("99.9")), sells.touch(D(100))) == (False, True)
    buys = waiter("buy", "limit", price=D(100))
    assert (buys.touch(D("100.1")), buys.touch(D(100))) == (False, True)


def test_what_is_released_is_an_order_that_any_venue_takes() -> None:
    stop = waiter("sell", "stop_limit", stop_price=D(100), price=D(99)).intent
    assert released(stop, D("0.5")) == Intent(
        instrument="sim:A/B", side="sell", kind="limit", size=D("0.5"), price=D(99)
    )
    trailing = waiter("sell", "trailing_stop", trail=D("0.1")).intent
    assert released(trailing, D(1)) == Intent(instrument="sim:A/B", side="sell", kind="market", size=D(1))


def test_all_of_them_are_found_by_name_and_by_instrument() -> None:
    waiters = Waiters()
    one = waiter("sell", "stop", stop_price=D(1))
    waiters.add(one)
    assert ("c1" in waiters, waiters.find("c1"), waiters.of("sim:A/B"), list(waiters)) == (True, one, [one], [one])
    assert waiters.drop("c1") is one
    assert (waiters.drop("c1"), waiters.of("sim:A/B"), waiters.of("sim:C/D")) == (None, [], [])

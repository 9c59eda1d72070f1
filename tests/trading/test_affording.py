"""What an order costs before it is taken: by what it takes now, by what it may need, and by the margin it binds."""

import pytest
from exchange_fixtures import PERP, SPOT, D, exchange, intent

from tapeline.errors import OrderRefused
from tapeline.model.event import Bar
from tapeline.model.order import Intent
from tapeline.trading.paper.affording import check_funds, funds_of, spend_of, takes_of
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.paper.fees import Fees
from tapeline.trading.paper.funds import Working

FREE = Fees(maker=D(0), taker=D(0))
ON_TOP = Fees(maker=D("0.01"), taker=D("0.01"), paid_in="quote")


def order(made: Exchange, wanted: Intent) -> Working:
    found = Working(made.account("a"), "1", wanted, made.instruments[wanted.instrument], 1)
    found.ticket = found.as_ticket()
    return found


def refused(made: Exchange, wanted: Intent) -> str:
    one = order(made, wanted)
    try:
        check_funds(one, made.matcher(wanted.instrument), made.fees, made.margin)
    except OrderRefused as error:
        return f"{error.reason}: {error}"
    return ""


def test_a_market_order_costs_what_it_would_take_level_by_level() -> None:
    made = exchange(usdt="301", fees=FREE)
    one = order(made, intent("buy", "3"))
    assert takes_of(one, made.matcher(SPOT.id), FREE) == [(D(100), D(2)), (D(101), D(1))]
    assert refused(made, intent("buy", "3")) == ""
    assert (
        refused(exchange(usdt="300", fees=FREE), intent("buy", "3")) == "balance: it takes 301 USDT, and 300 are free"
    )
    assert refused(made, intent("sell", "1")) == "balance: it takes 1 BTC, and 0 are free"


def test_a_limit_order_costs_its_own_price_and_the_fee_that_comes_on_top() -> None:
    assert refused(exchange(usdt="202", fees=ON_TOP), intent("buy", "2", "100")) == ""
    said = "balance: it takes 202 USDT, and 201 are free"
    assert refused(exchange(usdt="201", fees=ON_TOP), intent("buy", "2", "100")) == said


def test_on_bars_the_last_price_counts_as_an_order_takes_at_the_next() -> None:
    prices = D(100), D(100), D(100), D(100)
    bar = Bar(SPOT.id, "bars:1m", None, 1, "ws", "1m", 0, *prices, D(1), None, None, None, None, None, True)
    for usdt, said in (("300", ""), ("299", "balance: it takes 300 USDT, and 299 are free")):
        made = exchange(usdt=usdt, fees=FREE, shown=False)
        assert refused(made, intent("buy", "3")) == ""  # nobody knows a price: it may cost anything
        made.market(bar, 1)
        assert refused(made, intent("buy", "3")) == said
        assert refused(made, intent("buy", None, quote_size=D(299))) == ""
        assert refused(made, intent("buy", "3", "90", kind="stop_limit", stop_price=D(101))) == ""


def test_of_what_may_be_spent_the_fee_is_kept_aside() -> None:
    made = exchange(fees=ON_TOP)
    one = order(made, intent("buy", None, quote_size=D(100)))
    assert spend_of(one, ON_TOP) == D(99)
    assert spend_of(one, Fees(paid_in="received")) == D(100)
    assert spend_of(order(made, intent("buy", "1")), ON_TOP) is None


def test_an_order_may_spend_what_it_has_locked_itself() -> None:
    made = exchange(usdt="300", fees=FREE)
    made.place("a", "2", intent("buy", "2", "90"), 5)
    resting = made.account("a").orders["2"]
    assert funds_of(resting, made.margin) == D(300)
    assert funds_of(order(made, intent("buy", "2", "90")), made.margin) == D(120)


@pytest.mark.parametrize(("fees", "enough"), [(FREE, "3.0375"), (ON_TOP, "3.5405")])
def test_a_position_takes_its_margin_its_fee_and_what_it_loses_at_once(fees: Fees, enough: str) -> None:
    wanted = intent("buy", "5", of=PERP)  # 0.2 at 100 and 0.3 at 101, of a mark of 99.5, with a leverage of 20
    assert refused(exchange(usdt=enough, fees=fees), wanted) == ""
    too_little = exchange(usdt=str(D(enough) - D("0.0001")), fees=fees)
    assert refused(too_little, wanted) == "margin: a has too little margin for it"
    assert refused(too_little, intent("buy", "5", "99.5", of=PERP)) == ""  # it loses nothing


def test_what_makes_a_position_smaller_is_always_borne() -> None:
    made = exchange(usdt="60", fees=FREE)
    made.place("a", "2", intent("buy", "5", of=PERP), 5)
    made.account("a").change("USDT", D(-59), "transfer")
    assert refused(made, intent("sell", "5", of=PERP)) == ""
    assert refused(made, intent("buy", "5", of=PERP)) == "margin: a has too little margin for it"

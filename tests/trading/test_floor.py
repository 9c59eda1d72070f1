import pytest
from exchange_fixtures import BIDS, PERP, SPOT, D, book, exchange, intent, mark, said, trade

from tapeline.errors import OrderRefused
from tapeline.model.event import Bar, Funding
from tapeline.model.interval import MINUTE_NS


def test_names_that_are_not_there() -> None:
    made = exchange()
    for name, reason in (("nobody", "permission"), ("toy:NO/ONE", "instrument")):
        with pytest.raises(OrderRefused) as error:
            made.account(name) if reason == "permission" else made.matcher(name)
        assert error.value.reason == reason


def test_the_mark_is_told_traded_or_in_the_middle() -> None:
    made = exchange(shown=False)
    assert made.mark(PERP.id) is None
    made.market(book(PERP), 1)
    assert made.mark(PERP.id) == D("99.5")
    made.market(trade(PERP, "99", "1"), 2)
    assert made.mark(PERP.id) == D(99)
    made.market(mark("98"), 3)
    made.market(trade(PERP, "97", "1"), 3)
    assert made.mark(PERP.id) == D(98)


def test_a_fill_that_cannot_be_paid_any_more_ends_the_order() -> None:
    made = exchange(shown=False)

    def bar(minute: int) -> Bar:
        prices = D(100), D(100), D(100), D(100)
        at_ns = minute * MINUTE_NS
        return Bar(SPOT.id, "bars:1m", None, 1, "ws", "1m", at_ns, *prices, D(1), None, None, None, None, None, True)

    made.market(bar(1), 1)
    for name in ("1", "2"):
        made.place("a", name, intent("buy", "6"), 2)
    told = said(made.market(bar(2), 3))
    assert [line for line in told if line[:2] in {"1 ", "2 "}] == [
        "1 fill 6 at 100 fee 0.006 BTC taker", "1 filled 6/6", "2 expired 0/6 balance",
    ]  # fmt: skip


def test_rest_of_an_order_that_only_reduces_goes_with_the_position() -> None:
    made = exchange()
    made.place("a", "1", intent("buy", "1", of=PERP), 7)
    assert (
        said(made.place("a", "2", intent("sell", "5", "99", of=PERP, reduce_only=True), 8))[-1]
        == "2 expired 1/5 reduce_only"
    )


def test_what_is_due_is_done_before_the_market_moves() -> None:
    made = exchange()
    made.place("a", "1", intent("buy", "1", "98", time_in_force="gtd", expires_ns=20), 5)
    made.dead_man("a", SPOT.id, 30)
    made.place("a", "2", intent("buy", "1", "98"), 6)
    made.market(Funding(PERP.id, "funding", 6, 6, "ws", D("0.01"), None, 25), 6)
    made.place("a", "3", intent("sell", "1", of=PERP), 7)
    told = said(made.market(trade(SPOT, "97", "99", at_ns=31), 31))
    assert [line for line in told if line[0] in "12f"] == ["1 expired 0/1", "funding 0.0995 USDT", "2 cancelled 0/1"]


def test_the_largest_position_is_closed_first_and_no_more_than_needed() -> None:
    made = exchange(usdt="40", hedge=True)
    made.place("a", "1", intent("buy", "50", "100", of=PERP, position="long"), 5)
    made.place("a", "2", intent("sell", "3", of=PERP, position="short"), 6)
    made.market(book(PERP, BIDS, [("100", "900")], 2), 7)
    assert {one.position for one in made.positions("a")} == {"long", "short"}
    made.market(mark("31"), 8)
    assert [one.position for one in made.positions("a")] == ["short"]

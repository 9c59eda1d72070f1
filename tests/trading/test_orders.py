"""The blotter: each fill once, whose news it is, orders of other origin, and what may still be filled at its worst."""

from decimal import Decimal

import pytest

from account_fixtures import BTC, A, failed, fill, intent, order_of, placed, update, words, worst
from tapeline.errors import Broken
from tapeline.trading.applied import Applied
from tapeline.trading.input import Forget
from tapeline.trading.life import Worst
from tapeline.trading.orders import Blotter

S = 1_000_000_000


def test_what_may_come_of_one_order() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    blotter.apply(fill("1", client_id, "2"), 12)
    assert (blotter.most(client_id), blotter.most("nobody")) == (Decimal(1), Decimal(0))
    blotter.asked(client_id, "amend", 13, Decimal(7))
    assert blotter.most(client_id) == 5


def test_a_fill_counts_once_whichever_way_it_comes_and_its_fee_may_come_later() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    news = [
        blotter.apply(each, 20)
        for each in (
            fill("1", client_id, fee=None),
            fill("1", client_id, fee=None, source="rest"),
            fill("1", client_id, fee="0.01"),
            fill("1", client_id, fee="0.01"),
        )
    ]

    assert [applied.fill for applied in news] == ["new", "known", "fee", "known"]
    assert [len(applied.orders) for applied in news] == [1, 0, 0, 0]
    assert news[2].order == order_of(blotter, client_id)
    assert order_of(blotter, client_id).filled == 1
    assert blotter.knows(fill("1", client_id))
    assert not blotter.knows(fill("2", client_id))


def test_both_halves_of_a_trade_with_oneself_are_fills() -> None:
    blotter = Blotter("i")
    buy, sell = placed(blotter), placed(blotter, side="sell")

    assert blotter.apply(fill("1", buy), 20).fill == "new"
    assert blotter.apply(fill("1", sell, side="sell"), 20).fill == "new"


def test_updates_say_that_fills_are_missing() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    blotter.apply(fill("1", client_id), 20)
    blotter.apply(update(client_id, "partly_filled", 21, filled="3", average="11"), 5 * S)
    order = order_of(blotter, client_id)

    assert (order.filled, order.filled_value) == (3, Decimal(33))
    assert blotter.lacking(6 * S, after_ns=2 * S) == []
    (lack,) = blotter.lacking(7 * S, after_ns=2 * S)
    assert (lack.order, lack.size, lack.since_ns) == (order, Decimal(2), 5 * S)
    assert worst(blotter) == (2, 0)

    blotter.apply(fill("2", client_id, "2", "10.5"), 8 * S)
    assert blotter.lacking(99 * S) == []
    assert order_of(blotter, client_id).filled_value == Decimal(31)


def test_after_a_restart_what_was_in_flight_is_unknown() -> None:
    blotter = Blotter("i")
    resting, asked, final = placed(blotter), placed(blotter), placed(blotter)
    intended = blotter.next_id("s")
    blotter.intend(intended, intent(), 1)
    blotter.asked(asked, "cancel", 20)
    blotter.apply(update(final, "cancelled", 20), 20)

    assert {order.client_id for order in blotter.doubt(30, "restart")} == {asked, intended}
    states = [order_of(blotter, each).state for each in (resting, asked, final, intended)]
    assert states == ["open", "unknown", "cancelled", "unknown"]
    assert blotter.doubt(30, "restart", account="another") == []
    assert order_of(blotter, intended).why == "restart"


# ---- of other origin ----------------------------------------------------------------------------------------------


def test_orders_of_other_origin_stand_apart_and_count_at_their_worst() -> None:
    blotter = Blotter("i")
    applied = blotter.apply(update("web-1", "open", 5, venue_id="900", size="4", price="11", side="sell"), 6)
    (order,) = applied.orders

    assert (order.claimed, order.intent.account, order.intent.side, order.created_ns) == (False, A, "sell", 5)
    assert (blotter.live(), blotter.foreign()) == ([], [order])
    assert blotter.order("web-1") is None
    assert worst(blotter) == (0, 4)
    assert worst(blotter, strategy="s") == (0, 0)

    blotter.apply(fill("1", "", "1", venue_id="900", side="sell"), 7)
    assert worst(blotter) == (0, 3)


def test_a_claimed_order_is_ours() -> None:
    blotter = Blotter("i")
    blotter.apply(update("web-1", "open", 5, venue_id="900", size="4"), 6)
    blotter.apply(update("", "open", 5, venue_id="901", size="1"), 6)
    named = blotter.claim(A, BTC, "900", 7, "s")
    nameless = blotter.claim(A, BTC, "901", 7)

    assert blotter.claim(A, BTC, "902", 7) is None
    assert named is not None
    assert nameless is not None
    assert (named.client_id, nameless.client_id) == ("web-1", "#901")
    assert {order.client_id for order in blotter.live()} == {"web-1", "#901"}
    assert blotter.worst(A, BTC, strategy="s") == Worst(Decimal(4), Decimal(0), Decimal(0))
    blotter.apply(update("", "cancelled", 8, venue_id="901"), 8)
    assert order_of(blotter, "#901").state == "cancelled"


def test_fills_before_anybody_told_of_their_order_are_kept_for_it() -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(), 1)
    loose = blotter.apply(fill("1", "", venue_id="70"), 2)
    applied = blotter.apply(update(client_id, "open", 3, venue_id="70"), 3)

    assert (loose.fill, loose.order) == ("new", None)
    assert order_of(blotter, client_id).filled == 1
    assert "1 fills came before it was known whose they are" in words(applied)


def test_an_order_of_ours_that_the_journal_lost_is_ours_again() -> None:
    client_id = Blotter("i").next_id("grid")
    blotter = Blotter("i")
    blotter.apply(update(client_id, "open", 5, venue_id="1", size="2"), 6)

    assert [order.intent.strategy for order in blotter.live()] == ["grid"]
    assert blotter.next_id("grid") != client_id


def test_a_liquidation_says_what_it_is() -> None:
    blotter = Blotter("i")
    blotter.apply(update("autoclose-1", "filled", 5, venue_id="1", filled="2", origin="liquidation", side="sell"), 6)
    order = blotter.by_venue_id(A, BTC, "1")

    assert order is not None
    assert (order.intent.note, order.state, order.claimed) == ("liquidation", "filled", False)


# ---- questions ----------------------------------------------------------------------------------------------------


def test_the_worst_of_many_orders() -> None:
    blotter = Blotter("i")
    placed(blotter, "3")
    placed(blotter, "2", "sell")
    placed(blotter, "7", instrument="v:ETH/USDT")
    placed(blotter, "11", strategy="other")
    for more in (intent(size=None, quote_size="100", kind="market"), intent("sell", "50", reduce_only=True)):
        blotter.intend(blotter.next_id("s"), more, 1)
    blotter.intend(blotter.next_id("s"), intent(size="6", position="long"), 1)

    assert blotter.worst(A, BTC) == Worst(Decimal(20), Decimal(2), Decimal(100))
    assert blotter.worst(A, BTC, strategy="other") == Worst(Decimal(11), Decimal(0), Decimal(0))
    assert blotter.worst(A, BTC, position="long") == Worst(Decimal(6), Decimal(0), Decimal(0))
    assert blotter.worst("another", BTC) == Worst(Decimal(0), Decimal(0), Decimal(0))
    assert len(blotter.live(A)) == 7
    assert [order.intent.instrument for order in blotter.live(instrument="v:ETH/USDT")] == ["v:ETH/USDT"]


def test_missing_fills_of_an_order_that_only_reduced_count_though_the_order_does_not() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter, reduce_only=True)
    assert worst(blotter) == (0, 0)
    blotter.apply(update(client_id, "filled", 21, filled="3", average="10"), 22)
    assert worst(blotter) == (3, 0)
    blotter.apply(fill("1", client_id, "2"), 23)
    assert worst(blotter) == (1, 0)
    blotter.apply(fill("2", client_id, "1"), 24)
    assert worst(blotter) == (0, 0)


def test_an_order_by_quote_size_counts_what_is_not_spent() -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(size=None, price=None, quote_size="100", kind="market"), 1)
    blotter.apply(fill("1", client_id, "4", "10"), 2)

    assert blotter.worst(A, BTC).quote == 60
    blotter.apply(update(client_id, "filled", 3, filled="4"), 3)
    assert blotter.worst(A, BTC) == Worst(Decimal(0), Decimal(0), Decimal(0))


def test_orders_that_are_over_are_forgotten_and_no_news_brings_them_back() -> None:
    blotter = Blotter("i")
    old, young, live = placed(blotter), placed(blotter), placed(blotter)
    blotter.apply(fill("1", old, "3"), 20)
    blotter.apply(update(old, "filled", 20, filled="3"), 20)
    blotter.apply(update(young, "cancelled", 50), 50)
    blotter.apply(update("w", "cancelled", 20, venue_id="9"), 20)

    assert blotter.over(A, 40) == ((old,), ((BTC, "9"),))
    assert blotter.over("other", 40) == ((), ())
    assert blotter.forget(Forget(A, 0, 40, (old, live, "nobody"), ((BTC, "9"), (BTC, "10")))) == 2
    assert [blotter.order(each) is None for each in (old, young, live)] == [True, False, False]
    assert [blotter.forgotten(each) for each in (old, young, live, "w", "")] == [True, False, False, False, False]
    assert blotter.by_venue_id(A, BTC, "9") is None
    assert blotter.apply(fill("1", old, "3"), 60).fill == "known"
    again = Blotter.recall("i", blotter.memo())
    assert again.apply(update(old, "filled", 20, filled="3", venue_id=f"v{old}"), 60) == Applied()
    assert (again.order(old), again.live(A), again.lacking(99)) == (None, [order_of(again, live)], [])
    assert again.next_id("s") > live


def test_a_fill_that_a_forgotten_order_still_gets_counts_and_is_said() -> None:
    blotter = Blotter("i")
    old = placed(blotter)
    blotter.apply(update(old, "cancelled", 20), 20)
    blotter.forget(Forget(A, 50, 50, (old,)))
    late, older = blotter.apply(fill("1", old, at_ns=50), 60), blotter.apply(fill("2", old, at_ns=49), 60)

    assert (late.fill, late.order, words(late)) == (
        "new", None, f"{BTC} {old}: fill 1 of an order that is over and forgotten"
    )  # fmt: skip
    assert (older.fill, words(older)) == ("known", "")
    blotter.forget(Forget(A, 51, 60))
    assert blotter.memo().loose == {}


def test_a_forgotten_order_that_the_venue_has_alive_is_ours_again() -> None:
    blotter = Blotter("i")
    old = placed(blotter)
    blotter.apply(update(old, "cancelled", 20), 20)
    blotter.forget(Forget(A, 50, 50, (old,)))
    blotter.apply(update(old, "open", 60, venue_id="5", size="3", price="10"), 60)

    assert [each.client_id for each in blotter.live(A)] == [old]
    assert (blotter.forgotten(old), blotter.over(A, 99)) == (False, ((), ()))


def test_an_order_of_which_something_may_come_is_not_forgotten() -> None:
    blotter = Blotter("i")
    lacking, contradicted = placed(blotter), placed(blotter)
    blotter.apply(update(lacking, "filled", 20, filled="3"), 20)
    for state, at_ns in (("cancelled", 20), ("open", 30)):
        blotter.apply(update(contradicted, state, at_ns), at_ns)

    assert blotter.over(A, 99) == ((), ())
    assert blotter.forget(Forget(A, 99, 99, (lacking, contradicted))) == 0


def test_news_of_nobody_s_order_is_said() -> None:
    applied = Blotter("i").apply(failed("nobody", "cancel", "refused"), 1)

    assert (applied.orders, words(applied)) == ((), "nobody: cancel of an order that is not here")


def test_an_id_is_given_to_one_order() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    with pytest.raises(Broken, match="another order"):
        blotter.intend(client_id, intent(), 5)
    assert blotter.owns(client_id)

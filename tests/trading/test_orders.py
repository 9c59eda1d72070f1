"""The blotter: news in any order, twice, late or contradictory, and what may still be filled at its worst."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from account_fixtures import BTC, A, failed, fill, intent, sent, update
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.errors import Broken
from tapeline.model.account import Fill, OrderUpdate
from tapeline.trading.orders import Applied, Blotter, Worst

S = 1_000_000_000


def placed(blotter: Blotter, size: str = "3", side: str = "buy", **more: Any) -> str:
    """An order that the venue has acknowledged."""
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(side, size, **more), 1)
    blotter.apply(sent(client_id), 2)
    blotter.apply(update(client_id, "open", 10, venue_id=f"v{client_id}", size=size, price="10"), 11)
    return client_id


def order_of(blotter: Blotter, client_id: str) -> Any:
    order = blotter.order(client_id)
    assert order is not None
    return order


def words(applied: Applied) -> str:
    return "; ".join(note.text for note in applied.notes)


def worst(blotter: Blotter, **more: str) -> Any:
    return blotter.worst(A, BTC, **more)[:2]


# ---- the ordinary life --------------------------------------------------------------------------------------------


def test_an_order_is_intended_sent_acknowledged_and_filled() -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    states = [blotter.intend(client_id, intent(), 1).state]
    for news in (
        sent(client_id, at_ns=2),
        update(client_id, "open", 3, venue_id="77", size="3", price="10"),
        fill("1", client_id, "1", "9"),
        fill("2", client_id, "2", "10"),
        update(client_id, "filled", 5, filled="3", average="9.66666667"),
    ):
        states += [order.state for order in blotter.apply(news, 6).orders]
    order = order_of(blotter, client_id)

    assert states == ["intended", "submitted", "open", "partly_filled", "partly_filled", "filled"]
    assert (order.filled, order.filled_value, order.left) == (3, Decimal(29), 0)
    assert (order.submitted_ns, order.created_ns, order.venue_id) == (2, 1, "77")
    assert blotter.by_venue_id(A, BTC, "77") == order
    assert blotter.live() == []
    assert worst(blotter) == (0, 0)


def test_a_fill_before_its_acknowledgement_counts_and_the_acknowledgement_takes_nothing_back() -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(), 1)
    first = blotter.apply(fill("1", client_id, venue_id="7"), 2)
    late = blotter.apply(update(client_id, "open", 1, venue_id="7", filled="0", size="3"), 3)

    assert [order.state for order in first.orders] == ["partly_filled"]
    assert late.notes == ()
    assert order_of(blotter, client_id).state == "partly_filled"
    assert order_of(blotter, client_id).filled == 1


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


def test_a_fill_after_the_cancel_is_accounted_for_and_wakes_nothing() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    blotter.asked(client_id, "cancel", 20)
    blotter.apply(sent(client_id, "cancel"), 21)
    blotter.apply(update(client_id, "cancelled", 30, filled="1"), 31)
    between = worst(blotter)
    expected = blotter.apply(fill("1", client_id), 32)
    surprise = blotter.apply(fill("2", client_id), 33)
    order = order_of(blotter, client_id)

    assert between == (1, 0), "what the venue told of is still to come"
    assert expected.notes == ()
    assert "came after the order was cancelled with 1 filled" in words(surprise)
    assert (order.state, order.filled, order.asked) == ("cancelled", 2, "")
    assert worst(blotter) == (0, 0)


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


def test_a_filled_order_without_figures_is_filled_for_its_size() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    blotter.apply(update(client_id, "filled", 20), 21)

    assert order_of(blotter, client_id).filled == 3
    assert [lack.size for lack in blotter.lacking(99)] == [3]


def test_more_filled_than_there_was_is_said() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter, "1")
    blotter.apply(fill("1", client_id), 20)

    assert "makes 2 filled of 1" in words(blotter.apply(fill("2", client_id), 21))


# ---- unknown ------------------------------------------------------------------------------------------------------


def test_no_certain_answer_is_unknown_and_the_venue_ends_it() -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(), 1)
    blotter.apply(sent(client_id), 2)
    blotter.apply(failed(client_id, "submit", "unknown"), 3)

    assert order_of(blotter, client_id).state == "unknown"
    assert order_of(blotter, client_id).why == "submit unknown"
    assert worst(blotter) == (3, 0)

    blotter.apply(update(client_id, "never_arrived", None, source="rest", why="not found, thrice"), 4)
    assert order_of(blotter, client_id).state == "never_arrived"
    assert worst(blotter) == (0, 0)


def test_an_order_that_turns_up_after_it_was_never_to_have_arrived_counts_again() -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(), 1)
    blotter.apply(update(client_id, "never_arrived"), 4)
    applied = blotter.apply(update(client_id, "open", 5, venue_id="9"), 6)

    assert "open after never_arrived" in words(applied)
    assert order_of(blotter, client_id).state == "never_arrived"
    assert blotter.contradicted() == [order_of(blotter, client_id)]
    assert worst(blotter) == (3, 0)

    blotter.apply(update(client_id, "cancelled", 7, venue_id="9"), 8)
    assert blotter.contradicted() == []
    assert worst(blotter) == (0, 0)


def test_a_fill_of_an_order_that_never_was_counts_and_is_said() -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(), 1)
    blotter.apply(failed(client_id, "submit", "refused", "balance"), 2)
    applied = blotter.apply(fill("1", client_id), 3)

    assert order_of(blotter, client_id).reason == "balance"
    assert "fill 1 of an order that is rejected" in words(applied)
    assert worst(blotter) == (2, 0)


@pytest.mark.parametrize(
    ("outcome", "reason", "state"),
    [("refused", "tick", "rejected"), ("refused", "duplicate", "unknown"), ("unknown", "", "unknown")],
)
def test_what_a_failed_submit_means(outcome: str, reason: str, state: str) -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(), 1)
    blotter.apply(sent(client_id), 2)
    blotter.apply(failed(client_id, "submit", outcome, reason), 3)

    assert order_of(blotter, client_id).state == state


def test_what_never_left_us_is_withdrawn_and_what_left_is_not() -> None:
    blotter = Blotter("i")
    kept, gone = blotter.next_id("s"), blotter.next_id("s")
    for client_id in (kept, gone):
        blotter.intend(client_id, intent(), 1)
    blotter.apply(sent(gone), 2)
    odd = blotter.apply(failed(gone, "submit", "unsent"), 3)
    fine = blotter.apply(failed(kept, "submit", "unsent"), 3)

    assert (order_of(blotter, kept).state, order_of(blotter, gone).state) == ("withdrawn", "unknown")
    assert "not sent" in words(odd)
    assert fine.notes == ()


def test_a_refusal_of_what_the_venue_has_is_kept_out() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    said = [
        words(blotter.apply(news, 20))
        for news in (
            failed(client_id, "submit", "refused", "balance"),
            update(client_id, "rejected", 21, why="no"),
            update(client_id, "never_arrived", 22),
            failed(client_id, "submit", "unknown"),
        )
    ]

    assert [bool(text) for text in said] == [True, True, True, False]
    assert order_of(blotter, client_id).state == "open"


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


# ---- cancels ------------------------------------------------------------------------------------------------------


def cancelling(blotter: Blotter) -> str:
    client_id = placed(blotter)
    assert blotter.asked(client_id, "cancel", 20).asked == "cancel"
    blotter.apply(sent(client_id, "cancel"), 21)
    assert order_of(blotter, client_id).state == "cancelling"
    return client_id


def test_only_the_answer_to_a_cancel_ends_it() -> None:
    blotter = Blotter("i")
    client_id = cancelling(blotter)
    blotter.apply(update(client_id, "partly_filled", 22, filled="1"), 22)
    blotter.apply(fill("1", client_id), 22)
    assert (order_of(blotter, client_id).state, worst(blotter)) == ("cancelling", (2, 0))

    blotter.apply(failed(client_id, "cancel", "refused", "other"), 23)
    assert (order_of(blotter, client_id).state, order_of(blotter, client_id).asked) == ("partly_filled", "")


@pytest.mark.parametrize(
    ("outcome", "reason", "state", "asked"),
    [
        ("refused", "other", "open", ""),
        ("refused", "already_final", "unknown", ""),
        ("refused", "unknown_order", "unknown", ""),
        ("unknown", "", "unknown", "cancel"),
        ("unsent", "", "unknown", ""),
    ],
)
def test_what_a_failed_cancel_means(outcome: str, reason: str, state: str, asked: str) -> None:
    blotter = Blotter("i")
    client_id = cancelling(blotter)
    blotter.apply(failed(client_id, "cancel", outcome, reason), 23)

    assert (order_of(blotter, client_id).state, order_of(blotter, client_id).asked) == (state, asked)
    assert worst(blotter) == (3, 0)


def test_an_unknown_cancel_that_did_not_work_leaves_the_order_as_the_venue_says() -> None:
    blotter = Blotter("i")
    client_id = cancelling(blotter)
    blotter.apply(failed(client_id, "cancel", "unknown"), 23)
    blotter.apply(update(client_id, "partly_filled", 5, filled="1"), 24)
    assert order_of(blotter, client_id).state == "unknown", "older than what the venue said before"

    blotter.apply(fill("1", client_id), 24)
    assert order_of(blotter, client_id).state == "unknown", "a fill says nothing of the cancel"

    blotter.apply(update(client_id, "partly_filled", 5, filled="1", source="rest"), 25)
    assert (order_of(blotter, client_id).state, order_of(blotter, client_id).asked) == ("partly_filled", "")


def test_a_cancel_of_what_is_not_acknowledged_may_find_a_rejection() -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(), 1)
    blotter.apply(sent(client_id), 2)
    blotter.apply(sent(client_id, "cancel"), 3)
    blotter.apply(failed(client_id, "cancel", "refused", "other"), 4)
    assert order_of(blotter, client_id).state == "unknown"

    blotter.apply(sent(client_id, "cancel"), 5)
    blotter.apply(update(client_id, "rejected", 6, reason="balance"), 6)
    assert (order_of(blotter, client_id).state, order_of(blotter, client_id).reason) == ("rejected", "balance")


def test_final_orders_are_asked_nothing() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    blotter.apply(update(client_id, "expired", 20), 20)
    before = order_of(blotter, client_id)

    assert blotter.asked(client_id, "cancel", 30) == before
    assert blotter.apply(sent(client_id, "cancel"), 31).orders == ()
    assert blotter.apply(failed(client_id, "cancel", "unknown"), 32).orders == ()
    with pytest.raises(Broken, match="no order of ours"):
        blotter.asked("nobody", "cancel", 30)


# ---- amends -------------------------------------------------------------------------------------------------------


def amending(blotter: Blotter, size: str = "5") -> str:
    client_id = placed(blotter)
    blotter.asked(client_id, "amend", 20, size=Decimal(size))
    blotter.apply(sent(client_id, "amend"), 21)
    return client_id


def test_an_amend_counts_at_the_larger_size_until_the_venue_has_done_it() -> None:
    blotter = Blotter("i")
    client_id = amending(blotter)
    assert worst(blotter) == (5, 0)
    blotter.apply(update(client_id, "open", 22, size="3", price="10"), 22)
    assert (worst(blotter), order_of(blotter, client_id).asked) == ((5, 0), "amend")

    blotter.apply(update(client_id, "open", 23, size="5", price="10"), 23)
    order = order_of(blotter, client_id)
    assert (order.size, order.state, order.asked) == (5, "open", "")

    blotter.apply(update(client_id, "open", 22, size="3", price="9"), 24)
    assert (order_of(blotter, client_id).size, order_of(blotter, client_id).price) == (5, 10), "what was before it"


@pytest.mark.parametrize(
    ("outcome", "reason", "state"),
    [("refused", "tick", "open"), ("refused", "already_final", "unknown"), ("unsent", "", "open")],
)
def test_an_amend_that_was_not_done(outcome: str, reason: str, state: str) -> None:
    blotter = Blotter("i")
    client_id = amending(blotter)
    blotter.apply(failed(client_id, "amend", outcome, reason), 23)

    assert (order_of(blotter, client_id).state, order_of(blotter, client_id).asked) == (state, "")
    assert worst(blotter) == (3, 0)


def test_an_unknown_amend_ends_with_what_a_query_finds() -> None:
    blotter = Blotter("i")
    client_id = amending(blotter)
    blotter.apply(failed(client_id, "amend", "unknown"), 23)
    blotter.apply(update(client_id, "open", 24, size="3", price="10"), 24)
    assert (order_of(blotter, client_id).state, worst(blotter)) == ("unknown", (5, 0)), "a stream may repeat the past"

    blotter.apply(update(client_id, "open", 24, size="3", price="10", source="rest"), 25)
    assert (order_of(blotter, client_id).state, order_of(blotter, client_id).asked) == ("open", "")
    assert worst(blotter) == (3, 0)


def test_an_unknown_amend_ends_when_the_stream_shows_it() -> None:
    blotter = Blotter("i")
    client_id = amending(blotter, "2")
    blotter.apply(failed(client_id, "amend", "unknown"), 23)
    assert worst(blotter) == (3, 0)

    blotter.apply(update(client_id, "open", 24, size="2", price="10"), 24)
    assert (order_of(blotter, client_id).state, worst(blotter)) == ("open", (2, 0))


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


def test_an_order_by_quote_size_counts_what_is_not_spent() -> None:
    blotter = Blotter("i")
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(size=None, price=None, quote_size="100", kind="market"), 1)
    blotter.apply(fill("1", client_id, "4", "10"), 2)

    assert blotter.worst(A, BTC).quote == 60
    blotter.apply(update(client_id, "filled", 3, filled="4"), 3)
    assert blotter.worst(A, BTC) == Worst(Decimal(0), Decimal(0), Decimal(0))


def test_old_orders_are_forgotten_and_their_fills_are_not() -> None:
    blotter = Blotter("i")
    old, young, live = placed(blotter), placed(blotter), placed(blotter)
    blotter.apply(fill("1", old, "3"), 20)
    blotter.apply(update(old, "filled", 20, filled="3"), 20)
    blotter.apply(update(young, "cancelled", 50), 50)
    blotter.apply(update("w", "cancelled", 20, venue_id="9"), 20)

    assert blotter.forget(40) == 2
    assert [blotter.order(each) is None for each in (old, young, live)] == [True, False, False]
    assert blotter.by_venue_id(A, BTC, "9") is None
    assert blotter.apply(fill("1", old, "3"), 60).fill == "known"


def test_news_of_nobody_s_order_is_said() -> None:
    applied = Blotter("i").apply(failed("nobody", "cancel", "refused"), 1)

    assert (applied.orders, words(applied)) == ((), "nobody: cancel of an order that is not here")


def test_an_id_is_given_to_one_order() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    with pytest.raises(Broken, match="another order"):
        blotter.intend(client_id, intent(), 5)
    assert blotter.owns(client_id)


# ---- any order of news --------------------------------------------------------------------------------------------

LIFE: Sequence[OrderUpdate | Fill] = (
    update("x", "open", 10, venue_id="1", size="3", filled="0"),
    update("x", "partly_filled", 20, venue_id="1", size="3", filled="1", average="10"),
    fill("1", "x", "1", "10", venue_id="1"),
    update("x", "partly_filled", 30, venue_id="1", size="3", filled="2", average="11"),
    fill("2", "x", "1", "12", venue_id="1"),
    update("x", "cancelled", 40, venue_id="1", size="3", filled="2", average="11"),
)


@given(st.permutations(LIFE), st.lists(st.sampled_from(LIFE), max_size=6))
@settings(max_examples=300, deadline=None)
def test_however_news_comes_the_end_is_the_same(news: Sequence[OrderUpdate | Fill], more: list[OrderUpdate]) -> None:
    blotter = Blotter("i")
    blotter.intend("x", intent(), 1)
    for each in (*news, *more):
        before = blotter.worst(A, BTC).buy
        applied = blotter.apply(each, 50)
        # Of what may still be filled, nothing grows but by a contradiction, and there is none here.
        assert blotter.worst(A, BTC).buy <= before
        assert applied.notes == () or "came after" in applied.notes[0].text
    order = order_of(blotter, "x")

    assert (order.state, order.filled, order.filled_value) == ("cancelled", 2, Decimal(22))
    assert blotter.contradicted() == []
    assert blotter.lacking(99) == []
    assert worst(blotter) == (0, 0)

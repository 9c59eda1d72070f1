"""One order's life: news in any order, twice, late or contradictory, never moves a state but by the table."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from account_fixtures import BTC, A, failed, fill, intent, order_of, placed, sent, update, words, worst
from tapeline.errors import Broken
from tapeline.model.account import Fill, OrderUpdate
from tapeline.trading.orders import Blotter

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

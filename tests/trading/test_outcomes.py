"""Entries of a journal in, what became of every order out."""

from decimal import Decimal
from typing import Any

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.order import Intent
from tapeline.trading.command import Hold, Note, Withdraw
from tapeline.trading.input import Failed
from tapeline.trading.outcomes import Run, run_of
from tapeline.trading.record import Begun, Entry, Listed, Ordered, Submitted
from trade_fixtures import spot

D = Decimal
NAME = "binance:BTC/USDT"
BUY = Intent(instrument=NAME, side="buy", kind="limit", size=D(2), price=D(100), strategy="s", account="a")


def submitted(name: str, intent: Intent = BUY) -> Submitted:
    return Submitted(Ordered(name, intent))


def update(name: str, state: str, at_ns: int = 1, **more: Any) -> OrderUpdate:
    return OrderUpdate(NAME, "orders", at_ns, at_ns, "ws", "a", client_id=name, venue_id="1", state=state, **more)


def fill(name: str, number: str, price: str, size: str, at_ns: int, **more: Any) -> Fill:
    return Fill(
        NAME, "fills", at_ns - 5, at_ns, "ws", "a", id=number, client_id=name, venue_id="1", side="buy",
        price=D(price), size=D(size), **more,
    )  # fmt: skip


def read(*records: tuple[int, Any]) -> Run:
    return run_of(Entry(at_ns, record, "") for at_ns, record in records)


def test_an_order_from_its_decision_to_its_last_fill() -> None:
    run = read(
        (5, Begun("0.1", "{}", 5)), (6, Listed(spot(), 6)), (10, submitted("x")), (12, update("x", "open")),
        (14, fill("x", "1", "100", "1", 14, liquidity="taker", fee=D("0.1"), fee_currency="USDT")),
        (14, fill("x", "1", "100", "1", 14, liquidity="taker", fee=D("0.1"), fee_currency="USDT")),
        (15, fill("x", "2", "99", "0.5", 15, liquidity="maker")),
        (16, fill("x", "2", "99", "0.5", 15, liquidity="maker", fee=D("0.02"), fee_currency="USDT")),
        (17, update("x", "cancelled", size=D(3), why="we asked")), (18, update("x", "open")),
    )  # fmt: skip
    (x,) = run.orders
    assert run.begun_ns == 5
    assert run.instruments == {NAME: spot()}
    assert (x.filled, x.taken, x.fees, x.size) == (D("1.5"), D(1), {"USDT": D("0.12")}, D(3))
    assert x.price is not None
    assert abs(x.price * D("1.5") - D("149.5")) < D("1e-20")
    assert (x.decided_ns, x.sent_ns, x.delay_ns) == (10, 10, 4), "one seen twice is one, and its fee may come later"
    assert (x.state, x.why) == ("cancelled", "we asked"), "what is final stays"


def test_what_was_never_filled_has_no_price_and_no_delay() -> None:
    run = read(
        (3, submitted("refused")), (1, submitted("unsent")), (2, submitted("lost")), (4, submitted("going")),
        (5, Failed("refused", "submit", "refused", 5, "too small", "min_size")),
        (5, Failed("unsent", "submit", "unsent", 5)),
        (5, Failed("lost", "submit", "unknown", 5)), (5, Failed("going", "cancel", "refused", 5)),
        (6, update("of somebody else", "open")), (6, fill("of somebody else", "1", "1", "1", 6)),
        (7, Note("denied", "a", "too much")), (8, Note("paused", "a", "it failed")),
    )  # fmt: skip
    states = {each.client_id: (each.state, each.why) for each in run.orders}
    assert states == {
        "unsent": ("withdrawn", ""), "lost": ("unknown", ""), "refused": ("rejected", "too small"),
        "going": ("submitted", ""),
    }  # fmt: skip
    assert [each.decided_ns for each in run.orders] == [1, 2, 3, 4]
    assert (run.orders[0].price, run.orders[0].delay_ns, run.denied_ns) == (None, None, [7])
    assert run.begun_ns == 3, "without a beginning, the first of its records"


def test_what_waited_with_us_was_decided_before_it_was_sent() -> None:
    run = read(
        (1, Hold("stop", BUY)), (2, Hold("half", BUY)), (9, submitted("stop")), (11, fill("stop", "1", "100", "2", 11)),
        (12, Withdraw("half", "the other was filled")), (12, Withdraw("nobody", "")),
    )  # fmt: skip
    stop, half = run.orders
    assert (stop.decided_ns, stop.sent_ns, stop.delay_ns) == (1, 9, 2)
    assert (half.sent_ns, half.state, half.why) == (None, "withdrawn", "the other was filled")


def test_an_empty_journal_is_a_run_without_orders() -> None:
    assert run_of([]) == Run(begun_ns=0, orders=[], denied_ns=[], instruments={})

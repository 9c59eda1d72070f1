"""What is over for good is forgotten alike by an engine and by the journal's playback, and counts no second time."""

from decimal import Decimal
from typing import Any

import pytest
from list_fixtures import SECOND, SPOT, Desk, bracket
from msgspec.structs import replace

from account_fixtures import BTC, A, fill, placed, update
from tapeline.model.account import Payment
from tapeline.trading.accounting.ledger import Adjustment, Booking, Ledger
from tapeline.trading.accounting.once import NEAR_NS
from tapeline.trading.forgetting import forget, forgettable
from tapeline.trading.input import Forget, Timer
from tapeline.trading.orders import Blotter
from tapeline.trading.reconcile import Statement, reconcile, settle
from tapeline.trading.record import decode, encode, heading

D = Decimal
LATE = 10 * NEAR_NS


def paid(name: str, at_ns: int | None, received_ns: int = 0) -> Payment:
    return Payment(
        None, "payments", at_ns, received_ns, "ws", A, id=name, currency="USDT", amount=D(1), kind="transfer"
    )


def forgets(desk: Desk, after_ns: int = 3600 * SECOND) -> Forget:
    """So much later, an hour after all that was."""
    desk.now_ns += after_ns
    found = forgettable(desk.blotter, "main", desk.now_ns, desk.now_ns, 100)
    desk.step(found)
    return found


def test_orders_are_taken_that_ended_a_minute_before_the_line_and_no_more_than_asked() -> None:
    blotter, ledger = Blotter("i"), Ledger()
    names = [placed(blotter) for _ in range(4)]
    for name, at_ns in zip(names, (1, 2, 3, LATE), strict=False):
        blotter.apply(update(name, "cancelled", 20), at_ns)
    blotter.apply(update("w", "cancelled", 20, venue_id="9"), 4)
    two = forgettable(blotter, A, LATE, LATE + 7, 2)
    all_of_it = forgettable(blotter, A, LATE, LATE + 7, 9)

    assert two == Forget(A, LATE, LATE + 7, tuple(names[:2]))
    assert all_of_it == Forget(A, LATE, LATE + 7, tuple(names[:3]), ((BTC, "9"),))
    assert (forget(two, blotter, ledger), forget(all_of_it, blotter, ledger)) == (2, 2)
    assert forgettable(blotter, A, LATE, 0, 9).orders == ()
    assert forgettable(blotter, A, LATE + NEAR_NS + 1, 0, 9).orders == (names[3],)


def test_what_is_older_than_the_line_is_known_whether_it_is_remembered_or_not() -> None:
    ledger = Ledger()
    for at_ns in (1, LATE - NEAR_NS - 1, LATE - NEAR_NS, LATE):
        ledger.apply(fill(f"f{at_ns}", "c", at_ns=at_ns), SPOT)
        ledger.pay(paid(f"p{at_ns}", at_ns))
    forget(Forget(A, LATE, 0), Blotter("i"), ledger)

    assert ledger.remembers(A) == 4
    assert ledger.remembers("other") == 0
    for again in (fill("f1", "c", at_ns=1), fill("never seen", "c", at_ns=LATE - 1), fill(f"f{LATE}", "c", at_ns=LATE)):
        assert ledger.apply(again, SPOT) == Booking()
    for other in (paid("p1", 1), paid("", LATE - 1), paid(f"p{LATE}", LATE)):
        assert ledger.pay(other) == Booking()
    assert ledger.apply(fill("new", "c", at_ns=LATE), SPOT).changes
    assert ledger.apply(fill("of another", "c", at_ns=1, account="other"), SPOT).changes
    assert ledger.pay(paid("new", LATE)).changes


def test_what_has_no_stamp_of_the_venue_s_is_remembered_for_ever() -> None:
    ledger = Ledger()
    bare = replace(fill("1", "c"), at_ns=None, received_ns=5)
    ledger.apply(bare, SPOT)
    ledger.pay(paid("1", None, 5))
    forget(Forget(A, LATE, 0), Blotter("i"), ledger)

    assert (ledger.remembers(A), ledger.apply(replace(bare, received_ns=LATE), SPOT)) == (2, Booking())
    assert ledger.pay(paid("1", None, LATE)) == Booking()


@pytest.mark.parametrize("at_ns", [5, None])
def test_a_fee_that_never_came_is_in_the_figures_by_then(at_ns: int | None) -> None:
    ledger = Ledger()
    bare = replace(fill("1", "c", fee=None), at_ns=at_ns, received_ns=5)
    ledger.apply(bare, SPOT)
    forget(Forget(A, LATE, 0), Blotter("i"), ledger)

    assert ledger.feeless(A) == []
    assert ledger.apply(replace(bare, fee=D("0.1"), fee_currency="USDT"), SPOT) == Booking()


def test_a_line_never_goes_back() -> None:
    ledger, blotter = Ledger(), Blotter("i")
    for before_ns in (LATE, 5):
        forget(Forget(A, before_ns, 0), blotter, ledger)

    assert ledger.apply(fill("1", "c", at_ns=LATE - 1), SPOT) == Booking()
    assert blotter.knows(fill("1", "c", at_ns=LATE - 1))


def test_a_statement_that_tells_of_it_again_counts_nothing_anew() -> None:
    blotter, ledger = Blotter("i"), Ledger()
    ledger.adjust(Adjustment(account=A, ours=D(0), theirs=D(99), why="", explained=True, at_ns=1, currency="USDT"))
    told = [fill(str(at_ns), "c", at_ns=at_ns) for at_ns in range(LATE, LATE + 5)]
    for each in told:
        blotter.apply(each, LATE)
        ledger.apply(each, SPOT)
    ledger.agree(A, LATE + 5)
    forget(Forget(A, LATE + 3, 0), blotter, ledger)
    statement = Statement(account=A, at_ns=LATE + 9, fills=told)
    found = reconcile(statement, blotter, ledger, {BTC: SPOT})

    assert (found.events, found.adjustments, found.again) == ((), (), "")
    assert len(settle(found, blotter, ledger, {BTC: SPOT}, LATE + 9)) == 1


def test_a_group_is_kept_until_all_of_it_is_over() -> None:
    desk = Desk()
    entry, profit, stop = bracket(desk)
    desk.fill(entry, "1", side="buy")
    desk.told(entry, "filled", "1", side="buy")
    assert forgets(desk).orders == ()
    desk.fill(profit, "1")
    desk.told(profit, "filled", "1")
    desk.told(stop, "expired")
    assert set(forgets(desk).orders) == {entry.client_id, profit, stop}
    assert desk.blotter.order(entry.client_id) is None


def test_a_strategy_may_cancel_and_amend_what_is_forgotten_and_nothing_happens() -> None:
    desk = Desk()
    order = desk.strategy.buy(SPOT.id, "1", price="90")
    desk.flush()
    desk.told(order, "cancelled", side="buy")
    forgets(desk)
    desk.strategy.cancel(order.client_id)
    assert desk.strategy.amend(order.client_id, price="91") is False
    notes = [(each.kind, each.text, each.client_id) for each in desk.flush()]
    assert notes == [("amend_denied", "it is over since long", order.client_id)]


def test_the_end_of_an_order_s_time_is_forgotten_with_it() -> None:
    desk = Desk()
    orders = [desk.strategy.buy(SPOT.id, "1", price="90", expires_in_s=86_400) for _ in range(2)]
    desk.flush()
    due_ns = desk.engine.due_ns
    desk.told(orders[0], "cancelled", side="buy")
    forgets(desk)
    assert desk.engine.due_ns == due_ns
    desk.told(orders[1], "cancelled", side="buy")
    forgets(desk)
    assert desk.engine.due_ns > due_ns
    desk.now_ns = due_ns
    assert desk.step(Timer("due", due_ns)) == []


def test_it_is_a_record_of_the_journal() -> None:
    what: Any = Forget(A, 5, 6, ("a", "b"), ((BTC, "9"),))

    assert decode(encode(what)) == what
    assert (heading(what, 9).kind, heading(what, 9).account, heading(what, 9).at_ns) == ("forget", A, 6)

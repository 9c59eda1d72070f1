"""Our books beside the venue's: what was missed is fetched, what differs is adjusted with both figures, and said."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from account_fixtures import BTC, A, fill, intent, order_of, placed, sent, update
from tapeline.model.account import Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.allotment import NOBODY
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.orders import Blotter
from tapeline.trading.reconcile import LISTED_NS, PATIENCE_NS, Reconciliation, Statement, reconcile, settle
from tapeline.trading.record import Agreed

D = Decimal
PERP = "v:BTC/USDT:USDT"
INSTRUMENTS = {
    BTC: Instrument(venue="v", symbol="BTC/USDT", native="B", kind="spot", base="BTC", quote="USDT"),
    PERP: Instrument(
        venue="v", symbol="BTC/USDT:USDT", native="P", kind="perpetual", base="BTC", quote="USDT", settle="USDT"
    ),
}
NOW = 1_000 * PATIENCE_NS


def balances(**totals: str) -> list[Balance]:
    return [
        Balance(None, "balances", None, NOW, "rest", A, currency=name, total=D(total)) for name, total in totals.items()
    ]


def position(size: str, entry: str | None = "100") -> Position:
    return Position(
        PERP, "positions", None, NOW, "rest", A, size=D(size), entry_price=None if entry is None else D(entry)
    )


def payment(amount: str, kind: str = "funding", name: str = "", at_ns: int = 5) -> Payment:
    return Payment(PERP, "payments", at_ns, at_ns, "rest", A, id=name, currency="USDT", amount=D(amount), kind=kind)


def books(usdt: str = "1000") -> tuple[Blotter, Ledger]:
    """Of an account that began with so much."""
    blotter, ledger = Blotter("i"), Ledger()
    ledger.adjust(
        Adjustment(account=A, ours=D(0), theirs=D(usdt), why="begin", explained=True, at_ns=1, currency="USDT")
    )
    return blotter, ledger


def asked(of: tuple[Blotter, Ledger], *, accepted: str = "", **said: Any) -> Reconciliation:
    return reconcile(Statement(account=A, at_ns=NOW, **said), *of, INSTRUMENTS, accepted=accepted)


def applied(of: tuple[Blotter, Ledger], found: Reconciliation) -> Sequence[Adjustment | Agreed]:
    """As the engine does, and then the adjustments."""
    blotter, ledger = of
    for event in found.events:
        if isinstance(event, Payment):
            ledger.pay(event)
            continue
        news = blotter.apply(event, NOW)
        if isinstance(event, Fill) and news.fill in {"new", "fee"}:
            order = news.order
            strategy = order.intent.strategy if order is not None and order.claimed else NOBODY
            ledger.apply(event, INSTRUMENTS[event.instrument or ""], strategy)
    return settle(found, blotter, ledger, INSTRUMENTS, NOW)


def whys(found: Reconciliation) -> list[tuple[str, bool]]:
    return [(each.why, each.explained) for each in found.adjustments]


# ---- beginning ----------------------------------------------------------------------------------------------------


def test_books_begin_with_what_the_venue_has_and_older_fills_are_in_it() -> None:
    both = Blotter("i"), Ledger()
    history = fill("1", "web", "1", "90", at_ns=5)
    said: dict[str, Any] = {
        "fills": [history], "payments": [payment("3", "transfer", "1")],
        "balances": balances(USDT="500", BTC="1"), "positions": [position("2")],
    }  # fmt: skip
    found = asked(both, **said)
    records = applied(both, found)

    assert found.events == ()
    assert whys(found) == [("the books of this account begin here", True)] * 3
    assert found.clean
    assert records[-1] == Agreed(A, 3, 0, "", NOW)
    assert both[1].balances(A) == {"USDT": D(500), "BTC": D(1)}
    assert both[1].holding(A, PERP).entry_price == 100
    again = asked(both, **said)
    assert (again.events, again.adjustments, again.clean) == ((), (), True)


def test_figures_of_different_moments_are_not_compared() -> None:
    both = books()
    late = fill("9", "web", at_ns=NOW)
    found = asked(both, fills=[late], balances=balances(USDT="5"))

    assert found.again == "fills or payments came while the venue was asked"
    assert (found.events, found.adjustments, found.clean) == ((late,), (), False)
    assert applied(both, found) == ()


# ---- orders -------------------------------------------------------------------------------------------------------


def test_each_order_of_ours_gets_the_venue_s_state_or_is_asked_for() -> None:
    both = books()
    blotter = both[0]
    same, changed, silent = placed(blotter), placed(blotter), placed(blotter)
    lost, young, held = (blotter.next_id("s") for _ in range(3))
    for client_id in (lost, young, held):
        blotter.intend(client_id, intent(), 1)
    blotter.apply(sent(lost), 2)
    blotter.apply(sent(young, at_ns=NOW), NOW)
    blotter.doubt(3, "restart", sparing={held, young})
    open_ = [
        update(same, "open", 10, venue_id=f"v{same}", size="3", price="10", filled="0", source="rest"),
        update(changed, "open", 20, venue_id=f"v{changed}", size="2", price="10", filled="0", source="rest"),
        update("web", "open", 20, venue_id="900", size="2", source="rest"),
    ]
    found = asked(both, orders=open_)

    assert found.events == (open_[1], open_[2]), "what is known already is no news"
    assert [order.client_id for order in found.ask] == [silent, lost]
    assert found.foreign == (open_[2],)
    assert not found.clean
    applied(both, found)
    assert order_of(blotter, changed).size == 2
    assert [order.venue_id for order in blotter.foreign()] == ["900"]


def test_a_claimed_order_is_not_foreign_and_a_final_one_that_lives_is_news() -> None:
    both = books()
    blotter = both[0]
    blotter.apply(update("web", "open", 5, venue_id="900", size="2", price="10"), 5)
    blotter.claim(A, BTC, "900", 6)
    dead = placed(blotter)
    blotter.apply(update(dead, "cancelled", 20), 20)
    alive = update(dead, "open", 30, venue_id=f"v{dead}", size="3", price="10", source="rest")
    found = asked(both, orders=[update("web", "open", 5, venue_id="900", size="2", price="10"), alive])

    assert (found.foreign, found.events) == ((), (alive,))
    applied(both, found)
    assert blotter.contradicted() == [order_of(blotter, dead)]


def test_what_we_did_is_compared_with_our_own_clock() -> None:
    hour_ns = 60 * PATIENCE_NS
    for ahead_ns in (-hour_ns, hour_ns):
        both = books()
        blotter, here_ns = both[0], NOW + ahead_ns
        lost, young = blotter.next_id("s"), blotter.next_id("s")
        for client_id, at_ns in ((lost, here_ns - 1), (young, here_ns + 1)):
            blotter.intend(client_id, intent(), at_ns)
            blotter.apply(sent(client_id, at_ns=at_ns), at_ns)
        found = asked(both, ours_ns=here_ns)
        assert [order.client_id for order in found.ask] == [lost], "the younger one was sent after the question"

        both = books()
        client_id = placed(both[0], instrument=PERP)
        both[0].apply(update(client_id, "filled", 7, filled="3", instrument=PERP), here_ns - 1)
        found = asked(both, ours_ns=here_ns, positions=[position("3")])
        assert found.again == f"fills are missing that the venue told of: of {client_id}"


def test_an_order_by_hand_that_the_venue_lists_no_more_is_over() -> None:
    both = books()
    blotter = both[0]
    for number, name in enumerate(("web1", "web2"), 5):
        blotter.apply(update(name, "open", number, venue_id=f"90{number}", size="2", price="10"), number)
    young = NOW - LISTED_NS
    blotter.apply(update("web3", "open", young, venue_id="907", size="2", price="10"), NOW)
    listed = update("web2", "open", 6, venue_id="906", size="2", price="10", source="rest")
    missed = fill("1", "web1", "2", "10", at_ns=7, venue_id="905")

    found = asked(both, orders=[listed], fills=[missed], balances=balances(USDT="980", BTC="2"))

    told = [(each.client_id, each.state) for each in found.events if isinstance(each, OrderUpdate)]
    assert told == [("web1", "cancelled")]
    assert found.clean
    applied(both, found)
    assert [each.venue_id for each in blotter.foreign()] == ["906", "907"]
    assert asked(both, orders=[listed], balances=balances(USDT="980", BTC="2")).events == ()


# ---- fills and payments -------------------------------------------------------------------------------------------


def test_missed_fills_are_applied_by_id_and_in_order() -> None:
    both = books()
    blotter, ledger = both
    client_id = placed(blotter)
    known = fill("9", client_id, "1", "10", at_ns=5)
    blotter.apply(known, 5)
    ledger.apply(known, INSTRUMENTS[BTC], "s")
    missed = [fill(name, client_id, "1", "10", at_ns=6, venue_id=f"v{client_id}") for name in ("11", "10")]
    done = update(client_id, "filled", 7, venue_id=f"v{client_id}", filled="3", source="rest")
    found = asked(both, orders=[done], fills=[*missed, known], balances=balances(USDT="970", BTC="3"))

    assert found.events == (done, missed[1], missed[0])
    assert (found.again, found.adjustments, found.clean) == ("", (), True)
    assert found.found[0] == f"fill 10 missed: buy 1 {BTC} at 10"
    applied(both, found)
    assert ledger.holding(A, BTC, strategy="s").size == 3
    assert blotter.lacking(NOW) == []


def test_a_fill_that_is_named_by_a_number_nobody_told_us_of_is_of_the_order_that_the_venue_says() -> None:
    both = books()
    blotter, ledger = both
    client_id = placed(blotter)  # its acknowledgement was lost, and with it its number at the venue
    missed = fill("10", "", "3", "10", at_ns=6, venue_id="77")
    done = update(client_id, "filled", 7, venue_id="77", filled="3", source="rest")
    found = asked(both, orders=[done], fills=[missed], balances=balances(USDT="970", BTC="3"))

    assert found.found == (f"fill 10 missed: buy 3 {BTC} at 10",)
    applied(both, found)
    assert [ledger.holding(A, BTC, strategy=each).size for each in ("s", NOBODY)] == [3, 0]


def test_fills_that_the_venue_told_of_are_waited_for_a_minute_and_then_missed() -> None:
    both = books()
    blotter = both[0]
    client_id = placed(blotter, instrument=PERP)
    told = update(client_id, "filled", 7, filled="3", instrument=PERP)
    soon = asked(both, orders=[told], positions=[position("3")])
    assert soon.again == f"fills are missing that the venue told of: of {client_id}"
    blotter.apply(told, NOW - PATIENCE_NS + 1)
    assert asked(both, positions=[position("3")]).again == soon.again

    late = Statement(account=A, at_ns=NOW + 1, positions=[position("3")])
    found = reconcile(late, *both, INSTRUMENTS)
    assert whys(found) == [(f"3 {PERP} that no fill tells of: a manual trade, or a fill it lists no more", False)]
    assert applied(both, found)[-1] == Agreed(A, 1, 1, "", NOW + 1)
    assert blotter.worst(A, PERP).buy == 0, "the figures have it now"
    assert both[1].agreed_ns(A) == NOW + 1
    listed = fill("1", client_id, "3", at_ns=7, instrument=PERP)
    again = reconcile(
        Statement(account=A, at_ns=NOW + 2, fills=[listed], positions=[position("3")]), *both, INSTRUMENTS
    )
    assert (again.events, again.clean) == ((), True), "it is in the figures already, and is not booked again"


def test_a_person_accepts_what_nothing_explains() -> None:
    both = books()
    found = asked(both, balances=balances(USDT="900"), accepted="me: I paid a bill")

    assert whys(found) == [("accepted by me: I paid a bill", True)]
    assert found.clean
    assert applied(both, found)[-1] == Agreed(A, 1, 0, "me: I paid a bill", NOW)


def test_trades_by_hand_and_liquidations_stand_apart() -> None:
    both = books()
    hand = fill("1", "web", "1", "100", at_ns=5, venue_id="900")
    found = asked(both, fills=[hand, fill("2", "x", instrument="v:WHAT/USDT", at_ns=6)],
                  payments=[payment("-0.5", name="f1")], balances=balances(USDT="899.5", BTC="1"))  # fmt: skip

    assert found.clean
    assert found.found == (
        f"fill 1 of other origin (a manual trade): buy 1 {BTC} at 100",
        "fill 2 of other origin (a manual trade): buy 1 v:WHAT/USDT at 10, which nobody lists: it is not booked",
        "funding -0.5 USDT",
    )


# ---- what explains a difference -----------------------------------------------------------------------------------


def test_the_venue_s_own_word_explains_a_transfer() -> None:
    both = books()
    found = asked(both, balances=balances(USDT="1100"), reasons={"USDT": ["fill", "transfer", "transfer"]})

    assert whys(found) == [("the venue told of a change by transfer", True)]
    assert (found.adjustments[0].ours, found.adjustments[0].theirs) == (D(1000), D(1100))


def test_rounding_is_explained_and_no_more_than_that() -> None:
    both = books()

    assert whys(asked(both, balances=balances(USDT="1000.00000001"))) == [("rounding", True)]
    assert whys(asked(both, balances=balances(USDT="1000.00000002"))) == [
        ("0.00000002 USDT that nothing tells of", False)
    ]


def test_fees_that_were_not_told_explain_a_little_and_are_not_booked_twice() -> None:
    both = books()
    ledger = both[1]
    ledger.mark("v:BNB/USDT", D(500))
    ledger.adjust(Adjustment(account=A, ours=D(0), theirs=D(1), why="b", explained=True, at_ns=1, currency="BNB"))
    bare = fill("1", "", "1", "100", at_ns=5, fee=None)
    ledger.apply(bare, INSTRUMENTS[BTC])
    fees = ("fees of 1 fills that came without", True)

    found = asked(both, balances=balances(USDT="899.9", BTC="1", BNB="0.999"))
    assert whys(found) == [fees, fees]
    assert whys(asked(both, balances=balances(USDT="890", BTC="1.001", BNB="0.9"))) == [
        ("-0.1 BNB that nothing tells of", False), ("0.001 BTC that nothing tells of", False),
        ("-10 USDT that nothing tells of", False),
    ]  # fmt: skip
    applied(both, found)
    assert ledger.apply(fill("1", "", "1", "100", at_ns=5, fee="0.1"), INSTRUMENTS[BTC]).changes == ()
    assert asked(both, balances=balances(USDT="899.9", BTC="1", BNB="0.999")).clean


def test_what_looks_like_a_trade_is_said_and_explains_nothing() -> None:
    both = books()
    both[1].mark(BTC, D(100))
    found = asked(both, balances=balances(USDT="800", BTC="2"))

    assert whys(found) == [("looks like 2 BTC bought for USDT by hand; no fill tells of it", False)] * 2
    assert whys(asked(both, balances=balances(USDT="800", BTC="1"))) == [
        ("1 BTC that nothing tells of", False), ("-200 USDT that nothing tells of", False)
    ]  # fmt: skip


def test_what_was_not_asked_is_not_compared_and_what_is_left_out_is_zero() -> None:
    both = books()
    both[1].apply(fill("1", "", "2", "100", instrument=PERP, at_ns=5), INSTRUMENTS[PERP])

    assert asked(both).clean
    gone = asked(both, positions=[], balances=[])
    assert [(each.instrument, each.currency, each.ours, each.theirs) for each in gone.adjustments] == [
        (PERP, "", D(2), D(0)), ("", "USDT", D(1000), D(0))
    ]  # fmt: skip
    free = Balance(None, "balances", None, NOW, "rest", A, currency="USDT", free=D(900), locked=D(100))
    assert asked(both, balances=[free, *balances(BTC="0")]).clean
    silent = Balance(None, "balances", None, NOW, "rest", A, currency="USDT")
    assert [each.theirs for each in asked(both, balances=[silent]).adjustments] == [0]


# ---- any loss of news ---------------------------------------------------------------------------------------------

NEWS = st.lists(
    st.tuples(
        st.sampled_from([BTC, PERP]), st.sampled_from(["buy", "sell"]), st.integers(1, 99), st.integers(1, 9_999),
        st.sampled_from(["both", "stream", "lost"]), st.booleans(), st.integers(-9, 9),
    ),
    max_size=25,
)  # fmt: skip


@given(NEWS, st.sampled_from(["average", "fifo"]))
@settings(max_examples=150, deadline=None)
def test_whatever_of_the_news_was_lost_the_books_are_the_venue_s_again(news: list[Any], method: str) -> None:
    truth, ledger, blotter = Ledger(method), Ledger(method), Blotter("i")
    begin = Adjustment(account=A, ours=D(0), theirs=D(100), why="b", explained=True, at_ns=1, currency="USDT")
    for each in (truth, ledger):
        each.adjust(begin)
    fills, payments, orders = [], [], []
    for number, (instrument, side, size, price, way, ours, paid) in enumerate(news, 10):
        client_id = blotter.next_id("s") if ours else f"web{number}"
        one = fill(str(number), client_id, str(size), str(price), side=side, instrument=instrument, at_ns=number,
                   venue_id=f"v{number}", fee=str(D(size) / 100))  # fmt: skip
        done = update(client_id, "filled", number, venue_id=f"v{number}", filled=str(size), size=str(size),
                      instrument=instrument, side=side, source="rest")  # fmt: skip
        won = [each.amount for each in truth.apply(one, INSTRUMENTS[instrument]).changes if each.why == "realised"]
        if instrument == PERP:
            one = replace(one, realised=sum(won, D(0)))  # as venues tell it
        fills.append(one)
        orders.append(done)
        if ours:
            blotter.intend(client_id, intent(side, str(size), str(price), instrument=instrument), number)
            blotter.apply(sent(client_id, at_ns=number), number)
        if way != "lost":
            blotter.apply(one, number)
            ledger.apply(one, INSTRUMENTS[instrument], "s" if ours else NOBODY)
        if way == "both":
            blotter.apply(done, number)
        if paid:
            told = payment(str(paid), name=str(number), at_ns=number)
            truth.pay(told)
            payments.append(told)
            if way == "both":
                ledger.pay(told)
    held = truth.holding(A, PERP)
    said: dict[str, Any] = {
        "orders": orders, "fills": fills[::-1], "payments": payments,
        "balances": [
            Balance(None, "balances", None, NOW, "rest", A, currency=name, total=total)
            for name, total in truth.balances(A).items()
        ],
        "positions": [position(str(held.size))],
    }  # fmt: skip
    both = (blotter, ledger)
    found = asked(both, **said)

    assert (found.again, found.adjustments) == ("", ())
    applied(both, found)
    assert ledger.balances(A) == truth.balances(A)
    assert ledger.holding(A, PERP).size == held.size
    assert blotter.live() == []
    assert blotter.lacking(NOW) == []
    again = asked(both, **said)
    assert (again.events, again.adjustments, again.clean) == ((), (), True)

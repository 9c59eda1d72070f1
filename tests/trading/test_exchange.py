from collections.abc import Callable
from decimal import Context, Decimal, Inexact, localcontext

import pytest
from exchange_fixtures import BIDS, PERP, SPOT, D, book, exchange, intent, mark, said, text, trade
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeline.errors import OrderRefused
from tapeline.model.account import AccountEvent, Balance, Fill, OrderUpdate, Payment
from tapeline.model.event import Bar, Event, Funding, Status
from tapeline.model.instrument import Instrument
from tapeline.model.interval import MINUTE_NS
from tapeline.model.order import TRANSITIONS, Intent
from tapeline.trading.paper.admission import Rules
from tapeline.trading.paper.booking import needed
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.paper.fees import Fees
from tapeline.trading.paper.outcome import Matching


def refused(made: Exchange, wanted: Intent, *, account: str = "a") -> str:
    """Why it is refused; nothing has changed by it."""
    before = made.balances(account) if account == "a" else []
    with pytest.raises(OrderRefused) as error:
        made.place(account, "x", wanted, 5)
    assert not before or made.balances(account) == before
    return error.value.reason


# ---- placing


def test_a_market_order_is_told_of_as_a_venue_does() -> None:
    assert said(exchange().place("a", "1", intent("buy", "3"), 5)) == [
        "1 open 0/3",
        "1 fill 2 at 100 fee 0.002 BTC taker", "1 partly_filled 2/3", "USDT 800 free 800 fill",
        "BTC 1.998 free 1.998 fill",
        "1 fill 1 at 101 fee 0.001 BTC taker", "1 filled 3/3", "USDT 699 free 699 fill", "BTC 2.997 free 2.997 fill",
    ]  # fmt: skip


def test_a_limit_order_locks_rests_and_is_filled_as_maker() -> None:
    made = exchange(fees=Fees(maker=D("0.0005")))
    assert said(made.place("a", "1", intent("buy", "2", "99.5"), 5)) == ["1 open 0/2", "USDT 1000 free 801"]
    assert said(made.market(trade(SPOT, "99.4", "0.5"), 6)) == [
        "1 fill 0.5 at 99.5 fee 0.00025 BTC maker", "1 partly_filled 0.5/2",
        "USDT 950.25 free 801 fill", "BTC 0.49975 free 0.49975 fill",
    ]  # fmt: skip
    assert said(made.cancel("a", "1", 7)) == ["1 cancelled 0.5/2", "USDT 950.25 free 950.25"]


def test_a_limit_order_takes_what_it_can_and_rests_with_the_rest() -> None:
    made = exchange()
    told = said(made.place("a", "1", intent("buy", "4", "100"), 5))
    assert told[:4] == [
        "1 open 0/4",
        "USDT 1000 free 600",
        "1 fill 2 at 100 fee 0.002 BTC taker",
        "1 partly_filled 2/4",
    ]
    assert [text(order.filled) for order in made.open_orders("a")] == ["2"]


@pytest.mark.parametrize(
    ("tif", "size", "told"),
    [("ioc", "6", "1 expired 2/6 not_fillable"), ("fok", "3", "1 expired 0/3 not_fillable"),
     ("fok", "2", "1 filled 2/2")],
)  # fmt: skip
def test_hasty_orders_do_not_rest(tif: str, size: str, told: str) -> None:
    made = exchange()
    lines = said(made.place("a", "1", intent("buy", size, "100", time_in_force=tif), 5))
    assert told in lines
    assert made.open_orders("a") == []
    assert made.balances("a")[0].free == made.balances("a")[0].total


def test_what_may_be_spent_buys_whole_lots_and_is_filled() -> None:
    made = exchange(fees=Fees(paid_in="quote", taker=D("0.01")))
    lines = said(made.place("a", "1", intent("buy", None, quote_size=D("250")), 5))
    assert lines[-4:] == [
        "1 fill 0.47 at 101 fee 0.4747 USDT taker",
        "1 filled 2.47/2.47",
        "USDT 750.0553 free 750.0553 fill",
        "BTC 2.47 free 2.47 fill",
    ]
    short = exchange(usdt="100000")
    short.place("a", "1", intent("buy", None, quote_size=D(90000)), 5)
    assert (short.order("a", "1").state, short.order("a", "1").size) == ("expired", D(55))


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (intent("buy", "11", "99"), "balance"), (intent("buy", "30"), "balance"), (intent("sell", "0.1"), "balance"),
        (intent("buy", "0.001"), "min_size"), (intent("buy", "0.01"), "min_notional"),
        (intent("buy", "1", "99.001"), "tick"), (intent("buy", "1.0001", "99"), "lot"),
        (intent("buy", "1", "151"), "price_band"), (intent("buy", "1", "100", post_only=True), "would_cross"),
        (intent("buy", "1", kind="stop", stop_price=D(99)), "would_trigger"),
        (intent("buy", "1", "99", position="long"), "position_mode"),
        (intent("sell", "1", of=PERP, reduce_only=True), "reduce_only"), (intent("buy", "90000", of=PERP), "margin"),
        (Intent(instrument="toy:NO/ONE", side="buy", kind="market", size=D(1)), "instrument"),
    ],
)  # fmt: skip
def test_what_a_venue_refuses(wanted: Intent, reason: str) -> None:
    assert refused(exchange(), wanted) == reason


def test_who_may_trade_and_how_much() -> None:
    made = exchange(rules=Rules(most_open=1, max_size=D(4)))
    made.open_account("reader", {}, may_trade=False)
    assert refused(made, intent("buy", "1"), account="reader") == "permission"
    assert refused(made, intent("buy", "1"), account="nobody") == "permission"
    assert refused(made, intent("buy", "5")) == "max_size"
    made.place("a", "1", intent("buy", "1", "99"), 5)
    assert refused(made, intent("buy", "1", "98")) == "too_many_orders"


def test_a_client_id_is_used_once() -> None:
    for reuse, reason in ((False, "duplicate"), (True, "")):
        made = exchange(rules=Rules(reuse_ids=reuse))
        made.place("a", "x", intent("buy", "1", "99"), 5)
        assert refused(made, intent("buy", "1", "99")) == "duplicate"
        made.cancel("a", "x", 6)
        if reason:
            assert refused(made, intent("buy", "1", "99")) == reason
        else:
            assert made.place("a", "x", intent("buy", "1", "99"), 7)
    assert made.place("a", "", intent("buy", "1", "99"), 8)[0].client_id.startswith("auto")  # type: ignore[union-attr]  # an OrderUpdate


def test_a_market_that_is_closed_or_unknown_takes_no_orders() -> None:
    made = exchange()
    made.market(Status(SPOT.id, "status", 2, 2, "ws", "halted"), 2)
    assert refused(made, intent("buy", "1")) == "market_closed"
    made.market(Status(SPOT.id, "status", 3, 3, "ws", "trading"), 3)
    assert made.place("a", "1", intent("buy", "1"), 5)
    assert refused(exchange(shown=False), intent("buy", "1")) == "not_fillable"


# ---- changing


def test_a_smaller_size_keeps_the_place_in_the_queue_and_anything_else_loses_it() -> None:
    made = exchange()
    made.place("a", "1", intent("buy", "3", "99"), 5)
    made.market(trade(SPOT, "99", "4"), 6)
    assert said(made.amend("a", "1", D(2), None, 7)) == ["1 open 0/2", "USDT 1000 free 802"]
    assert "1 partly_filled 1/2" in said(made.market(trade(SPOT, "99", "2"), 8))
    assert said(made.amend("a", "1", D(3), None, 9))[0] == "1 partly_filled 1/3"
    assert made.market(trade(SPOT, "99", "4"), 10) == []
    assert "1 filled 3/3" in said(made.amend("a", "1", None, D(100), 11))


def test_an_amendment_is_refused_and_changes_nothing() -> None:
    made = exchange()
    made.place("a", "1", intent("buy", "3", "99", post_only=True), 5)
    made.place("a", "2", intent("buy", "1", kind="stop", stop_price=D(105)), 5)
    made.market(trade(SPOT, "98.9", "1"), 6)
    before = made.open_orders("a")
    for name, size, price, reason in (
        ("1", D(1), None, "already_final"), ("1", D(30), None, "balance"), ("1", None, D(100), "would_cross"),
        ("1", None, D("99.001"), "tick"), ("1", D("2.0001"), None, "lot"), ("1", D("0.001"), None, "min_size"),
        ("1", None, D(160), "price_band"), ("2", D(2), None, "unsupported"), ("9", D(2), None, "unknown_order"),
    ):  # fmt: skip
        with pytest.raises(OrderRefused) as error:
            made.amend("a", name, size, price, 7)
        assert error.value.reason == reason
    assert made.open_orders("a") == before


def test_cancelling_what_is_not_there() -> None:
    made = exchange()
    made.place("a", "1", intent("buy", "1"), 5)
    for name, reason in (("1", "already_final"), ("9", "unknown_order")):
        with pytest.raises(OrderRefused) as error:
            made.cancel("a", name, 6)
        assert error.value.reason == reason


def test_cancel_all_of_an_instrument_then_of_the_account() -> None:
    made = exchange()
    made.place("a", "1", intent("buy", "1", "98"), 5)
    made.place("a", "2", intent("buy", "1", "98", of=PERP), 5)
    made.place("a", "3", intent("buy", "1", kind="stop", stop_price=D(120)), 5)
    assert [line for line in said(made.cancel_all("a", SPOT.id, 6)) if "cancelled" in line] == [
        "1 cancelled 0/1",
        "3 cancelled 0/1",
    ]
    assert said(made.cancel_all("a", None, 7)) == ["2 cancelled 0/1"]
    assert made.cancel_all("a", None, 8) == []


# ---- triggers and bars


def test_a_stop_becomes_a_market_order_and_a_stop_limit_a_resting_one() -> None:
    made = exchange(btc="2")
    made.market(trade(SPOT, "99", "0.001"), 4)
    made.place("a", "stop", intent("sell", "1", kind="stop", stop_price=D(98)), 5)
    made.place("a", "limit", intent("sell", "1", "102", kind="stop_limit", stop_price=D(98)), 5)
    assert made.market(trade(SPOT, "98.01", "0.001"), 6) == []
    assert said(made.market(trade(SPOT, "98", "0.001"), 7))[:2] == [
        "stop fill 1 at 99 fee 0.099 USDT taker",
        "stop filled 1/1",
    ]
    assert "limit filled 1/1" in said(made.market(trade(SPOT, "103", "1", "buy", at_ns=11), 8))


def test_a_triggered_order_whose_funds_are_gone_expires() -> None:
    made = exchange()
    made.place("a", "1", intent("buy", "5", kind="stop", stop_price=D(110)), 5)
    assert said(made.market(book(SPOT, BIDS, [("210", "9")], 2), 6))[0] == "1 expired 0/5 balance"


def test_on_bars_an_order_takes_at_the_next_open() -> None:
    made = exchange(shown=False)

    def bar(minute: int, open_: str, close: str) -> Bar:
        prices = D(open_), max(D(open_), D(close)), min(D(open_), D(close)), D(close)
        return Bar(
            SPOT.id,
            "bars:1m",
            None,
            1,
            "ws",
            "1m",
            minute * MINUTE_NS,
            *prices,
            D(1),
            None,
            None,
            None,
            None,
            None,
            True,
        )

    made.market(bar(1, "100", "100"), MINUTE_NS)
    assert said(made.place("a", "1", intent("buy", "2"), MINUTE_NS)) == ["1 open 0/2"]
    made.place("a", "2", intent("buy", None, quote_size=D(303)), MINUTE_NS)
    assert refused(made, intent("buy", "11")) == "balance"
    lines = said(made.market(bar(2, "101", "90"), 2 * MINUTE_NS))
    assert [line for line in lines if "fill" in line.split()[1]] == [
        "1 fill 2 at 101 fee 0.002 BTC taker", "1 filled 2/2", "2 fill 3 at 101 fee 0.003 BTC taker", "2 filled 3/3",
    ]  # fmt: skip
    made.place("a", "3", intent("buy", "1", "80", time_in_force="ioc"), 3 * MINUTE_NS)
    assert "3 expired 0/1 not_fillable" in said(made.market(bar(3, "95", "95"), 3 * MINUTE_NS))
    made.place("a", "4", intent("buy", "1", "94", post_only=True), 4 * MINUTE_NS)
    made.place("a", "5", intent("buy", "1", "94"), 4 * MINUTE_NS)
    lines = said(made.market(bar(4, "92", "92"), 4 * MINUTE_NS))
    assert [line for line in lines if line.split()[1] == "fill"] == [
        "4 fill 1 at 94 fee 0.001 BTC maker", "5 fill 1 at 92 fee 0.001 BTC taker",
    ], "one that never takes rests on the way to the open"  # fmt: skip


# ---- derivatives


def test_a_position_is_opened_turned_and_closed() -> None:
    made = exchange()
    assert said(made.place("a", "1", intent("buy", "2", of=PERP), 5))[1:] == [
        "1 fill 2 at 100 fee 0.02 USDT taker", "1 filled 2/2", "USDT 999.98 free 998.885 fill", "net 2 entry 100",
    ]  # fmt: skip
    told = made.place("a", "2", intent("sell", "5", of=PERP), 6)
    assert [text(event.realised) for event in told if isinstance(event, Fill)] == ["-0.2"]
    assert said(told)[-1] == "net -3 entry 99"
    made.place("a", "3", intent("buy", "9", of=PERP, reduce_only=True), 7)
    assert made.positions("a") == []
    assert [text(fill.size) for fill in made.fills("a") if fill.client_id == "3"] == ["3"]


def test_orders_that_only_reduce_go_with_the_position() -> None:
    made = exchange()
    made.place("a", "1", intent("buy", "2", of=PERP), 5)
    made.place("a", "tp", intent("sell", "2", "105", of=PERP, reduce_only=True), 5)
    assert said(made.place("a", "2", intent("sell", "2", of=PERP), 6))[-1] == "tp expired 0/2 reduce_only"


def test_hedge_mode_holds_both_sides_and_closes_no_more_than_there_is() -> None:
    made = exchange(hedge=True)
    assert refused(made, intent("buy", "2", of=PERP)) == "position_mode"
    made.place("a", "1", intent("buy", "2", of=PERP, position="long"), 5)
    made.place("a", "2", intent("sell", "3", of=PERP, position="short"), 5)
    assert [(one.position, text(one.size)) for one in made.positions("a")] == [("long", "2"), ("short", "-3")]
    assert "long 0 entry -" in said(made.place("a", "3", intent("sell", "5", "99", of=PERP, position="long"), 6))
    assert refused(made, intent("sell", "1", of=PERP, position="long")) == "reduce_only"
    with pytest.raises(OrderRefused, match="without positions"):
        made.set_mode("a", hedge=False)
    made.place("a", "4", intent("buy", "3", of=PERP, position="short"), 7)
    made.set_mode("a", hedge=False)
    assert not made.mode("a").hedge


def test_funding_is_paid_by_longs_and_to_shorts() -> None:
    made = exchange()
    made.open_account("b", {"USDT": D(1000)})
    made.place("a", "1", intent("buy", "2", of=PERP), 5)
    made.place("b", "1", intent("sell", "2", of=PERP), 5)
    made.market(mark("100"), 6)
    made.market(Funding(PERP.id, "funding", 6, 6, "ws", D("0.001"), 8 * 3600, 100), 6)
    assert made.next_ns() == 100
    assert made.advance(99) == []
    assert [line for line in said(made.advance(100)) if "funding" in line.split()[0]] == [
        "funding -0.02 USDT",
        "funding 0.02 USDT",
    ]
    assert made.advance(101) == []
    assert [text(one.amount) for one in made.payments("a")] == ["-0.02"]
    made.market(Funding(PERP.id, "funding", 6, 6, "ws", D("0.001"), 8 * 3600, 100), 102)  # late, and paid already
    assert made.next_ns() is None


def test_an_account_beyond_its_means_is_closed_by_the_venue() -> None:
    made = exchange(usdt="100")
    made.place("a", "1", intent("buy", "55", of=PERP), 5)
    made.place("a", "2", intent("buy", "1", "90", of=PERP), 5)
    assert made.market(mark("95"), 6) == []
    made.market(book(PERP, [("91", "30"), ("90", "15")], [("92", "1")], 2), 7)
    told = made.market(mark("88"), 8)
    assert said(told)[0] == "2 cancelled 0/1"
    assert {event.origin for event in told if isinstance(event, Fill)} == {"liquidation"}
    assert [text(event.size) + " at " + text(event.price) for event in told if isinstance(event, Fill)] == [
        "30 at 91",
        "15 at 90",
        "10 at 88",
    ]
    assert made.positions("a") == []
    total = made.balances("a")[0].total
    assert total is not None
    assert total >= 0
    poor = exchange(usdt="100")
    poor.place("a", "1", intent("buy", "55", of=PERP), 5)
    poor.market(book(PERP, [("50", "500")], [("92", "1")], 2), 7)
    poor.market(mark("50"), 8)
    assert (poor.balances("a")[0].total, [one.kind for one in poor.payments("a")]) == (D(0), ["liquidation"])


def test_leverage_says_how_much_may_be_held() -> None:
    made = exchange()
    made.set_leverage("a", PERP.id, D(1))
    assert refused(made, intent("buy", "101", "99", of=PERP)) == "margin"
    made.place("a", "1", intent("buy", "90", "99", of=PERP), 5)
    assert refused(made, intent("buy", "12", "99", of=PERP)) == "margin"
    assert refused(made, intent("buy", "9")) == "balance"
    with pytest.raises(OrderRefused, match="less than 1"):
        made.set_leverage("a", PERP.id, D(0))


# ---- time


def test_orders_expire_and_a_dead_man_cancels() -> None:
    made = exchange()
    made.place("a", "1", intent("buy", "1", "98", time_in_force="gtd", expires_ns=50), 5)
    made.place("a", "2", intent("buy", "1", "98"), 5)
    made.dead_man("a", None, 60)
    assert made.next_ns() == 50
    assert said(made.advance(50))[0] == "1 expired 0/1"
    assert made.dead_man("a", None, 70) == []
    assert made.market(trade(SPOT, "99.9", "1", at_ns=69), 69) == []
    assert said(made.market(trade(SPOT, "1", "1", at_ns=70), 70))[0] == "2 cancelled 0/1"
    made.dead_man("a", SPOT.id, 80)
    made.dead_man("a", SPOT.id, None)
    assert made.next_ns() is None


def test_money_goes_in_and_out() -> None:
    made = exchange()
    assert said(made.transfer("a", "EUR", D(5), 3)) == ["transfer 5 EUR", "EUR 5 free 5 transfer"]
    made.place("a", "1", intent("buy", "9", "99"), 5)
    with pytest.raises(OrderRefused, match="less than 200 USDT"):
        made.transfer("a", "USDT", D(-200), 6)


def test_events_of_others_are_passed_over() -> None:
    other = Instrument(venue="toy", symbol="ETH/USDT", native="ETHUSDT", kind="spot", base="ETH", quote="USDT")
    assert exchange().market(trade(other, "1", "1"), 5) == []


# ---- what holds whatever happens

SIDES = st.sampled_from(["buy", "sell"])
PRICES = st.integers(90, 112).map(str)
STEPS = st.one_of(
    st.tuples(st.just("market"), SIDES, st.integers(1, 8), st.just("")),
    st.tuples(
        st.sampled_from(["limit", "ioc", "fok", "post", "stop", "reduce", "amend"]), SIDES, st.integers(1, 8), PRICES
    ),
    st.tuples(st.just("spend"), st.just("buy"), st.integers(1, 8), st.just("")),
    st.tuples(st.sampled_from(["trade", "mark", "funding"]), SIDES, st.integers(1, 8), PRICES),
    st.tuples(st.just("book"), SIDES, st.integers(1, 8), st.integers(92, 108).map(str)),
    st.tuples(st.just("cancel"), SIDES, st.integers(0, 20), st.just("")),
)


def act(made: Exchange, number: int, step: tuple[str, str, int, str], of: Instrument) -> list[AccountEvent]:
    what, side, size, price = step
    now_ns = number + 10
    if what == "amend":
        return made.amend("a", f"o{number - 1}", D(size), D(price), now_ns)
    if what == "cancel":
        return made.cancel("a", f"o{size}", now_ns)
    if what in {"trade", "mark", "funding", "book"}:
        events: dict[str, Callable[[], Event]] = {
            "trade": lambda: trade(of, price, str(size), side, at_ns=now_ns),
            "mark": lambda: mark(price, now_ns),
            "funding": lambda: Funding(PERP.id, "funding", now_ns, now_ns, "ws", D(size) / 1000, None, now_ns + 2),
            "book": lambda: book(
                of,
                [(price, str(size)), (str(D(price) - 1), "3")],
                [(str(D(price) + 1), str(size)), ("120", "9")],
                now_ns,
            ),
        }
        return made.market(events[what](), now_ns)
    number_text, at = str(size), price or None
    wanted: dict[str, Callable[[], Intent]] = {
        "market": lambda: intent(side, number_text, of=of),
        "limit": lambda: intent(side, number_text, at, of=of),
        "ioc": lambda: intent(side, number_text, at, of=of, time_in_force="ioc"),
        "fok": lambda: intent(side, number_text, at, of=of, time_in_force="fok"),
        "post": lambda: intent(side, number_text, at, of=of, post_only=True),
        "reduce": lambda: intent(side, number_text, at, of=of, reduce_only=True),
        "stop": lambda: intent(side, number_text, of=of, kind="stop", stop_price=D(price)),
        "spend": lambda: intent("buy", None, of=of, quote_size=D(size * 37)),
    }
    return made.place("a", f"o{number}", wanted[what](), now_ns)


def check_states(events: list[AccountEvent], states: dict[str, str]) -> None:
    for event in events:
        if isinstance(event, OrderUpdate):
            before = states.get(event.client_id, "submitted")
            assert event.state == before or event.state in TRANSITIONS[before], (event, before)
            states[event.client_id] = event.state


def check_books(made: Exchange, told: list[AccountEvent], start: dict[str, Decimal]) -> None:
    """Every balance is the start and the sum of what was told; every order its fills; every lock an order's need."""
    totals, sizes = dict(start), {"": D(0)}
    filled: dict[str, Decimal] = {}
    for event in told:
        match event:
            case Fill():
                sign = 1 if event.side == "buy" else -1
                filled[event.client_id] = filled.get(event.client_id, D(0)) + event.size
                assert event.fee is not None
                if event.instrument == SPOT.id:
                    totals["BTC"] += sign * event.size
                    totals["USDT"] -= sign * event.size * event.price
                else:
                    assert event.realised is not None
                    sizes[""] += sign * event.size
                    totals["USDT"] += event.realised
                totals[event.fee_currency] -= event.fee
            case Payment():
                totals[event.currency] += event.amount
    assert {one.currency: one.total for one in made.balances("a")} == totals
    assert all((one.free or D(0)) >= 0 and (one.locked or D(0)) >= 0 for one in made.balances("a"))
    for order in made.orders("a"):
        assert order.filled == filled.get(order.client_id, D(0)), order
        assert order.state != "filled" or order.filled == order.size
    assert sum((one.size for one in made.positions("a")), D(0)) == sizes[""]
    account = made.account("a")
    for currency, wallet in account.wallets.items():
        needs = [needed(one, made.fees) for one in account.open.values() if one.instrument.kind == "spot"
                 and currency == ("USDT" if one.intent.side == "buy" else "BTC")]  # fmt: skip
        assert wallet.locked == sum(needs, D(0))
        assert currency == "USDT" or wallet.free >= 0


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(STEPS, st.booleans()), min_size=1, max_size=60), st.sampled_from(["received", "quote"]))
def test_the_sum_of_what_was_told_is_what_is_held(
    steps: list[tuple[tuple[str, str, int, str], bool]], paid_in: str
) -> None:
    made = exchange(btc="10", fees=Fees(paid_in=paid_in, maker=D("-0.0001"), taker=D("0.00045")))
    start = {"USDT": D(1000), "BTC": D(10)}
    told: list[AccountEvent] = []
    states: dict[str, str] = {}
    for number, (step, spot) in enumerate(steps):
        try:
            events = act(made, number, step, SPOT if spot else PERP)
        except OrderRefused:
            continue
        check_states(events, states)
        told += events
        last = {event.currency: event for event in events if isinstance(event, Balance)}
        held = {one.currency: one.total for one in made.balances("a")}
        assert all(event.total == held[currency] for currency, event in last.items())
    check_books(made, told, start)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 9)), min_size=1, max_size=30))
def test_a_position_that_is_flat_has_realised_what_was_paid_and_got(orders: list[tuple[str, int]]) -> None:
    made = exchange(usdt="100000", fees=Fees(maker=D(0), taker=D(0)))
    flow = D(0)
    left = sum(size if side == "buy" else -size for side, size in orders)
    closing = [("sell" if left > 0 else "buy", abs(left))] if left else []
    for number, (side, size) in enumerate([*orders, *closing]):
        made.market(
            book(PERP, [(f"{90 + number % 7}", "999")], [(f"{91 + number % 7}.3", "999")], number + 2), number + 2
        )
        for event in made.place("a", f"o{number}", intent(side, str(size), of=PERP), number + 5):
            if isinstance(event, Fill):
                flow += event.price * event.size * D("0.1") * (-1 if side == "buy" else 1)
    assert made.positions("a") == []
    assert made.balances("a")[0].total == 100000 + flow


def test_whatever_the_precision_of_a_user_no_figure_is_another() -> None:
    """A strategy may set `getcontext().prec`: abs(), minus and operators round to it."""

    def day() -> list[str]:
        made = exchange(usdt="123456.789", btc="1.23456789", matching=Matching(slippage=D("0.00123")))
        told = made.place("a", "1", intent("buy", "30", of=PERP), 5)
        told += made.place("a", "2", intent("sell", "0.567", kind="trailing_stop", trail=D("0.01234")), 6)
        told += made.market(mark("99.87654321"), 7) + made.place("a", "3", intent("sell", "37", of=PERP), 8)
        told += made.market(trade(SPOT, "98.54", "1", at_ns=9), 9) + made.market(trade(SPOT, "97.1", "1", at_ns=9), 9)
        told += made.transfer("a", "USDT", D("-1234.56789"), 10)
        return [*said(told), *said(made.balances("a")), *said(made.positions("a"))]

    exact = day()
    with localcontext(Context(prec=2, traps=[Inexact])):
        assert day() == exact
    assert "2 filled 0.567/0.567" in exact


# ---- terms that change


def test_new_terms_hold_for_what_comes_after_and_leave_what_rests() -> None:
    made = exchange()
    assert said(made.place("a", "1", intent("buy", "0.123", "98.77"), 5))[0] == "1 open 0/0.123"
    made.relist(replace(SPOT, tick=D(1), lot=D("0.01"), min_notional=D(20)))
    assert refused(made, intent("buy", "1", "98.5")) == "tick"
    assert refused(made, intent("buy", "0.555", "98")) == "lot"
    assert refused(made, intent("buy", "0.11", "98")) == "min_notional"
    with pytest.raises(OrderRefused) as error:
        made.amend("a", "1", None, D("98.5"), 6)
    assert error.value.reason == "tick"
    with pytest.raises(OrderRefused) as error:
        made.amend("a", "1", None, D(98), 6)
    assert error.value.reason == "lot", "what rests keeps its size until it is given another"
    assert said(made.market(trade(SPOT, "98.76", "5"), 7))[0].startswith("1 fill 0.123 at 98.77")


def test_the_list_and_the_status_of_a_stream_are_each_the_newer_word() -> None:
    made = exchange()
    made.relist(replace(SPOT, status="delisted"))
    assert refused(made, intent("buy", "1")) == "market_closed"
    made.market(Status(SPOT.id, "status", 1, 1, "ws", "trading"), 5)
    assert said(made.place("a", "1", intent("buy", "1"), 5))[0] == "1 open 0/1"
    made.market(Status(SPOT.id, "status", 1, 1, "ws", "halted"), 6)
    made.relist(SPOT)
    assert said(made.place("a", "2", intent("buy", "1"), 7))[0] == "2 open 0/1"


def test_orders_from_before_count_among_those_that_are_open() -> None:
    made = exchange(rules=Rules(most_open=1))
    made.place("a", "1", intent("buy", "1", "98"), 5)
    made.relist(replace(SPOT, tick=D(1)))
    assert refused(made, intent("buy", "1", "98")) == "too_many_orders"

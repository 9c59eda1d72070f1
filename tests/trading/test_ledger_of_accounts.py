"""Balances, positions and profit, exactly; the sum of all changes is the balance, always."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from account_fixtures import BTC, A, fill
from tapeline.model.account import Payment
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.allotment import NOBODY
from tapeline.trading.accounting.ledger import Adjustment, Booking, Change, Ledger

D = Decimal
SPOT = Instrument(venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
PERP = "v:BTC/USDT:USDT"
SWAP = Instrument(
    venue="v", symbol="BTC/USDT:USDT", native="BTC-SWAP", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    size_unit="contract", contract_size=D("0.1"),
)  # fmt: skip


def swap_fill(name: str, size: str, price: str, *, side: str = "buy", **more: Any) -> Any:
    return fill(name, "", size, price, side=side, instrument=PERP, **more)


def payment(amount: str, kind: str = "transfer", *, name: str = "", currency: str = "USDT", of: str = "") -> Payment:
    return Payment(of or None, "payments", 0, 0, "ws", A, id=name, currency=currency, amount=D(amount), kind=kind)


# ---- spot ---------------------------------------------------------------------------------------------------------


def test_a_spot_purchase_and_sale_in_quote_fees() -> None:
    ledger = Ledger()
    ledger.pay(payment("1000"))
    bought = ledger.apply(fill("1", "", "2", "100", fee="0.2"), SPOT, "s")
    ledger.apply(fill("2", "", "1", "130", side="sell", fee="0.13"), SPOT, "s")
    held: Any = ledger.holding(A, BTC)

    assert bought.changes == (
        Change(A, "BTC", D(2), "fill"), Change(A, "USDT", D(-200), "fill"), Change(A, "USDT", D("-0.2"), "fee"),
    )  # fmt: skip
    assert bought.rate == 1
    assert ledger.balances(A) == {"USDT": D("929.67"), "BTC": D(1)}
    assert (held.size, held.entry_price, held.gross, held.realised) == (1, 100, 30, D("29.67"))
    assert held.fees == {"USDT": D("0.33")}
    assert ledger.holding(A, BTC, strategy="s") == held
    assert ledger.holding(A, BTC, strategy="other").size == 0
    assert ledger.equity(A, "USDT", {"BTC": D(130)}) == D("1059.67")


def test_a_fee_in_what_was_bought_makes_the_holding_smaller() -> None:
    ledger = Ledger()
    ledger.apply(fill("1", "", "1", "99.9", fee="0.001", fee_currency="BTC"), SPOT)
    held: Any = ledger.holding(A, BTC)

    assert ledger.balance(A, "BTC") == held.size == D("0.999")
    assert (held.entry_price, held.realised, held.fees) == (100, 0, {"BTC": D("0.001")})
    ledger.apply(fill("2", "", "0.99", "110", side="sell", fee="0.00099", fee_currency="BTC"), SPOT)
    assert ledger.balance(A, "BTC") == ledger.holding(A, BTC).size == D("0.00801")
    assert ledger.holding(A, BTC).realised == D("108.9") - D("99.099"), "what was paid as a fee was sold for nothing"


def test_a_fee_that_eats_all_that_was_bought_loses_nothing_of_the_books() -> None:
    ledger = Ledger()
    ledger.apply(fill("1", "", "1", "100", fee="1", fee_currency="BTC"), SPOT)

    assert (ledger.holding(A, BTC).size, ledger.holding(A, BTC).realised) == (D(0), D(-100))


def test_a_fee_in_a_third_coin_is_reckoned_at_the_rate_of_the_moment() -> None:
    ledger = Ledger()
    ledger.pay(payment("1", currency="BNB"))
    unknown = ledger.apply(fill("1", "", "1", "100", fee="0.01", fee_currency="BNB"), SPOT)
    ledger.mark("v:BNB/USDT", D(600))
    marked = ledger.apply(fill("2", "", "1", "100", fee="0.01", fee_currency="BNB"), SPOT)
    given = ledger.apply(fill("3", "", "1", "100", fee="0.01", fee_currency="BNB"), SPOT, rate=D(500))
    held: Any = ledger.holding(A, BTC)

    assert [each.rate for each in (unknown, marked, given)] == [None, D(600), D(500)]
    assert (held.realised, held.fees, held.unrated) == (D(-11), {"BNB": D("0.03")}, {"BNB": D("0.01")})
    assert ledger.balance(A, "BNB") == D("0.97")
    assert ledger.unrated(A, "USDT", {"BTC": D(1)}) == ["BNB"]
    assert ledger.equity(A, "USDT", {"BTC": D(100)}) == 0


def test_a_rebate_is_a_fee_that_is_given() -> None:
    ledger = Ledger()
    ledger.apply(fill("1", "", "1", "100", fee="-0.02"), SPOT)

    assert ledger.balance(A, "USDT") == D("-99.98")
    assert ledger.holding(A, BTC).realised == D("0.02")


# ---- derivatives --------------------------------------------------------------------------------------------------


def test_a_position_moves_the_wallet_by_profit_and_fees_only() -> None:
    ledger = Ledger()
    ledger.pay(payment("1000"))
    ledger.apply(swap_fill("1", "20", "100", fee="0.1"), SWAP, "s")
    ledger.mark(PERP, D(110))
    held: Any = ledger.holding(A, PERP)
    assert (held.size, held.entry_price, held.cost) == (20, 100, 200)
    assert (ledger.balance(A, "USDT"), ledger.unrealised(A)) == (D("999.9"), {"USDT": D(20)})
    assert ledger.equity(A, "USDT", {}) == D("1019.9")

    flip: Any = ledger.apply(swap_fill("2", "30", "110", side="sell", fee="0.2"), SWAP, "s")
    assert [tuple(part) for part in flip.parts] == [(-20, 220, 20), (-10, 110, None)]
    assert flip.changes == (Change(A, "USDT", D(20), "realised"), Change(A, "USDT", D("-0.2"), "fee"))
    assert ledger.holding(A, PERP).size == -10
    assert ledger.equity(A, "USDT", {}) == D("1019.7")


def test_the_venue_s_own_profit_enters_the_wallet_and_the_difference_is_told() -> None:
    ledger = Ledger()
    ledger.apply(swap_fill("1", "30", "100"), SWAP)
    booked = ledger.apply(swap_fill("2", "10", "100.1", side="sell", realised="0.09999999"), SWAP)
    ledger.mark(PERP, D(100))

    assert (booked.changes[0].amount, booked.differs) == (D("0.09999999"), D("-1E-8"))
    assert ledger.holding(A, PERP).realised == D("0.1")
    assert ledger.equity(A, "USDT", {}) == D("0.1"), "what the venue rounds off is unrealised still"


def test_a_fill_s_fee_and_profit_may_come_later() -> None:
    ledger = Ledger()
    ledger.apply(swap_fill("1", "30", "100", fee=None), SWAP, "s")
    ledger.apply(swap_fill("2", "10", "110", side="sell", fee=None), SWAP, "s")
    late = ledger.apply(swap_fill("2", "10", "110", side="sell", fee="0.3", realised="9.99"), SWAP, "s")
    again = ledger.apply(swap_fill("2", "10", "110", side="sell", fee="0.3", realised="9.99"), SWAP, "s")
    ledger.mark(PERP, D(110))

    assert late.changes == (Change(A, "USDT", D("-0.01"), "realised"), Change(A, "USDT", D("-0.3"), "fee"))
    assert again == Booking()
    assert ledger.balance(A, "USDT") == D("9.69")
    assert ledger.holding(A, PERP, strategy="s").realised == D("9.7")
    assert ledger.equity(A, "USDT", {}) == D("29.7")


def test_a_late_fee_in_base_takes_from_the_holding() -> None:
    ledger = Ledger()
    ledger.apply(fill("1", "", "1", "100", fee=None), SPOT)
    ledger.apply(fill("1", "", "1", "100", fee="0.01", fee_currency="BTC"), SPOT)
    held: Any = ledger.holding(A, BTC)

    assert ledger.balance(A, "BTC") == held.size == D("0.99")
    assert (held.cost, held.realised) == (99, -1)


def test_long_and_short_are_held_side_by_side() -> None:
    ledger = Ledger()
    ledger.apply(swap_fill("1", "10", "100", position="long"), SWAP)
    ledger.apply(swap_fill("2", "20", "100", side="sell", position="short"), SWAP)
    ledger.apply(swap_fill("3", "5", "90", position="short"), SWAP)

    assert {key: held.size for key, held in ledger.holdings(A).items()} == {(PERP, "long"): 10, (PERP, "short"): -15}
    assert ledger.balance(A, "USDT") == 5
    assert ledger.holding(A, PERP).size == 0


def test_first_in_first_out_is_ours_and_the_wallet_is_the_venue_s() -> None:
    ledger = Ledger("fifo")
    for name, price in (("1", "100"), ("2", "120")):
        ledger.apply(swap_fill(name, "10", price), SWAP)
    ledger.apply(swap_fill("3", "10", "130", side="sell"), SWAP)
    ledger.mark(PERP, D(130))

    assert (ledger.holding(A, PERP).realised, ledger.balance(A, "USDT")) == (D(30), D(20))
    assert ledger.equity(A, "USDT", {}) == 40


# ---- payments and adjustments -------------------------------------------------------------------------------------


def test_a_payment_is_booked_once_by_its_id_or_by_its_stamp() -> None:
    ledger = Ledger()
    booked = [ledger.pay(payment("5", name="77")) for _ in range(2)]

    assert [each.changes for each in booked] == [(Change(A, "USDT", D(5), "transfer"),), ()]
    stamped = [msgspec.structs.replace(payment("4"), at_ns=at_ns) for at_ns in (1, 1, 2)]
    assert [bool(ledger.pay(each).changes) for each in stamped] == [True, False, True]
    assert ledger.balance(A, "USDT") == 13


def test_funding_is_shared_by_what_is_held() -> None:
    ledger = Ledger()
    for name, size, strategy in (("1", "1", "a"), ("2", "2", "b")):
        ledger.apply(swap_fill(name, size, "100", position="long"), SWAP, strategy)
    ledger.pay(payment("-1", "funding", name="f", of=PERP))
    ledger.pay(payment("0.5", "funding", name="g", of="v:NEVER/HELD"))
    shares = [ledger.holding(A, PERP, "long", strategy).funding for strategy in ("a", "b")]

    assert shares == [D("-0.333333333333333333"), D("-0.666666666666666667")]
    assert ledger.holding(A, PERP, "long").realised == -1
    assert ledger.holding(A, "v:NEVER/HELD", strategy=NOBODY).funding == D("0.5")
    assert ledger.balance(A, "USDT") == D("-0.5")


def adjustment(ours: str, theirs: str, **more: Any) -> Adjustment:
    return Adjustment(account=A, ours=D(ours), theirs=D(theirs), why="opening", explained=True, at_ns=1, **more)


def test_a_balance_is_put_right_by_both_figures() -> None:
    ledger = Ledger()
    booked = ledger.adjust(adjustment("0", "12.5", currency="USDT"))

    assert booked.changes == (Change(A, "USDT", D("12.5"), "adjustment"),)
    assert ledger.balance(A, "USDT") == D("12.5")


def test_a_position_is_put_right_and_no_money_comes_of_it() -> None:
    ledger = Ledger()
    ledger.apply(swap_fill("1", "10", "100"), SWAP, "s")
    ledger.adjust(adjustment("10", "30", instrument=PERP, price=D(110)), SWAP)
    ledger.mark(PERP, D(120))

    assert ledger.balances(A) == {}
    assert (ledger.holding(A, PERP).size, ledger.holding(A, PERP).entry_price) == (D(30), D(110))
    assert [ledger.holding(A, PERP, strategy=name).size for name in ("s", NOBODY)] == [10, 20]
    assert ledger.unrealised(A) == {"USDT": D(30)}
    ledger.adjust(adjustment("30", "0", instrument=PERP), SWAP)
    assert (ledger.holding(A, PERP).size, ledger.unrealised(A)) == (D(0), {"USDT": D(0)})
    assert ledger.strategies(A) == {"s", NOBODY}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"kind": "option"}, "options"),
        ({"inverse": True, "settle": "BTC"}, "inverse"),
        ({"settle": "BTC"}, "settles in BTC"),
    ],
)
def test_what_is_not_kept_is_refused_with_its_reason(changes: dict[str, Any], word: str) -> None:
    ledger = Ledger()
    instrument = msgspec.structs.replace(SWAP, **changes)

    assert word in ledger.apply(swap_fill("1", "1", "1"), instrument).refused
    assert word in ledger.adjust(adjustment("0", "1", instrument=PERP), instrument).refused
    assert ledger.balances(A) == {}


# ---- against a naive model ----------------------------------------------------------------------------------------

FILL = st.tuples(
    st.sampled_from(["buy", "sell"]), st.integers(1, 9_999), st.integers(1, 9_999_999),
    st.integers(-500, 5000), st.sampled_from(["USDT", "BTC", "BNB"]), st.sampled_from(["a", "b", NOBODY]),
    st.booleans(), st.sampled_from(["net", "long", "short"]),
)  # fmt: skip


@given(st.lists(FILL, max_size=40), st.sampled_from(["average", "fifo"]), st.booleans(), st.integers(1, 9_999_999))
@settings(max_examples=300, deadline=None)
def test_the_books_balance_whatever_happens(fills: list[Any], method: str, spot: bool, last: int) -> None:
    """The model keeps cash and sizes only: what was paid, what was got, what is held, in fractions."""
    ledger, instrument = Ledger(method), SPOT if spot else SWAP
    name = instrument.id
    unit = Fraction(1) if spot else Fraction(1, 10)
    cash, held, fees = Fraction(0), Fraction(0), dict.fromkeys(["USDT", "BTC", "BNB"], Fraction(0))
    changes: dict[str, Decimal] = {}
    for number, (side, size, price, fee, currency, strategy, twice, position) in enumerate(fills):
        news = fill(
            str(number), "", str(D(size) / 1000), str(D(price) / 100), side=side, fee=str(D(fee) / 10_000),
            fee_currency=currency, instrument=name, position="net" if spot else position,
        )  # fmt: skip
        for _ in range(1 + twice):
            for change in ledger.apply(news, instrument, strategy).changes:
                changes[change.currency] = changes.get(change.currency, D(0)) + change.amount
        sign = 1 if side == "buy" else -1
        delta = sign * Fraction(size, 1000)
        cash -= delta * Fraction(price, 100) * unit
        fees[currency] += Fraction(fee, 10_000)
        held += delta
    mark = D(last) / 100
    ledger.mark(name, mark)
    rates = {"BTC": mark, "BNB": D(0)}
    equity = ledger.equity(A, "USDT", rates)

    assert changes == ledger.balances(A)
    in_base = fees["BTC"] * Fraction(mark)
    assert Fraction(equity) == cash + held * unit * Fraction(mark) - fees["USDT"] - in_base
    if spot:
        assert Fraction(ledger.balance(A, "USDT")) == cash - fees["USDT"]
        assert Fraction(ledger.balance(A, "BTC")) == held - fees["BTC"]
        assert ledger.holding(A, name).size == ledger.balance(A, "BTC")
    for place, whole in ledger.holdings(A).items():
        lines = [ledger.holding(A, *place, strategy=each) for each in sorted(ledger.strategies(A))]
        assert sum((each.size for each in lines), D(0)) == whole.size
        for currency in fees:
            assert sum((each.fees.get(currency, D(0)) for each in lines), D(0)) == whole.fees.get(currency, D(0))
    # Won and not yet won, of all strategies together, is what the account has won and not yet won.
    for pick in ("account", "strategies"):
        names = [None] if pick == "account" else sorted(ledger.strategies(A))
        lines = [each for of in names for each in ledger.holdings(A, of).values()]
        won = sum((Fraction(each.gross) + Fraction(each.unrealised(mark, instrument)) for each in lines), Fraction(0))
        assert won == cash + (held - (fees["BTC"] if spot else 0)) * unit * Fraction(mark)

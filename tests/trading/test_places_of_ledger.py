"""The lines of places: what others close is off strategies' lines to the last digit, however it is told."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from account_fixtures import A, fill
from tapeline.model.account import Payment
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.allotment import NOBODY
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.accounting.places import Places

D = Decimal
SPOT = Instrument(venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", lot=D("0.001"))
SWAP = msgspec.structs.replace(SPOT, symbol="BTC/USDT:USDT", native="BTC-SWAP", kind="perpetual", settle="USDT")


def traded(ledger: Ledger, name: str, size: str, price: str, strategy: str = NOBODY, **more: Any) -> None:
    """A fill of the swap; sold where the size is negative."""
    of = more.pop("of", SWAP)
    side, stopped = "sell" if size.startswith("-") else "buy", more.pop("stopped", False)
    news = fill(name, "", size.lstrip("-"), price, side=side, instrument=of.id, **more)
    ledger.apply(news, of, strategy, stopped=stopped)


def sizes(ledger: Ledger, of: Instrument = SWAP) -> dict[str, Decimal]:
    return {name: ledger.holding(A, of.id, strategy=name).size for name in sorted(ledger.strategies(A))}


def line(ledger: Ledger, strategy: str | None = None) -> Any:
    return ledger.holding(A, SWAP.id, strategy=strategy)


def test_what_a_stop_sells_is_realised_by_those_that_held_it() -> None:
    ledger = Ledger()
    traded(ledger, "1", "1", "100", "a", fee="0.1")
    traded(ledger, "2", "3", "110", "b", fee="0.3")
    traded(ledger, "3", "-4", "105", stopped=True, fee="0.4")
    a, b = line(ledger, "a"), line(ledger, "b")
    assert (a.size, a.gross, a.realised, a.fees) == (0, 5, D("4.8"), {"USDT": D("0.2")})
    assert (b.size, b.gross, b.realised, b.fees) == (0, -15, D("-15.6"), {"USDT": D("0.6")})
    whole = line(ledger)
    assert (whole.size, whole.gross, whole.realised) == (0, -10, D("-10.8"))
    assert ledger.taken(A, SWAP.id) == {"a": -1, "b": -3}
    assert ledger.strategies(A) == {"a", "b"}, "nothing of it is nobody's"


def test_a_person_sells_his_own_first_and_lots_go_by_age() -> None:
    ledger = Ledger("fifo")
    traded(ledger, "1", "1", "100", "a")
    traded(ledger, "2", "1", "120", "a")
    traded(ledger, "3", "1", "130")
    traded(ledger, "4", "-2", "140")
    held = line(ledger, "a")
    assert (held.size, held.cost, held.gross) == (1, 120, 40), "the oldest lot"
    assert sizes(ledger) == {NOBODY: 0, "a": 1}
    assert ledger.taken(A, SWAP.id) == {"a": -1}


def test_a_fee_that_is_told_later_goes_to_whom_the_fill_went() -> None:
    ledger = Ledger()
    traded(ledger, "1", "1", "100", "a")
    traded(ledger, "2", "3", "100", "b")
    traded(ledger, "3", "-4", "100", fee=None)
    traded(ledger, "3", "-4", "100", fee="0.4")
    assert [ledger.holding(A, SWAP.id, strategy=name).fees["USDT"] for name in "ab"] == [D("0.1"), D("0.3")]
    traded(ledger, "3", "-4", "100", fee="0.4")
    assert ledger.holding(A, SWAP.id).fees["USDT"] == D("0.4")
    traded(ledger, "4", "1", "100", "a")
    traded(ledger, "5", "-1", "100", fee=None)
    ledger.adjust(
        Adjustment(account=A, ours=D(0), theirs=D(-1), why="", explained=True, at_ns=9, currency="USDT", fees=True)
    )
    traded(ledger, "5", "-1", "100", fee="0.1")
    assert ledger.holding(A, SWAP.id).fees["USDT"] == D("0.4"), "it was put right already"


def test_a_figure_that_is_put_right_goes_at_cost() -> None:
    ledger = Ledger()
    traded(ledger, "1", "1", "100", "a")
    traded(ledger, "2", "3", "110", "b")
    ledger.mark(SWAP.id, D(1))

    def put(ours: str, theirs: str, price: str | None = None) -> None:
        ledger.adjust(
            Adjustment(
                account=A, ours=D(ours), theirs=D(theirs), why="", explained=True, at_ns=1, instrument=SWAP.id,
                price=None if price is None else D(price),
            ),
            SWAP,
        )  # fmt: skip

    put("4", "2", "107")
    assert sizes(ledger) == {"a": D("0.5"), "b": D("1.5")}
    put("2", "0")
    assert sizes(ledger) == {"a": 0, "b": 0}
    assert [ledger.holding(A, SWAP.id, strategy=name).gross for name in "ab"] == [0, 0]
    put("0", "-2", "90")
    put("-2", "1", "80")
    whole, nobody = line(ledger), line(ledger, NOBODY)
    assert (nobody.size, nobody.cost, nobody.gross) == (whole.size, whole.cost, whole.gross) == (1, 80, 0)


def test_on_spot_a_strategy_keeps_what_the_wallet_still_has() -> None:
    ledger = Ledger()
    ledger.pay(Payment(None, "payments", 0, 0, "ws", A, id="1", currency="BTC", amount=D(1), kind="transfer"))
    traded(ledger, "1", "0.5", "100", "a", of=SPOT)
    traded(ledger, "2", "-0.8", "100", of=SPOT)
    assert sizes(ledger, SPOT) == {NOBODY: D("-0.8"), "a": D("0.5")}
    traded(ledger, "3", "-0.3", "110", of=SPOT)
    assert sizes(ledger, SPOT) == {NOBODY: -1, "a": D("0.4")}
    traded(ledger, "4", "-0.1", "110", of=SPOT, stopped=True, fee="0.01", fee_currency="BTC")
    assert sizes(ledger, SPOT) == {NOBODY: -1, "a": D("0.29")}, "the fee in the coin itself goes too"
    assert ledger.holding(A, SPOT.id).size == D("-0.71")
    assert ledger.balance(A, "BTC") == D("0.29")


def test_a_coin_of_another_pair_is_a_strategys_too() -> None:
    other = msgspec.structs.replace(SPOT, symbol="BTC/EUR", quote="EUR")
    ledger = Ledger()
    traded(ledger, "1", "1", "100", "a", of=SPOT)
    traded(ledger, "2", "1", "90", "b", of=other)
    traded(ledger, "3", "-0.5", "100", of=SPOT)
    assert (sizes(ledger, SPOT)["a"], sizes(ledger, other)["b"]) == (D("0.5"), D(1))


def test_funding_of_what_nobody_of_ours_holds_is_nobodys() -> None:
    places = Places("average")
    places.fund(Payment(SWAP.id, "payments", 0, 0, "ws", A, id="1", currency="USDT", amount=D(2), kind="funding"))
    assert places.lines[A, SWAP.id, "net"][NOBODY].funding == 2
    assert places.fork("other").lines == {}


FILLS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", NOBODY, "stop"]), st.integers(-3_000, 3_000).filter(bool), st.integers(1, 99_999),
        st.sampled_from([None, -7, 0, 33]), st.booleans(),
    ),
    max_size=30,
)  # fmt: skip


@given(FILLS, st.sampled_from(["average", "fifo"]), st.sampled_from([SPOT, SWAP]))
@settings(deadline=None, max_examples=200)
def test_lines_add_up_to_the_account_after_every_fill(fills: list[Any], method: str, instrument: Instrument) -> None:
    ledger = Ledger(method)
    for number, (who, lots, cents, fee, late) in enumerate(fills):
        told = {"fee": None if fee is None else str(D(fee) / 1000)}
        size, price, stop = str(D(lots) / 1000), str(D(cents) / 100), who == "stop"
        before = sizes(ledger, instrument)
        strategy = NOBODY if stop else who
        traded(ledger, str(number), size, price, strategy, of=instrument, stopped=stop, **told)
        if late and fee is None:
            traded(ledger, str(number), size, price, strategy, of=instrument, stopped=stop, fee="0.007")
        whole = ledger.holding(A, instrument.id)
        lines = [ledger.holding(A, instrument.id, strategy=name) for name in ledger.strategies(A)]
        assert sum((each.size for each in lines), D(0)) == whole.size
        assert sum((each.fees.get("USDT", D(0)) for each in lines), D(0)) == whole.fees.get("USDT", D(0))
        cash = [Fraction(each.gross) - Fraction(each.cost.copy_sign(each.size)) for each in (*lines, whole)]
        assert sum(cash[:-1]) == cash[-1]
        if not strategy:
            for name in "ab":
                after = ledger.holding(A, instrument.id, strategy=name).size
                assert abs(after) <= abs(before.get(name, D(0)))
                if not whole.size and instrument is SWAP and sum(before.values(), D(0)):
                    assert after == 0, "who closes all leaves no strategy anything"

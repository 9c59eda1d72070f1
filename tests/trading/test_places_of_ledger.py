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
from tapeline.trading.accounting.holding import Holding
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


def test_what_strategies_hold_against_others_is_closed_at_the_price_once_the_account_is_flat() -> None:
    ledger = Ledger()
    traded(ledger, "1", "3", "90")
    traded(ledger, "2", "-1", "100", "a")
    traded(ledger, "3", "-2", "110", "b")
    ledger.stand(A, "flattening", {SWAP.id: D(95)})
    assert sizes(ledger) == {NOBODY: 3, "a": -1, "b": -2}, "it is not verified yet"
    ledger.stand(A, "flat", {SWAP.id: D(95)})
    assert sizes(ledger) == {NOBODY: 0, "a": 0, "b": 0}
    assert [line(ledger, name).gross for name in ("a", "b", NOBODY, None)] == [5, 30, 15, 50]
    assert ledger.taken(A, SWAP.id) == {"a": 1, "b": 2}
    ledger.stand(A, "flat", {SWAP.id: D(1)})
    assert line(ledger, "a").gross == 5, "once"


def test_without_a_price_it_is_closed_at_cost() -> None:
    ledger = Ledger("fifo")
    traded(ledger, "1", "3", "90", "a")
    traded(ledger, "2", "-3", "100", "b")
    ledger.stand(A, "flat", {})
    assert [(line(ledger, name).size, line(ledger, name).gross) for name in ("a", "b", NOBODY)] == [
        (0, 0), (0, 0), (0, 30),
    ]  # fmt: skip


def test_a_fill_that_comes_after_the_account_was_flat_leaves_nothing_either() -> None:
    ledger = Ledger()
    traded(ledger, "1", "1", "100", "a")
    ledger.stand(A, "flat", {SWAP.id: D(120)})
    assert sizes(ledger) == {"a": 1}, "what the stop sold was not told yet"
    traded(ledger, "4", "-3", "110", stopped=True)
    assert sizes(ledger) == {NOBODY: -2, "a": 0}
    traded(ledger, "3", "2", "105", "a")
    assert sizes(ledger) == {NOBODY: 0, "a": 0}, "a purchase of before the stop, told last"
    assert [line(ledger, name).gross for name in ("a", NOBODY, None)] == [10, 10, 20]
    ledger.stand(A, "running", {})
    traded(ledger, "5", "1", "100")
    traded(ledger, "6", "-1", "100", "a")
    assert sizes(ledger) == {NOBODY: 1, "a": -1}, "it trades again"


def test_a_figure_that_is_put_right_to_nothing_leaves_no_strategy_of_a_flat_account_anything() -> None:
    ledger = Ledger()
    traded(ledger, "1", "3", "90", "a")
    traded(ledger, "2", "-2", "100", "b")
    ledger.stand(A, "flat", {})
    ledger.adjust(
        Adjustment(account=A, ours=D(1), theirs=D(0), why="", explained=False, at_ns=1, instrument=SWAP.id), SWAP
    )
    assert sizes(ledger) == {"a": 0, "b": 0}


def test_on_spot_what_cannot_be_sold_is_no_strategys_once_the_account_is_flat() -> None:
    known = msgspec.structs.replace(SPOT, min_notional=D(5))
    ledger = Ledger()
    traded(ledger, "1", "1.01", "100", "a", of=known)
    traded(ledger, "2", "-1", "100", "b", of=known)
    ledger.stand(A, "flat", {known.id: D(1000)})
    assert sizes(ledger, known) == {"a": D("1.01"), "b": -1}, "0.01 can be sold for 10"
    ledger.stand(A, "flat", {known.id: D(100)})
    assert sizes(ledger, known) == {NOBODY: D("0.01"), "a": 0, "b": 0}
    traded(ledger, "3", "0.3", "100", "a", of=known)
    traded(ledger, "3", "0.3", "100", "a", of=known, fee="0.01")
    traded(ledger, "4", "-0.3", "100", of=known, stopped=True, fee=None)
    traded(ledger, "4", "-0.3", "100", of=known, stopped=True, fee="0.0001", fee_currency="BTC")
    assert sizes(ledger, known) == {NOBODY: D("0.0099"), "a": 0, "b": 0}, "a fee that is told later, too"


FILLS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", NOBODY, "stop", "flat", "running"]),
        st.integers(-3_000, 3_000).filter(bool), st.integers(1, 99_999),
        st.sampled_from([None, -7, 0, 33]), st.booleans(),
    ),
    max_size=30,
)  # fmt: skip


def assert_whole(ledger: Ledger, instrument: Instrument, *, flat: bool) -> Holding:
    """Lines add up to the account's, which is returned; of nothing that a flat account holds, strategies hold none."""
    whole = ledger.holding(A, instrument.id)
    lines = {name: ledger.holding(A, instrument.id, strategy=name) for name in ledger.strategies(A)}
    assert sum((each.size for each in lines.values()), D(0)) == whole.size
    assert sum((each.fees.get("USDT", D(0)) for each in lines.values()), D(0)) == whole.fees.get("USDT", D(0))
    cash = [Fraction(each.gross) - Fraction(each.cost.copy_sign(each.size)) for each in (*lines.values(), whole)]
    assert sum(cash[:-1]) == cash[-1]
    ours = [each.size for name, each in lines.items() if name]
    held = sum(ours, D(0)) if instrument is SPOT else whole.size
    assert not (flat and not held and any(ours))
    return whole


@given(FILLS, st.sampled_from(["average", "fifo"]), st.sampled_from([SPOT, SWAP]))
@settings(deadline=None, max_examples=200)
def test_lines_add_up_to_the_account_after_every_fill(fills: list[Any], method: str, instrument: Instrument) -> None:
    ledger, flat = Ledger(method), False
    for number, (who, lots, cents, fee, late) in enumerate(fills):
        if who in {"flat", "running"}:
            ledger.stand(A, who, {instrument.id: D(cents) / 100} if late else {})
            flat = who == "flat"
            assert_whole(ledger, instrument, flat=flat)
            continue
        told = {"fee": None if fee is None else str(D(fee) / 1000)}
        size, price, stop = str(D(lots) / 1000), str(D(cents) / 100), who == "stop"
        before = sizes(ledger, instrument)
        strategy = NOBODY if stop else who
        traded(ledger, str(number), size, price, strategy, of=instrument, stopped=stop, **told)
        if late and fee is None:
            traded(ledger, str(number), size, price, strategy, of=instrument, stopped=stop, fee="0.007")
        whole = assert_whole(ledger, instrument, flat=flat)
        if not strategy:
            for name in "ab":
                after = ledger.holding(A, instrument.id, strategy=name).size
                assert abs(after) <= abs(before.get(name, D(0)))
                if not whole.size and instrument is SWAP and sum(before.values(), D(0)):
                    assert after == 0, "who closes all leaves no strategy anything"

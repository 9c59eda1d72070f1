import dataclasses
from decimal import Decimal

import msgspec
import pytest

from tapeline.model.instrument import Instrument
from tapeline.model.number import ZERO
from tapeline.model.order import Intent
from tapeline.trading.command import Submit
from tapeline.trading.risk.check import (
    Approved,
    Denied,
    Figures,
    Held,
    Market,
    RiskLimits,
    RiskState,
    approve_flatten,
    check,
    overstep,
)

D = Decimal
SPOT = Instrument(
    venue="pit", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT",
    tick=D("0.01"), lot=D("0.001"), min_size=D("0.001"), min_notional=D(5),
)  # fmt: skip
SWAP = msgspec.structs.replace(SPOT, symbol="BTC/USDT:USDT", kind="perpetual", settle="USDT")
CALM = Market(price=D(100), bid=D("99.9"), ask=D("100.1"), age_s=0.1)
BUY = Intent(instrument=SPOT.id, side="buy", kind="limit", size=D(1), price=D(100), account="main", strategy="grid")
SELL = msgspec.structs.replace(BUY, side="sell")


def state(figures: Figures | None = None, **other: object) -> RiskState:
    at = RiskState(instrument=SPOT, market=CALM, figures={"account": figures or Figures()})
    return msgspec.structs.replace(at, **other)


def code(intent: Intent, at: RiskState, limits: RiskLimits | None = None, already: Decimal = ZERO) -> str:
    found = check(intent, at, [("account", limits or RiskLimits())], client_id="t1", already=already)
    return found.code if isinstance(found, Denied) else ""


def with_(intent: Intent, **changes: object) -> Intent:
    return msgspec.structs.replace(intent, **changes)


# ---- the seal ----------------------------------------------------------------------------------------------------


def test_what_passes_is_approved_under_its_id() -> None:
    found = check(BUY, state(), [], client_id="t1")
    assert isinstance(found, Approved)
    assert (found.client_id, found.intent) == ("t1", BUY)


def test_nobody_else_makes_an_approved() -> None:
    with pytest.raises(TypeError, match="check"):
        Approved("t1", BUY, object())
    good = check(BUY, state(), [], client_id="t1")
    assert isinstance(good, Approved)
    with pytest.raises(ValueError, match="token"):
        dataclasses.replace(good, client_id="t2")  # type: ignore[call-arg]  # what is tested
    with pytest.raises(dataclasses.FrozenInstanceError):
        good.client_id = "t2"  # type: ignore[misc]  # what is tested


def test_an_approved_is_written_and_never_read() -> None:
    good = check(BUY, state(), [], client_id="t1")
    assert isinstance(good, Approved)
    body = msgspec.json.encode(Submit(good))
    assert msgspec.json.decode(body)["order"]["client_id"] == "t1"
    with pytest.raises(TypeError):
        msgspec.json.decode(body, type=Submit)


def test_what_closes_a_position_says_so() -> None:
    long = state(Figures(held=Held(size=D(2))))
    closing, opening = check(SELL, long, [], client_id="t1"), check(BUY, long, [], client_id="t2")
    flattening = approve_flatten(SELL, D(2), client_id="t3")
    assert isinstance(closing, Approved)
    assert isinstance(opening, Approved)
    assert isinstance(flattening, Approved)
    assert (closing.closes, opening.closes, flattening.closes) == (True, False, True)


# ---- the gate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("halt", "opening", "closing"),
    [
        ("running", "", ""), ("reduce_only", "reduce_only", ""), ("halted", "halted", "halted"),
        ("flattening", "halted", "halted"), ("flat", "halted", "halted"), ("nonsense", "halted", "halted"),
    ],
)  # fmt: skip
def test_the_halt_comes_first(halt: str, opening: str, closing: str) -> None:
    long = Figures(held=Held(size=D(2)))
    assert code(BUY, state(long, halt=halt)) == opening
    assert code(SELL, state(long, halt=halt)) == closing


def test_a_sell_that_could_turn_the_position_closes_nothing() -> None:
    held = Figures(held=Held(size=D(2), sells=D("1.5")))
    assert code(SELL, state(held, halt="reduce_only")) == "reduce_only"
    assert code(with_(SELL, size=D("0.5")), state(held, halt="reduce_only")) == ""
    assert code(with_(SELL, size=D("2.5")), state(Figures(held=Held(size=D(2))), halt="reduce_only")) == "reduce_only"


def test_a_short_is_closed_by_buying() -> None:
    held = Figures(held=Held(size=D(-2)))
    at = state(held, halt="reduce_only", instrument=SWAP)
    assert code(BUY, at) == ""
    assert code(SELL, at) == "reduce_only"
    assert code(with_(BUY, size=D(9), reduce_only=True), at) == ""  # the venue itself stops at zero


def test_on_spot_a_reduce_only_flag_is_no_proof() -> None:
    at = state(Figures(held=Held(size=D(2))), halt="reduce_only")
    assert code(with_(SELL, size=D(3), reduce_only=True), at) == "reduce_only"


def test_in_hedge_mode_each_side_is_closed_by_the_other() -> None:
    at = state(halt="reduce_only", instrument=SWAP, mode="hedge")
    assert code(with_(SELL, position="long"), at) == ""
    assert code(with_(BUY, position="long"), at) == "reduce_only"
    assert code(with_(BUY, position="short"), at) == ""


# ---- the order itself --------------------------------------------------------------------------------------------


def test_an_order_of_nothing_known_is_refused() -> None:
    assert code(BUY, state(instrument=None)) == "instrument"
    assert code(BUY, state(instrument=None, halt="reduce_only")) == "reduce_only"


def test_a_closed_market_takes_nothing() -> None:
    assert code(BUY, state(instrument=with_status("halted"))) == "market_closed"


def test_of_what_is_delisted_only_what_closes_is_sent() -> None:
    held = Figures(held=Held(size=D(2)))
    gone = with_status("delisted")
    assert code(BUY, state(instrument=gone)) == "market_closed"
    assert code(SELL, state(held, instrument=gone)) == ""
    assert code(with_(SELL, size=D(3)), state(held, instrument=gone)) == "market_closed"
    assert code(SELL, state(held, instrument=with_status("halted"))) == "market_closed"


def with_status(status: str) -> Instrument:
    return msgspec.structs.replace(SPOT, status=status)


def test_precision() -> None:
    assert code(with_(BUY, price=D("100.001")), state()) == "tick"
    assert code(with_(BUY, size=D("0.0015")), state()) == "lot"


def test_hedge_and_net_orders_are_not_mixed() -> None:
    assert code(with_(BUY, position="long"), state()) == "position_mode"
    assert code(BUY, state(mode="hedge")) == "position_mode"


def test_what_cannot_be_valued_is_refused_unless_it_closes() -> None:
    dark = Market(price=None, age_s=None)
    market_buy = with_(BUY, kind="market", price=None)
    long = Figures(held=Held(size=D(2)))
    assert code(market_buy, state(market=dark)) == "no_price"
    assert code(with_(market_buy, side="sell"), state(long, market=dark)) == ""
    assert code(BUY, state(market=msgspec.structs.replace(CALM, rate=None))) == "no_rate"
    assert code(SELL, state(long, market=msgspec.structs.replace(CALM, rate=None))) == ""


def test_free_balance_of_a_spot_order() -> None:
    assert code(BUY, state(free=D(100))) == ""
    assert code(BUY, state(free=D("99.99"))) == "balance"
    assert code(SELL, state(free=D("0.9"))) == "balance"
    quoted = with_(BUY, kind="market", size=None, quote_size=D(50), price=None)
    assert code(quoted, state(free=D(50))) == ""
    assert code(quoted, state(free=D(49))) == "balance"


# ---- scopes ------------------------------------------------------------------------------------------------------


def test_the_strictest_scope_wins_and_is_named() -> None:
    at = RiskState(
        instrument=SPOT, market=CALM,
        figures={"account": Figures(held=Held(size=D(5))), "strategy": Figures(held=Held(size=D(1)))},
    )  # fmt: skip
    limits = [("account", RiskLimits(max_position=D(10))), ("strategy", RiskLimits(max_position=D("1.5")))]
    assert check(BUY, at, limits, client_id="t1") == Denied(
        "max_position", "1.5", "2", "max_position of the strategy is 1.5, and it would be 2", "strategy"
    )


def test_limits_of_a_scope_that_nobody_measures_refuse_everything() -> None:
    found = check(BUY, state(), [("venue", RiskLimits(max_position=D(10)))], client_id="t1")
    assert isinstance(found, Denied)
    assert (found.code, found.scope) == ("no_figures", "venue")


def test_an_amend_counts_only_what_it_adds() -> None:
    held = Figures(held=Held(buys=D(1)), open_orders=3)
    limits = RiskLimits(max_position=D("1.5"), max_open_orders=3)
    assert code(with_(BUY, size=D("1.5")), state(held), limits, D(1)) == ""
    assert code(with_(BUY, size=D("1.6")), state(held), limits, D(1)) == "max_position"
    assert code(with_(BUY, size=D("0.5")), state(held), limits) == "max_open_orders"


# ---- the emergency path -------------------------------------------------------------------------------------------


def test_flattening_passes_any_limit_and_never_turns_a_position() -> None:
    assert isinstance(approve_flatten(SELL, D(3), client_id="f1"), Approved)
    assert isinstance(approve_flatten(BUY, D(-1), client_id="f1"), Approved)
    for intent, size in [(SELL, D("0.5")), (SELL, D(-3)), (BUY, D(3)), (SELL, D(0))]:
        denied = approve_flatten(intent, size, client_id="f1")
        assert isinstance(denied, Denied)
        assert denied.code == "reduce_only"
    unsized = with_(BUY, kind="market", size=None, price=None, quote_size=D(5))
    assert isinstance(approve_flatten(unsized, D(-3), client_id="f1"), Denied)


# ---- what rests when limits become tighter ------------------------------------------------------------------------


def exceeded(intent: Intent, limits: RiskLimits, at: RiskState | None = None) -> str:
    found = overstep(intent, at or RiskState(instrument=SPOT, market=CALM), [("strategy", limits)])
    return "" if found is None else f"{found.code} {found.limit} {found.value} {found.scope}"


def test_a_resting_order_is_held_against_the_limits_of_one_order() -> None:
    assert (
        exceeded(BUY, RiskLimits(max_order_size=D(1), max_order_value=D(100), price_band=D(0), price_distance=D(0)))
        == ""
    )
    assert exceeded(BUY, RiskLimits(max_order_size=D("0.5"))) == "max_order_size 0.5 1 strategy"
    assert exceeded(BUY, RiskLimits(max_order_value=D(99))) == "max_order_value 99 100 strategy"
    assert exceeded(with_(BUY, price=D(103)), RiskLimits(price_band=D("0.02"))) == "price_band 0.02 0.03 strategy"
    assert exceeded(with_(SELL, price=D(130)), RiskLimits(price_distance=D("0.2"))) == "price_distance 0.2 0.3 strategy"
    assert exceeded(BUY, RiskLimits(max_position=D(0), max_gross=D(0))) == "", "exposure is not its own"


def test_what_cannot_be_told_exceeds_nothing() -> None:
    dark = RiskState(instrument=SPOT)
    assert exceeded(BUY, RiskLimits(max_order_size=D(0)), RiskState(instrument=None)) == ""
    assert exceeded(with_(BUY, size=None), RiskLimits(max_order_size=D(0))) == ""
    assert exceeded(with_(BUY, price=D(500)), RiskLimits(price_band=D(0)), dark) == "", "nobody knows the market"
    assert (
        exceeded(with_(BUY, price=D(500)), RiskLimits(max_order_value=D(499)), dark)
        == "max_order_value 499 500 strategy"
    )
    spends = with_(BUY, size=None, quote_size=D(50), kind="market", price=None)
    assert exceeded(spends, RiskLimits(max_order_value=D(49))) == "max_order_value 49 50 strategy"

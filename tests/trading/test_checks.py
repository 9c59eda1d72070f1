"""Each limit at its edge: what it lets through, what it refuses, and the figure it names."""

from decimal import Decimal

import msgspec
import pytest

from tapeline.model.instrument import Instrument
from tapeline.model.limits import RiskLimits
from tapeline.model.order import Intent
from tapeline.trading.risk.check import Denied, Figures, Held, Market, Resting, RiskState, check
from tapeline.trading.risk.checks import MEASURES, REFUSALS, case

D = Decimal
SPOT = Instrument(venue="pit", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
SWAP = msgspec.structs.replace(SPOT, symbol="BTC/USDT:USDT", kind="perpetual", settle="USDT")
CALM = Market(price=D(100), bid=D(99), ask=D(101), age_s=0.1)
BUY = Intent(instrument=SPOT.id, side="buy", kind="limit", size=D(1), price=D(100), account="main", strategy="grid")
SELL = msgspec.structs.replace(BUY, side="sell")
AT = RiskState(instrument=SWAP, market=CALM)


def denied(limits: RiskLimits, intent: Intent, figures: Figures | None = None, at: RiskState = AT) -> tuple[str, str]:
    """(code, value), ("", "") where it passes."""
    state = msgspec.structs.replace(at, figures={"account": figures or Figures()})
    found = check(intent, state, [("account", limits)], client_id="t1")
    return (found.code, found.value) if isinstance(found, Denied) else ("", "")


def with_(intent: Intent, **changes: object) -> Intent:
    return msgspec.structs.replace(intent, **changes)


MARKET = with_(BUY, kind="market", price=None)
PASSES = ("", "")


def test_every_limit_is_measured() -> None:
    assert set(MEASURES) | set(REFUSALS) == set(RiskLimits.__struct_fields__)
    assert not set(MEASURES) & set(REFUSALS)


def test_value_of_an_order() -> None:
    limits = RiskLimits(max_order_value=D(200))
    assert denied(limits, with_(BUY, size=D(2))) == PASSES
    assert denied(limits, with_(BUY, size=D("2.01"))) == ("max_order_value", "201")
    assert denied(limits, with_(BUY, size=D(2), price=D(101))) == ("max_order_value", "202")
    assert denied(limits, with_(BUY, size=D("2.01"), price=D(50))) == ("max_order_value", "201")  # the market's price
    assert denied(limits, with_(MARKET, size=None, quote_size=D(201))) == ("max_order_value", "201")
    euro = msgspec.structs.replace(AT, market=msgspec.structs.replace(CALM, rate=D("1.1")))
    assert denied(limits, with_(BUY, size=D(2)), at=euro) == ("max_order_value", "220")


def test_value_of_contracts() -> None:
    inverse = msgspec.structs.replace(SWAP, size_unit="contract", contract_size=D(100), inverse=True)
    at = msgspec.structs.replace(AT, instrument=inverse)
    assert denied(RiskLimits(max_order_value=D(200)), with_(BUY, size=D(3)), at=at) == ("max_order_value", "300")


def test_size_of_an_order() -> None:
    limits = RiskLimits(max_order_size=D(2))
    assert denied(limits, with_(BUY, size=D(2))) == PASSES
    assert denied(limits, with_(BUY, size=D(3))) == ("max_order_size", "3")
    assert denied(limits, with_(MARKET, size=None, quote_size=D(180))) == PASSES  # 2 at 90, a tenth under the market
    assert denied(limits, with_(MARKET, size=None, quote_size=D(270))) == ("max_order_size", "3")


def test_band_through_the_market() -> None:
    limits = RiskLimits(price_band=D("0.02"))
    assert denied(limits, with_(BUY, price=D(102))) == PASSES
    assert denied(limits, with_(BUY, price=D(103))) == ("price_band", "0.03")
    assert denied(limits, with_(BUY, price=D(50))) == PASSES
    assert denied(limits, with_(SELL, price=D(98))) == PASSES
    assert denied(limits, with_(SELL, price=D(97))) == ("price_band", "0.03")
    assert denied(limits, with_(SELL, price=D(150))) == PASSES


def test_band_of_an_order_without_a_price_is_of_what_it_would_find() -> None:
    assert denied(RiskLimits(price_band=D("0.01")), MARKET) == PASSES
    assert denied(RiskLimits(price_band=D("0.005")), MARKET) == ("price_band", "0.01")
    assert denied(RiskLimits(price_band=D("0.005")), with_(MARKET, side="sell")) == ("price_band", "0.01")
    one_sided = msgspec.structs.replace(AT, market=Market(price=D(100), age_s=0.1))
    assert denied(RiskLimits(price_band=D("0.005")), MARKET, at=one_sided) == PASSES


def test_band_of_a_stop_is_of_its_own_stop_price() -> None:
    limits = RiskLimits(price_band=D("0.02"), price_distance=D("0.02"))
    stop = with_(BUY, kind="stop_limit", stop_price=D(200), price=D(204))
    assert denied(limits, stop) == PASSES
    assert denied(limits, with_(stop, price=D(206))) == ("price_band", "0.03")
    assert denied(limits, with_(BUY, kind="stop", stop_price=D(200), price=None)) == PASSES


def test_distance_from_the_market() -> None:
    limits = RiskLimits(price_distance=D("0.1"))
    assert denied(limits, with_(BUY, price=D(90))) == PASSES
    assert denied(limits, with_(BUY, price=D(89))) == ("price_distance", "0.11")
    assert denied(limits, with_(SELL, price=D(111))) == ("price_distance", "0.11")
    assert denied(limits, MARKET) == PASSES


def test_fat_finger() -> None:
    limits = RiskLimits(fat_finger_times=D(10))
    assert denied(limits, with_(BUY, size=D(1000))) == PASSES  # nothing is usual yet
    usual = Figures(usual_value=D(50))
    assert denied(limits, with_(BUY, size=D(5)), usual) == PASSES
    assert denied(limits, with_(BUY, size=D(6)), usual) == ("fat_finger_times", "12")


def test_self_trade() -> None:
    limits = RiskLimits(refuse_self_trade=True)

    def meets(intent: Intent, *resting: Resting) -> str:
        return denied(limits, intent, at=msgspec.structs.replace(AT, resting=resting))[0]

    ask = Resting("a1", "sell", D(100))
    assert meets(BUY, ask) == "refuse_self_trade"
    assert meets(with_(BUY, price=D(99)), ask) == ""
    assert meets(MARKET, ask) == "refuse_self_trade"
    assert meets(SELL, ask) == ""
    assert meets(SELL, Resting("b1", "buy", D(100))) == "refuse_self_trade"
    assert meets(with_(SELL, price=D(101)), Resting("b1", "buy", D(100))) == ""
    assert meets(BUY, Resting("a1", "sell", None)) == "refuse_self_trade"
    assert meets(with_(BUY, post_only=True), ask) == ""  # it takes nothing
    assert meets(with_(BUY, kind="stop", stop_price=D(120), price=None), ask) == ""  # it waits
    at = msgspec.structs.replace(AT, resting=(ask,))
    assert denied(RiskLimits(refuse_self_trade=False), BUY, at=at) == PASSES


def test_duplicates() -> None:
    limits = RiskLimits(duplicate_s=2.0)

    def after(intent: Intent, ago_s: float) -> str:
        return denied(limits, BUY, at=msgspec.structs.replace(AT, recent=((intent, ago_s),)))[0]

    assert after(BUY, 2.0) == "duplicate_s"
    assert after(BUY, 2.1) == ""
    assert after(with_(BUY, note="another day"), 0.1) == "duplicate_s"
    assert after(with_(BUY, size=D(2)), 0.1) == ""


def test_position_counts_what_may_be_filled() -> None:
    limits = RiskLimits(max_position=D(5))
    held = Figures(held=Held(size=D(2), buys=D(2), sells=D(6)))
    assert denied(limits, BUY, held) == PASSES
    assert denied(limits, with_(BUY, size=D(2)), held) == ("max_position", "6")
    assert denied(limits, with_(SELL, size=D("1.5")), held) == ("max_position", "5.5")


def test_what_does_not_make_it_worse_passes_over_any_limit() -> None:
    over = Figures(held=Held(size=D(20)), gross=D(900))
    limits = RiskLimits(
        max_position=D(5), max_position_value=D(10), max_gross=D(10), max_net=D(10), max_leverage=D(1),
        max_margin_share=D("0.1"), max_daily_loss=D(1), max_drawdown=D(1), max_drawdown_share=D("0.1"),
        max_daily_fees=D(1), max_data_age_s=0.01, require_synchronised=True, wait_after_repair_s=60.0,
        max_clock_offset_s=0.01,
    )  # fmt: skip
    bad = msgspec.structs.replace(
        over, equity=D(100), lost_today=D(50), drawdown=D(60), drawdown_share=D("0.5"), fees_today=D(9), margin=D(90)
    )
    blind = msgspec.structs.replace(
        AT,
        market=msgspec.structs.replace(CALM, age_s=None, synchronised=False, repaired_s_ago=1.0, clock_offset_s=9.0),
        margin_rate=D("0.1"),
    )
    assert denied(limits, with_(SELL, size=D(20)), bad, blind) == PASSES
    assert denied(limits, with_(SELL, size=D(19), reduce_only=True), bad, blind) == PASSES
    assert denied(limits, BUY, bad, blind)[0] != ""
    assert denied(RiskLimits(max_position=D(5)), with_(SELL, size=D(41)), bad)[0] == "max_position"  # through zero


def test_position_value() -> None:
    limits = RiskLimits(max_position_value=D(250))
    assert denied(limits, BUY, Figures(held=Held(size=D("1.5")))) == PASSES
    assert denied(limits, BUY, Figures(held=Held(size=D("1.6")))) == ("max_position_value", "260")
    assert denied(limits, with_(SELL, size=D("2.6"))) == ("max_position_value", "260")


def test_gross_and_net() -> None:
    others = Figures(held=Held(size=D(1)), gross=D(700), net_low=D(-700), net_high=D(-700))
    assert denied(RiskLimits(max_gross=D(900)), BUY, others) == PASSES
    assert denied(RiskLimits(max_gross=D(899)), BUY, others) == ("max_gross", "900")
    assert denied(RiskLimits(max_net=D(500)), BUY, others) == PASSES  # a buy takes off the net short
    assert denied(RiskLimits(max_net=D(600)), SELL, others) == ("max_net", "700")


def test_open_orders_and_pace() -> None:
    busy = Figures(open_orders=4, orders_in_second=4, orders_in_minute=9, cancels_in_minute=20)
    assert denied(RiskLimits(max_open_orders=5), BUY, busy) == PASSES
    assert denied(RiskLimits(max_open_orders=4), BUY, busy) == ("max_open_orders", "5")
    assert denied(RiskLimits(max_orders_per_second=5), BUY, busy) == PASSES
    assert denied(RiskLimits(max_orders_per_second=4), BUY, busy) == ("max_orders_per_second", "5")
    assert denied(RiskLimits(max_orders_per_minute=9), BUY, busy) == ("max_orders_per_minute", "10")
    assert denied(RiskLimits(max_cancels_per_minute=20), BUY, busy) == PASSES
    assert denied(RiskLimits(max_cancels_per_minute=19), BUY, busy) == ("max_cancels_per_minute", "20")


def test_leverage_and_margin() -> None:
    rich = Figures(held=Held(size=D(1)), gross=D(100), equity=D(100), margin=D(10))
    at = msgspec.structs.replace(AT, margin_rate=D("0.1"))
    assert denied(RiskLimits(max_leverage=D(3)), BUY, rich, at) == PASSES
    assert denied(RiskLimits(max_leverage=D(3)), with_(BUY, size=D(2)), rich, at) == ("max_leverage", "4")
    assert denied(RiskLimits(max_margin_share=D("0.2")), BUY, rich, at) == PASSES
    assert denied(RiskLimits(max_margin_share=D("0.2")), with_(BUY, size=D(2)), rich, at) == ("max_margin_share", "0.3")
    broke = msgspec.structs.replace(rich, equity=D(0))
    assert denied(RiskLimits(max_leverage=D(3)), BUY, broke, at) == ("max_leverage", "beyond measure")
    assert denied(RiskLimits(max_margin_share=D(1)), BUY, broke, at) == ("max_margin_share", "beyond measure")
    unknown = msgspec.structs.replace(rich, equity=None)
    assert denied(RiskLimits(max_leverage=D(3), max_margin_share=D(1)), BUY, unknown, at) == (
        "max_leverage",
        "beyond measure",
    )


@pytest.mark.parametrize(
    ("limits", "figures", "value"),
    [
        (RiskLimits(max_daily_loss=D(10)), Figures(lost_today=D("10.01")), "10.01"),
        (RiskLimits(max_drawdown=D(10)), Figures(drawdown=D(11)), "11"),
        (RiskLimits(max_drawdown_share=D("0.1")), Figures(drawdown_share=D("0.11")), "0.11"),
        (RiskLimits(max_daily_fees=D(1)), Figures(fees_today=D(2)), "2"),
    ],
)
def test_losses(limits: RiskLimits, figures: Figures, value: str) -> None:
    found = denied(limits, BUY, figures)
    assert found[1] == value
    assert getattr(limits, found[0]) is not None
    assert denied(limits, BUY) == PASSES


@pytest.mark.parametrize(
    ("limits", "market"),
    [
        (RiskLimits(max_data_age_s=5.0), {"age_s": 5.1}), (RiskLimits(max_data_age_s=5.0), {"age_s": None}),
        (RiskLimits(require_synchronised=True), {"synchronised": False}),
        (RiskLimits(wait_after_repair_s=5.0), {"repaired_s_ago": 4.9}),
        (RiskLimits(max_clock_offset_s=0.5), {"clock_offset_s": -0.6}),
    ],
)  # fmt: skip
def test_data_gates(limits: RiskLimits, market: dict[str, object]) -> None:
    bad = msgspec.structs.replace(AT, market=msgspec.structs.replace(CALM, **market))
    code, _ = denied(limits, BUY, at=bad)
    assert getattr(limits, code) is not None
    assert denied(limits, BUY) == PASSES
    assert denied(limits, SELL, Figures(held=Held(size=D(1))), bad) == PASSES


def test_a_hole_long_ago_is_forgiven() -> None:
    old = msgspec.structs.replace(AT, market=msgspec.structs.replace(CALM, repaired_s_ago=5.0))
    assert denied(RiskLimits(wait_after_repair_s=5.0), BUY, at=old) == PASSES


def test_the_size_of_a_quote_order_without_a_price_is_not_known() -> None:
    dark = msgspec.structs.replace(AT, market=Market())
    found = case(with_(MARKET, size=None, quote_size=D(100)), dark, D(0))
    assert (found.size, found.value, found.closing) == (D(0), None, False)

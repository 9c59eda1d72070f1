from decimal import Decimal

import msgspec
import pytest

from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.trading.risk.orderly import fault

D = Decimal
SPOT = Instrument(
    venue="pit", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT",
    tick=D("0.5"), lot=D("0.01"), min_size=D("0.02"), min_notional=D(5),
)  # fmt: skip
GOOD = Intent(instrument=SPOT.id, side="buy", kind="limit", size=D(1), price=D(100))


def reason(**changes: object) -> str:
    found = fault(msgspec.structs.replace(GOOD, **changes), SPOT, D(100))
    return found[0] if found else ""


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"kind": "market", "price": None}, {"kind": "market", "price": None, "size": None, "quote_size": D(50)},
        {"kind": "stop", "price": None, "stop_price": D(99)}, {"kind": "stop_limit", "stop_price": D(99)},
        {"kind": "take_profit", "price": None, "stop_price": D(101)}, {"post_only": True},
        {"kind": "trailing_stop", "price": None, "trail": D("0.01")},
        {"kind": "trailing_stop", "price": None, "trail": D("0.01"), "stop_price": D(99)},
        {"time_in_force": "gtd", "expires_ns": 5}, {"expires_ns": 5},
    ],
)  # fmt: skip
def test_good_orders(changes: dict[str, object]) -> None:
    assert reason(**changes) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "long"}, {"kind": "iceberg"}, {"time_in_force": "day"}, {"position": "both"},
        {"size": D(0)}, {"size": D(-1)}, {"size": D("NaN")}, {"price": D("Infinity")}, {"size": None},
        {"quote_size": D(5)}, {"size": None, "quote_size": D(50)}, {"price": None}, {"kind": "market"},
        {"kind": "stop", "price": None}, {"kind": "stop_limit"}, {"stop_price": D(99)}, {"trail": D("0.01")},
        {"kind": "trailing_stop", "price": None}, {"time_in_force": "gtd"},
        {"time_in_force": "ioc", "expires_ns": 5},
        {"post_only": True, "time_in_force": "ioc"}, {"post_only": True, "kind": "market", "price": None},
        {"kind": "market", "price": None, "side": "sell", "size": None, "quote_size": D(50)},
    ],
)  # fmt: skip
def test_orders_that_make_no_sense(changes: dict[str, object]) -> None:
    assert reason(**changes) == "parameter"


def test_steps_and_minima() -> None:
    assert fault(msgspec.structs.replace(GOOD, price=D("100.25")), SPOT, None) == (
        "tick", "price 100.25 is not a multiple of the tick 0.5"
    )  # fmt: skip
    assert reason(kind="stop", price=None, stop_price=D("99.1")) == "tick"
    assert fault(msgspec.structs.replace(GOOD, size=D("1.005")), SPOT, None) == (
        "lot", "size 1.005 is not a multiple of the lot 0.01"
    )  # fmt: skip
    assert reason(size=D("0.01")) == "min_size"
    assert reason(size=D("0.04")) == "min_notional"


def test_the_minimum_of_a_market_order_is_of_the_markets_price() -> None:
    small = msgspec.structs.replace(GOOD, kind="market", price=None, size=D("0.04"))
    assert fault(small, SPOT, D(100)) == ("min_notional", "it is worth 4, under the least, 5")
    assert fault(small, SPOT, D(200)) is None
    assert fault(small, SPOT, None) is None  # nobody knows: the venue will say
    spent = msgspec.structs.replace(small, size=None, quote_size=D(4))
    assert fault(spent, SPOT, D(100)) == ("min_notional", "it is worth 4, under the least, 5")


def test_what_closes_a_derivative_may_be_small_in_value() -> None:
    swap = msgspec.structs.replace(SPOT, kind="perpetual")
    small = msgspec.structs.replace(GOOD, size=D("0.04"), reduce_only=True)
    assert fault(small, swap, None) is None
    assert fault(small, SPOT, None) is not None

from decimal import Decimal
from typing import Any

import pytest
from exchange_fixtures import PERP, SPOT, intent
from msgspec.structs import replace

from tapeline.errors import OrderRefused
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.trading.paper.admission import admit, fits, in_band, may_hold, on_grid
from tapeline.trading.paper.funds import Account

D = Decimal


def reason(
    wanted: Intent, instrument: Instrument = SPOT, *, status: str = "trading", market: str | None = "100"
) -> str:
    """Why it is refused, "" where it is not."""
    try:
        admit(wanted, instrument, status, None if market is None else D(market), 100)
    except OrderRefused as error:
        return error.reason
    return ""


@pytest.mark.parametrize("status", ["halted", "preopen", "cancel_only", "settling", "delisted"])
def test_a_closed_market_takes_nothing(status: str) -> None:
    assert reason(intent("buy", "1"), status=status) == "market_closed"
    assert reason(intent("buy", "1"), replace(SPOT, expiry_ns=100)) == "market_closed"
    assert reason(intent("buy", "1"), replace(SPOT, expiry_ns=101)) == ""


def test_an_inverse_contract_is_not_for_paper() -> None:
    assert reason(intent("buy", "1", of=PERP), replace(PERP, inverse=True)) == "unsupported"


@pytest.mark.parametrize(
    "more",
    [
        {"side": "up"}, {"kind": "iceberg"}, {"time_in_force": "day"}, {"kind": "limit"}, {"price": D(1)},
        {"size": None}, {"quote_size": D(5)}, {"size": None, "quote_size": D(5), "side": "sell"}, {"kind": "stop"},
        {"stop_price": D(5)}, {"kind": "trailing_stop", "stop_price": D(5)}, {"trail": D("0.1")},
        {"kind": "trailing_stop", "trail": D(1)}, {"post_only": True}, {"size": D(0)}, {"size": D(-1)},
        {"kind": "limit", "price": D(1), "post_only": True, "time_in_force": "ioc"},
        {"time_in_force": "gtd"}, {"time_in_force": "gtd", "expires_ns": 100},
        {"kind": "limit", "price": D(0)}, {"kind": "stop", "stop_price": D(-1)}, {"size": None, "quote_size": D(0)},
    ],
)  # fmt: skip
def test_an_order_that_contradicts_itself(more: dict[str, Any]) -> None:
    assert reason(replace(intent("buy", "1"), **more)) == "parameter"


def test_only_spot_orders_say_what_to_spend() -> None:
    assert reason(intent("buy", None, of=PERP, quote_size=D(5)), PERP) == "parameter"
    assert reason(intent("buy", None, quote_size=D(5))) == ""
    assert reason(intent("buy", None, quote_size=D("4.99"))) == "min_notional"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [(intent("buy", "1", "99.995"), "tick"), (intent("buy", "1", kind="stop", stop_price=D("99.995")), "tick"),
     (intent("buy", "1.0005"), "lot"), (intent("buy", "0.001"), "min_size"), (intent("buy", "0.04"), "min_notional"),
     (intent("buy", "0.05"), ""), (intent("sell", "0.04", reduce_only=True), ""),
     (intent("sell", "1", kind="trailing_stop", trail=D("0.01")), "")],
)  # fmt: skip
def test_ticks_lots_and_least_sizes(wanted: Intent, why: str) -> None:
    assert reason(wanted) == why


def test_what_closes_a_side_in_hedge_mode_may_be_worth_little() -> None:
    least = replace(PERP, min_notional=D(100_000))
    for side, position, why in (
        ("sell", "long", ""), ("buy", "short", ""), ("buy", "long", "min_notional"), ("sell", "short", "min_notional"),
        ("sell", "net", "min_notional"),
    ):  # fmt: skip
        assert reason(intent(side, "1", of=PERP, position=position), least) == why, (side, position)


def test_without_a_market_a_market_order_has_no_value_yet() -> None:
    assert reason(intent("buy", "0.04"), market=None) == ""


def test_a_price_may_be_as_bad_as_the_band_says() -> None:
    in_band("buy", D(150), D(100), D("0.5"))
    in_band("sell", D(50), D(100), D("0.5"))
    in_band("buy", D(1), D(100), D("0.5"))
    in_band("buy", D(9999), None, D("0.5"))
    in_band("buy", D(9999), D(100), None)
    for side, price in (("buy", "150.1"), ("sell", "49.9")):
        with pytest.raises(OrderRefused, match="the band's end"):
            in_band(side, D(price), D(100), D("0.5"))


def test_numbers_of_an_amendment_are_held_to_the_same() -> None:
    on_grid(SPOT, "price", D("0.02"), None, "tick")
    for value, why in (("0", "parameter"), ("0.0001", "tick")):
        with pytest.raises(OrderRefused) as error:
            on_grid(SPOT, "price", D(value), D("0.01"), "tick")
        assert error.value.reason == why
    fits(replace(SPOT, min_size=None, min_notional=None), D("0.000001"), D(1), reduces=False)


def holds(wanted: Intent, instrument: Instrument, *, hedge: bool = False, held: str = "0") -> str:
    account = Account("a", {}, hedge=hedge, may_trade=True)
    if D(held):
        account.stake(instrument, wanted.position).trade("buy" if D(held) > 0 else "sell", D(1), abs(D(held)))
    try:
        may_hold(wanted, instrument, account)
    except OrderRefused as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("wanted", "hedge", "held", "why"),
    [
        (intent("buy", "1", of=PERP), False, "0", ""), (intent("buy", "1", of=PERP), True, "0", "position_mode"),
        (intent("buy", "1", of=PERP, position="long"), False, "0", "position_mode"),
        (intent("buy", "1", of=PERP, position="long"), True, "0", ""),
        (intent("sell", "1", of=PERP, position="long"), True, "0", "reduce_only"),
        (intent("sell", "1", of=PERP, position="long"), True, "2", ""),
        (intent("buy", "1", of=PERP, position="short"), True, "-2", ""),
        (intent("sell", "1", of=PERP, reduce_only=True), False, "1", ""),
        (intent("sell", "1", of=PERP, reduce_only=True), False, "-1", "reduce_only"),
    ],
)  # fmt: skip
def test_orders_fit_the_way_positions_are_held(wanted: Intent, hedge: bool, held: str, why: str) -> None:
    assert holds(wanted, PERP, hedge=hedge, held=held) == why


def test_spot_has_no_positions_and_a_sale_reduces() -> None:
    assert holds(intent("sell", "1", reduce_only=True), SPOT, hedge=True) == ""
    assert holds(intent("buy", "1", reduce_only=True), SPOT) == "reduce_only"
    assert holds(intent("buy", "1", position="long"), SPOT, hedge=True) == "position_mode"

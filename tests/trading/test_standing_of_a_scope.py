from decimal import Decimal

import msgspec
import pytest

from tapeline.trading.risk.standing import BEYOND, SCOPES, Figures, Held, Market, Resting, RiskState

D = Decimal


@pytest.mark.parametrize(
    ("held", "low", "high", "worst"),
    [
        (Held(), 0, 0, 0),
        (Held(size=D(3), buys=D(2), sells=D(9)), -6, 5, 6),
        (Held(size=D(-3), buys=D(9), sells=D(2)), -5, 6, 6),
        (Held(size=D(3), reduce_sells=D(9)), 0, 3, 3),  # the venue stops it at zero
        (Held(size=D(3), sells=D(3), reduce_sells=D(9)), -3, 3, 3),  # the exit makes the other sell an opening one
        (Held(size=D(-3), buys=D(1), reduce_buys=D(1)), -3, -1, 3),
        (Held(size=D(3), reduce_buys=D(9)), 3, 3, 3),
    ],
)
def test_the_worst_a_position_may_come_to(held: Held, low: int, high: int, worst: int) -> None:
    assert (held.low, held.high, held.worst) == (D(low), D(high), D(worst))


def test_one_more_order_counts_on_its_own_side() -> None:
    held = Held(size=D(1), buys=D(1))
    assert held.with_order("buy", D(2), reduces=False) == msgspec.structs.replace(held, buys=D(3))
    assert held.with_order("sell", D(2), reduces=False) == msgspec.structs.replace(held, sells=D(2))
    assert held.with_order("buy", D(2), reduces=True) == msgspec.structs.replace(held, reduce_buys=D(2))


def test_what_is_not_said_is_not_known() -> None:
    state = RiskState(instrument=None)
    assert (state.halt, state.figures, state.market.price, state.market.age_s) == ("running", {}, None, None)
    assert Figures().equity is None
    assert Market().rate == D(1)
    assert D(10) ** 30 < BEYOND
    assert Resting("a", "buy", None).price is None
    assert SCOPES == ("account", "strategy", "instrument", "venue")

from decimal import Decimal

import pytest
from exchange_fixtures import PERP, SPOT

from tapeline.model.instrument import Instrument
from tapeline.trading.paper.fees import Fees

D = Decimal


@pytest.mark.parametrize(
    ("instrument", "side", "paid_in", "fee"),
    [(SPOT, "buy", "received", (D("0.002"), "BTC")), (SPOT, "sell", "received", (D("0.2"), "USDT")),
     (SPOT, "buy", "quote", (D("0.2"), "USDT")), (PERP, "buy", "received", (D("0.02"), "USDT"))],
)  # fmt: skip
def test_a_fee_is_taken_in_the_currency_of_the_market(
    instrument: Instrument, side: str, paid_in: str, fee: tuple[Decimal, str]
) -> None:
    assert Fees(paid_in=paid_in).charge(instrument, side, D(100), D(2), "taker") == fee


def test_a_fee_is_rounded_against_the_account() -> None:
    fees = Fees(maker=D("-0.0003"), taker=D("0.0003"), digits=4)
    assert fees.charge(SPOT, "sell", D("1.1"), D(1), "taker") == (D("0.0004"), "USDT")
    assert fees.charge(SPOT, "sell", D("1.1"), D(1), "maker") == (D("-0.0003"), "USDT")


def test_an_instrument_may_have_rates_of_its_own() -> None:
    fees = Fees(paid_in="quote", rates={SPOT.id: (D(0), D("0.5"))})
    assert (fees.rate(SPOT.id, "maker"), fees.rate(PERP.id, "maker")) == (D(0), D("0.001"))
    assert (fees.on_top(SPOT), Fees().on_top(SPOT)) == (D("0.5"), D(0))

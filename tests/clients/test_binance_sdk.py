"""Binance's own SDK, unmodified, trades on the paper exchange."""

import pytest

from client_fixtures import KEY, SECRET, environment, paper, report

pytestmark = [pytest.mark.clients, pytest.mark.sockets]


def test_a_trading_cycle_through_the_venues_own_sdk() -> None:
    python = environment("sdks")

    with paper("binance", "USDT=100000") as line:
        found = report(python, "binance_sdk_trading.py", {"rest": line["rest"], "key": KEY, "secret": SECRET})

    assert found["listed"] == ["BTCUSDT", "TRADING", "BTC", "USDT"]
    assert found["balances"] == [["USDT", "100000.00000000", "0.00000000"]]
    assert found["placed"] == ["sdk-1", "NEW", True]
    assert found["open"] == ["sdk-1"]
    assert found["gone"] == ["CANCELED", "sdk-1"]
    assert found["bought"] == ["FILLED", "0.01000000", 0.01]
    assert found["refused"] == [-2011, -2010, -2010]

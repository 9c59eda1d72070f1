"""ccxt, unmodified, trades on the paper exchange: binance, binanceusdm, okx."""

from typing import Any

import pytest

from client_fixtures import KEY, PASSPHRASE, SECRET, environment, paper, report

pytestmark = [pytest.mark.clients, pytest.mark.sockets]

VENUES: dict[str, dict[str, Any]] = {
    "binance": {
        "exchange": "binance", "symbol": "BTC/USDT", "size": 0.01, "tiny": 0.00001, "too_much": 100,
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
    },
    "binance-usdm": {
        "exchange": "binanceusdm", "symbol": "BTC/USDT:USDT", "size": 0.01, "tiny": 0.001, "too_much": 900,
        "options": {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False},
    },
    "okx": {"exchange": "okx", "symbol": "BTC/USDT", "size": 0.01, "tiny": 0.000001, "too_much": 100},
}  # fmt: skip

# ccxt knows the codes of USD-M by the venue's host name, which is not ours: there its own class is the general one.
REFUSALS = {
    "binance": {
        "too much": ("InsufficientFunds", "insufficient balance"),
        "unknown": ("OrderNotFound", "-2011"),
        "tiny": ("BadRequest", '"code":-1013,"msg":"Filter failure: NOTIONAL"'),
    },
    "binance-usdm": {
        "too much": ("ExchangeError", '"code":-2019'),
        "unknown": ("OrderNotFound", "-2011"),
        "tiny": ("ExchangeError", '"code":-4164'),
    },
    "okx": {
        "too much": ("InsufficientFunds", "51008"),
        "unknown": ("OrderNotFound", "51400"),
        "tiny": ("InvalidOrder", "51020"),
    },
}


@pytest.mark.parametrize("venue", sorted(VENUES))
def test_a_trading_cycle_through_ccxt(venue: str) -> None:
    settings = VENUES[venue]
    python = environment("sdks")

    with paper(venue, "USDT=100000") as line:
        found = report(python, "ccxt_trading.py", {
            **settings, "rest": line["rest"], "ws": line["ws"], "key": KEY, "secret": SECRET, "passphrase": PASSPHRASE,
        })  # fmt: skip

    size = settings["size"]
    assert found["before"]["total"] == 100_000
    assert found["opened"] == found["low"]
    assert found["fetched"] == ["open", found["low"], size, 0]
    assert found["open"] == [True]
    assert (found["cancelled"], found["open_after"]) == (0, 0)
    assert found["bought"] == [size, True]
    assert found["traded"] == [size, True]
    assert found["balance_changed"]
    assert found["watched"] == [True, True]
    for case, (name, text) in REFUSALS[venue].items():
        assert found["refusals"][case].startswith(name + ":"), found["refusals"]
        assert text in found["refusals"][case]

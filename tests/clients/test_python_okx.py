"""python-okx, unmodified, trades on the paper exchange; its WebSocket wants TLS."""

import ssl

import httpx2
import pytest

from client_fixtures import KEY, PASSPHRASE, SECRET, environment, paper, report

pytestmark = [pytest.mark.clients, pytest.mark.sockets]


def test_a_trading_cycle_through_python_okx() -> None:
    python = environment("sdks")

    with paper("okx", "USDT=100000", "--tls") as line:
        assert line["rest"].startswith("https://")
        with httpx2.Client(verify=ssl.create_default_context(cafile=line["ca"])) as client:
            book = client.get(line["rest"] + "/api/v5/market/books", params={"instId": "BTC-USDT", "sz": "1"}).json()
        low = f"{float(book['data'][0]['bids'][0][0]) * 0.9:.0f}.1"  # no zero at its end: the venue tells it without
        found = report(
            python, "python_okx_trading.py",
            {"rest": line["rest"], "ws": line["ws"], "key": KEY, "secret": SECRET, "passphrase": PASSPHRASE,
             "low": low},
            trust=line["ca"],
        )  # fmt: skip

    assert found["balance"] == ["0", "100000"]
    assert found["placed"] == ["0", "0", "mine1"]
    assert found["found"] == ["live", low, "0.01", "0"]
    assert found["pending"] == ["mine1"]
    assert found["cancelled"] == ["0", "0"]
    assert found["cancelled_twice"] == ["1", True]
    assert found["market"] == "0"
    assert found["poor"] == ["1", "51008"]
    assert found["fills"] == [0.01, True]
    assert found["told"] == ["live", "canceled"]
    assert found["logged_in"]
    assert found["account_told"]

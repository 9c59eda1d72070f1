"""freqtrade, unmodified, against the paper exchange: dry-run, and live with a key of ours."""

import pytest

from client_fixtures import KEY, PASSPHRASE, SECRET, environment, paper, report

pytestmark = [pytest.mark.clients, pytest.mark.sockets]


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry-run", "live"])
@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_freqtrade_goes_in_and_out(venue: str, dry_run: bool) -> None:
    python = environment("freqtrade")

    with paper(venue, "USDT=100000") as line:
        found = report(python, "freqtrade_bot.py", {
            "exchange": venue, "rest": line["rest"], "ws": line["ws"], "key": KEY, "secret": SECRET,
            "passphrase": PASSPHRASE, "dry_run": dry_run,
        })  # fmt: skip

    bought, sold = found["orders"]["buy"], found["orders"]["sell"]
    assert bought > 0
    assert 0.99 * bought < sold <= bought, "all of it but fees in kind, and what is too small to sell"
    assert found["errors"] == []

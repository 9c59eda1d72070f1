"""[trade] and [[strategy]]: what they are read as, and what is wrong with them."""

from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.config import Config, load
from tapeline.errors import ConfigError


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "tapeline.toml"
    path.write_text(text)
    return load(path, {})


def test_money_is_exact_and_tables_are_free(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        [trade]
        balances = {USDT = 1000, BTC = "0.1"}
        taker_fee = 0.0004
        [[strategy]]
        run = "a.py:B"
        instruments = ["binance:BTC/USDT"]
        settings = {fast = 3, spend = "10.5"}
        """,
    )
    assert config.trade.balances == {"USDT": Decimal(1000), "BTC": Decimal("0.1")}
    assert config.trade.taker_fee == Decimal("0.0004")
    (strategy,) = config.strategy
    assert (strategy.run, strategy.instruments, strategy.channels) == ("a.py:B", ("binance:BTC/USDT",), None)
    assert strategy.settings == {"fast": 3, "spend": "10.5"}


def test_nothing_needs_to_be_said(tmp_path: Path) -> None:
    config = read(tmp_path, "")
    assert (config.strategy, config.trade.currency, config.trade.at_stop) == ((), "USDT", "cancel")
    assert config.trade.balances == {"USDT": Decimal(100_000)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[trade]\nsend_ms = -1", "trade.send_ms"),
        ('[trade]\nat_stop = "hold"', "at_stop"),
        ("[[strategy]]\nname = 'x'", "run is missing"),
        ("[[strategy]]\nrun = 'module'", "names no class"),
        ("[[strategy]]\nrun = 'a:B'\nsetting = {}", "did you mean settings"),
        ("[trade]\nbalances = {USDT = 'much'}", "trade.balances"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, text)

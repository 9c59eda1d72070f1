"""freqtrade on a paper exchange, by its own settings: it buys what its strategy says, and sells it again."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ccxt

WITHIN_S = 200
BAD = ("InvalidOrder", "InsufficientFunds", "AuthenticationError", "ExchangeError", "BadRequest", "Traceback")
STRATEGY = """
from freqtrade.strategy import IStrategy
from pandas import DataFrame


class InAndOut(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi = {"0": 100.0}
    stoploss = -0.5
    startup_candle_count = 0
    process_only_new_candles = False

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["exit_long"] = 0
        return dataframe

    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        return "seen enough"
"""


def pointed(node: Any, rest: str, ws: str) -> Any:
    """Every URL with its scheme, host and port replaced; paths stay."""
    if isinstance(node, dict):
        return {key: pointed(value, rest, ws) for key, value in node.items()}
    if not isinstance(node, str) or "://" not in node:
        return node
    parts = urlsplit(node)
    return (ws if parts.scheme in {"ws", "wss"} else rest) + parts.path


def config(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    name = settings["exchange"]
    urls = {"api": pointed(getattr(ccxt, name)().urls["api"], settings["rest"], settings["ws"])}
    only = {"urls": urls, "enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}}
    side = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    return {
        "max_open_trades": 1, "stake_currency": "USDT", "stake_amount": 1000, "tradable_balance_ratio": 0.99,
        "dry_run": settings["dry_run"], "dry_run_wallet": 10000, "timeframe": "1m", "trading_mode": "spot",
        "order_types": {"entry": "limit", "exit": "limit", "stoploss": "limit", "stoploss_on_exchange": False},
        "entry_pricing": side, "exit_pricing": side,
        # The market may have moved on when an order comes: then freqtrade asks again, and not after ten minutes.
        "unfilledtimeout": {"entry": 10, "exit": 10, "exit_timeout_count": 0, "unit": "seconds"},
        "exchange": {
            "name": name, "key": settings["key"], "secret": settings["secret"], "password": settings["passphrase"],
            "pair_whitelist": ["BTC/USDT"], "enable_ws": False, "ccxt_config": only,
            "ccxt_async_config": only,
        },
        "pairlists": [{"method": "StaticPairList"}], "internals": {"process_throttle_secs": 1},
        "db_url": f"sqlite:///{folder / 'trades.sqlite'}", "initial_state": "running", "bot_name": "guest",
        "user_data_dir": str(folder / "user_data"), "strategy_path": str(folder),
    }  # fmt: skip


def main(settings: dict[str, Any]) -> None:
    folder = Path(tempfile.mkdtemp())
    (folder / "user_data").mkdir()
    (folder / "in_and_out.py").write_text(STRATEGY)
    (folder / "config.json").write_text(json.dumps(config(settings, folder)))
    command = [str(Path(sys.executable).with_name("freqtrade")), "trade", "-c", str(folder / "config.json"),
               "--strategy", "InAndOut"]  # fmt: skip
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ)) as bot,
    ):
        try:
            orders = wait_for_a_round_trip(folder / "trades.sqlite", bot)
            text = (folder / "log").read_text()  # before it is ended: its own clean-up may meet half a transaction
        finally:
            bot.terminate()  # SIGINT is ignored by whatever a background job of a shell starts
            try:
                bot.wait(30)
            except subprocess.TimeoutExpired:
                bot.kill()
                raise
    if not orders:
        sys.stderr.write(text[-5000:])
    print(
        json.dumps(
            {"orders": orders, "errors": [line for line in text.splitlines() if any(each in line for each in BAD)]}
        )
    )


def wait_for_a_round_trip(path: Path, bot: "subprocess.Popen[bytes]") -> dict[str, float]:
    """What the first closed trade bought and sold, however many orders that took."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until and bot.poll() is None:
        time.sleep(1)
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
                closed = db.execute("SELECT id FROM trades WHERE is_open = 0 ORDER BY id LIMIT 1").fetchone()
                if closed:
                    rows = db.execute(
                        "SELECT ft_order_side, SUM(filled) FROM orders "
                        "WHERE ft_trade_id = ? AND filled > 0 GROUP BY ft_order_side", closed,
                    )  # fmt: skip
                    return dict(rows.fetchall())
        except sqlite3.OperationalError:
            continue
    return {}


main(json.loads(sys.argv[1]))

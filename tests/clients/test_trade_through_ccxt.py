"""`tapeline trade --live` through unmodified ccxt, on our own paper exchange: a cycle, a lost reply, a restart."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from client_fixtures import HERE, KEY, PASSPHRASE, SECRET, environment, paper, report

pytestmark = [pytest.mark.clients, pytest.mark.sockets]

CONFIG = """
[store]
path = "{folder}/store"
[venue.{name}]
rest_url = "{rest}"
ws_url = "{ws}"
ccxt = {ccxt}
[account.main]
venue = "{name}"
mode = "live"
[[strategy]]
run = "{programs}/cycle_strategy.py:Cycle"
instruments = ["{name}:{symbol}"]
settings = {{report = "{folder}/report.jsonl"}}
"""
VENUES = {
    "binance": ("ccxt-binance", "BTC/USDT", '{options = {fetchMarkets = {types = ["spot"]}}}'),
    "binance-usdm": ("ccxt-binanceusdm-swap", "BTC/USDT:USDT", '{options = {fetchMarkets = {types = ["linear"]}}}'),
    "okx": ("ccxt-okx", "BTC/USDT", "{}"),
}
RUN_S = {"binance": 15, "binance-usdm": 50, "okx": 15}
SPOT_ONLY = {"options": {"fetchMarkets": {"types": ["spot"]}}}
# ccxt knows the codes of USD-M by the venue's host name, which is not ours: there "no margin" is a general error, so
# unknown, until the venue has said often enough that it knows no such order.
# On spot our own books refuse it before it is sent; what the venues say is below.
GREEDY = {"binance": ("withdrawn", "balance"), "binance-usdm": ("never_arrived", ""), "okx": ("withdrawn", "balance")}


def traded(folder: Path, venue: str, line: dict[str, Any]) -> list[dict[str, str]]:
    """One run, and what its strategy was told."""
    name, symbol, ccxt = VENUES[venue]
    config = folder / "trade.toml"
    config.write_text(
        CONFIG.format(folder=folder, name=name, rest=line["rest"], ws=line["ws"], ccxt=ccxt, symbol=symbol,
                      programs=HERE / "programs")
    )  # fmt: skip
    told = folder / "report.jsonl"
    told.unlink(missing_ok=True)
    keys = {"KEY": KEY, "SECRET": SECRET, "PASSPHRASE": PASSPHRASE}
    done = subprocess.run(
        [str(environment("gateway")), "-m", "tapeline.surfaces.cli", "trade", "--live", "--confirm", "main",
         "--config", str(config), "--for", str(RUN_S[venue])],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state"), "TAPELINE_LOG__LEVEL": "debug",
             **{f"TAPELINE_ACCOUNT__MAIN__{part}": value for part, value in keys.items()}},
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    for secret in keys.values():
        assert secret not in done.stdout + done.stderr, "a key shows"
    return [json.loads(each) for each in told.read_text().splitlines()]


def states(told: list[dict[str, str]], step: str) -> list[str]:
    """The states of the order of a step, the same one after another once."""
    found = [each["state"] for each in told if each["what"] == "order" and each["step"] == step]
    return [state for at, state in enumerate(found) if at == 0 or found[at - 1] != state]


@pytest.mark.parametrize("venue", sorted(VENUES))
def test_a_cycle_stop_and_restart_through_ccxt(venue: str, tmp_path: Path) -> None:
    with paper(venue, "USDT=100000") as line:
        first = traded(tmp_path, venue, line)
        second = traded(tmp_path, venue, line)

    held = "0.01" if venue == "binance-usdm" else "0.00999"
    assert first[0] == {"what": "start", "position": "0"}
    assert {"what": "trade", "source": "ws"} in first
    assert {"what": "quote", "source": "ws"} in first
    assert states(first, "buying")[0] == "submitted"
    assert states(first, "buying")[-1] == "filled"
    fills = [each for each in first if each["what"] == "fill"]
    assert sum(float(each["size"]) for each in fills) == pytest.approx(0.01)
    assert all(each["ours"] == "True" and float(each["fee"]) > 0 for each in fills)
    assert states(first, "resting")[-1] == "open"
    assert states(first, "cancelling")[-1] == "cancelled"
    refused = [(each["state"], each["reason"]) for each in first if each.get("step") == "greedy"][-1]
    assert refused == GREEDY[venue], first
    assert states(first, "left")[-1] == "open", "the stop cancels it"
    assert float(first[-1]["position"]) == pytest.approx(float(held))

    assert second[0]["what"] == "start"
    assert float(second[0]["position"]) == pytest.approx(float(held)), "the journal and the exchange agree"
    assert states(second, "buying")[-1] == "filled", "reconciled: it may open"
    assert float(second[-1]["position"]) == pytest.approx(2 * float(held))


@pytest.mark.parametrize("fault", ["order_lost@+1s", "order_503@+1s"])
def test_a_reply_that_is_lost_after_the_order_was_carried_out(fault: str, tmp_path: Path) -> None:
    """The first order's. It is unknown, then found, and never sent again."""
    with paper("binance", "USDT=100000", "--fault", fault) as line:
        told = traded(tmp_path, "binance", line)

    with sqlite3.connect(tmp_path / "store" / "journal.sqlite") as journal:
        records = [json.loads(each) for (each,) in journal.execute("SELECT body FROM records WHERE kind = 'failed'")]
    assert [(each["what"], each["outcome"]) for each in records[:1]] == [("submit", "unknown")], "the fault struck"
    assert "rejected" not in states(told, "buying")
    assert states(told, "buying")[-1] == "filled"
    assert float(told[-1]["position"]) == pytest.approx(0.00999), "once"


@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_refusals_in_our_words(venue: str) -> None:
    with paper(venue, "USDT=100000") as line:
        found = report(environment("gateway"), "ccxt_refusals.py", {
            "venue": VENUES[venue][0], "rest": line["rest"], "ws": line["ws"], "key": KEY, "secret": SECRET,
            "passphrase": PASSPHRASE, "ccxt": SPOT_ONLY if venue == "binance" else {},
        })  # fmt: skip

    assert found == {
        "too much": "OrderRefused balance", "tick": "OrderRefused tick", "lot": "OrderRefused lot",
        "unknown": "OrderRefused unknown_order", "not there": "OrderRefused unknown_order",
        # Our OKX says 60011 of such a key, which is a WebSocket's code: to ccxt it is a general error.
        "key": "AuthenticationRefused" if venue == "binance" else "Retry",
    }  # fmt: skip


def test_digits_survive_ccxt_both_ways() -> None:
    long = "0.12345678901234567890123456789"
    assert report(environment("gateway"), "ccxt_exact.py", {"exchange": "bitstamp"}) == {
        "client ids": True,
        "body": ["0.1", long],
        "frame": [{"price": long}],
        "book": [["3", "1"], ["1", long]],
        "sent": ["amount=0.10000000000000000001&client_order_id=t1&price=60000.12345678"],
        "placed": "7",
    }

"""The main job, whole and real: a recorded venue served over sockets, `tapeline run` against it, the store against
what independent implementations say the recording holds."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.sockets

TAPELINE = [sys.executable, "-m", "tapeline.surfaces.cli"]
COLUMNS = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")
SETTLED_S = 1.5
MOST_S = 90.0


@contextmanager
def served(*arguments: str) -> Iterator[dict[str, str]]:
    """`tapeline serve-venue`, from its first line until SIGTERM, which must end it cleanly."""
    process = subprocess.Popen(
        [*TAPELINE, "serve-venue", *arguments, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else "it said nothing"
        yield json.loads(line)
    finally:
        process.terminate()
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0, log


def run_until_settled(config: Path, store: Path) -> None:
    """`tapeline run` until nothing new arrives, then SIGTERM: it drains, flushes and exits 0."""
    process = subprocess.Popen([*TAPELINE, "run", "--config", str(config)], stderr=subprocess.PIPE, text=True)
    log = ""
    try:
        started = since = time.monotonic()
        last: dict[str, int] = {}
        while time.monotonic() - started < MOST_S:
            time.sleep(0.25)
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            events = _events(store, process.pid)
            if events != last:
                last, since = events, time.monotonic()
            elif events.get("trade", 0) > 0 and time.monotonic() - since > SETTLED_S:
                break
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log


def _events(store: Path, pid: int) -> dict[str, int]:
    """What this very run has seen: an earlier one leaves its status behind."""
    try:
        status = json.loads((store / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    found: dict[str, int] = status["events"] if status["pid"] == pid else {}
    return found


def rows(*arguments: str) -> list[dict[str, str]]:
    """The CSV of a command."""
    done = subprocess.run([*TAPELINE, *arguments, "--format", "csv"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def expected_bars(shared: Path, name: str) -> dict[int, dict[str, str]]:
    with gzip.open(shared / "expected" / "bars" / f"{name}.1m.csv.gz", "rt") as lines:
        return {int(row["start_ms"]): row for row in csv.DictReader(lines)}


def configure(folder: Path, address: dict[str, str], *, repair: bool = False, **stream: Any) -> Path:
    config = folder / "tapeline.toml"
    lines = [
        f"repair = {json.dumps(repair)}", "[store]", f'path = "{folder / "store"}"', "[[stream]]",
        f'rest_url = "{address["rest"]}"', f'ws_url = "{address["ws"]}"',
        *(f"{name} = {json.dumps(value)}" for name, value in stream.items()),
    ]  # fmt: skip
    config.write_text("\n".join(lines) + "\n")
    return config


@contextmanager
def cut_twice(shared: Path) -> Iterator[dict[str, str]]:
    """Two recordings of an evening in one, with their recorded REST; two cuts of 20 s."""
    captures = shared / "captures"
    name = "binance_spot_hft_btcusdt_20240808"
    with served(
        "binance", "--tape", str(captures / f"{name}.ws.jsonl.gz"),
        "--tape", str(captures / "binance_spot_hft_btcusdt_20240809.ws.jsonl.gz"),
        "--rest", str(captures / f"{name}.rest.jsonl.gz"),
        "--rest", str(captures / "binance_spot_cryptofeed_20211012.rest.jsonl.gz"),
        "--speed", "max", "--fault", "cut@2024-08-08T23:56:30Z+20s", "--fault", "cut@2024-08-09T00:02:10Z+20s",
    ) as address:  # fmt: skip
        yield address


@pytest.mark.parametrize("repair", [False, True])
def test_binance_spot_with_two_cuts(shared: Path, tmp_path: Path, *, repair: bool) -> None:
    with cut_twice(shared) as address:
        config = configure(
            tmp_path, address, repair=repair, venue="binance", symbols=["BTCUSDT"],
            channels=["trades", "quotes", "book", "bars:1m@trades"],
        )  # fmt: skip
        run_until_settled(config, tmp_path / "store")
    store = str(tmp_path / "store")
    got = {int(row["start_ms"]): row for row in rows("bars", "binance:BTC/USDT", "1m@trades", "--store", store)}
    want = expected_bars(shared, "binance_spot_BTCUSDT_trade_20240808T2354_20240809T0005")
    first, *_, last = sorted(want)
    assert last not in got, "the last bar is open: it must not be stored as closed"
    assert sorted(got) == sorted(want)[:-1]
    cut = {1723161360000, 1723161720000}  # 23:56 and 00:02
    certificates = dict.fromkeys(got, "complete") | {first: "partial"}
    certificates |= dict.fromkeys(cut, "repaired" if repair else "partial")
    assert {start: row["certificate"] for start, row in got.items()} == certificates
    for start in sorted(got.keys() - {first} - (set() if repair else cut)):
        assert {c: Decimal(got[start][c]) for c in COLUMNS} == {c: Decimal(want[start][c]) for c in COLUMNS}
        assert (got[start]["origin"], got[start]["source"]) == ("trades", "built")
        assert got[start]["revision"] == "1" or start in cut
    from tapeline.store.reader import open_store  # noqa: PLC0415  # the commands above are what is tested

    with open_store(store) as held:
        gaps = held.gaps()
    for channel in ("trades", "quotes", "book"):
        assert [gap.cause for gap in gaps if gap.channel == channel] == ["link_down", "link_down"]
    assert len(gaps) == 6
    _trades_are_the_recorded_ones(shared, store, whole=repair)
    if repair:
        _the_ledger_knows_both_repairs(store)
    else:
        _the_ledger_knows_both_cuts(store)


def array(*arguments: str) -> list[dict[str, Any]]:
    """The JSON array of a command."""
    done = subprocess.run([*TAPELINE, *arguments, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _the_ledger_knows_both_cuts(store: str) -> None:
    """Trades are proven but for two holes that can be filled; quotes and books have two each that cannot."""
    held = [int(row["at_ns"]) for row in rows("trades", "binance:BTC/USDT", "--store", store)]
    spans = array("coverage", "binance:BTC/USDT", "--channel", "trades", "--store", store)
    holes = array("gaps", "--store", store)
    missing = [hole for hole in holes if hole["channel"] == "trades"]
    assert [(hole["state"], hole["cause"]) for hole in missing] == [("missing", "link_down")] * 2
    assert [(span["state"], span["evidence"], span["source"]) for span in spans] == [("proven", "ids", "ws")] * 3
    assert (spans[0]["from_ns"], spans[-1]["to_ns"]) == (held[0] + 1, held[-1]), "the first and the last instant wait"
    for left, hole, right in zip(spans, missing, spans[1:], strict=False):
        assert (left["to_ns"], right["from_ns"]) == (hole["from_ns"], hole["to_ns"])
        assert [at for at in held if hole["from_ns"] < at < hole["to_ns"] - 1] == []
    built = array("coverage", "binance:BTC/USDT", "--channel", "bars:1m@trades", "--store", store)
    assert built == spans
    for channel in ("quotes", "book"):
        lost = [(hole["state"], hole["cause"]) for hole in holes if hole["channel"] == channel]
        assert lost == [("unrecoverable", "link_down")] * 2
        why = [span["why"] for span in array("coverage", "binance:BTC/USDT", "--channel", channel, "--store", store)]
        assert why == [f"no REST call of the venue brings {channel} back"] * 2
    assert len(holes) == 6


def _the_ledger_knows_both_repairs(store: str) -> None:
    """Trades are proven or repaired from the first to the last; only quotes and books have holes."""
    spans = array("coverage", "binance:BTC/USDT", "--channel", "trades", "--store", store)
    told = [(span["state"], span["evidence"], span["source"]) for span in spans]
    assert told == [("proven", "ids", "ws"), ("repaired", "ids", "rest")] * 2 + [("proven", "ids", "ws")]
    assert {span["why"] for span in spans[1::2]} == {"fetched after link_down"}
    assert all(left["to_ns"] == right["from_ns"] for left, right in pairwise(spans))
    holes = array("gaps", "--store", store)
    assert [(hole["channel"], hole["state"]) for hole in holes if hole["channel"] not in {"quotes", "book"}] == []
    assert len(holes) == 4


@pytest.mark.parametrize("lost_s", [0, 20])
def test_a_run_in_two_halves_lists_the_hole_between(shared: Path, tmp_path: Path, lost_s: int) -> None:
    """The second half of a recording goes to a second run into the same store, whole or without its first seconds."""
    captures, store = shared / "captures", str(tmp_path / "store")
    rest = (
        "--rest", str(captures / "binance_spot_hft_btcusdt_20240808.rest.jsonl.gz"),
        "--rest", str(captures / "binance_spot_cryptofeed_20211012.rest.jsonl.gz"),
    )  # fmt: skip
    cut = ("--fault", f"cut@2024-08-09T00:00:00Z+{lost_s}s") if lost_s else ()
    for day, faults in (("20240808", ()), ("20240809", cut)):
        tape = str(captures / f"binance_spot_hft_btcusdt_{day}.ws.jsonl.gz")
        with served("binance", "--tape", tape, *rest, "--speed", "max", *faults) as address:
            config = configure(tmp_path, address, venue="binance", symbols=["BTCUSDT"], channels=["trades"])
            run_until_settled(config, tmp_path / "store")
    held = [int(row["at_ns"]) for row in rows("trades", "binance:BTC/USDT", "--store", store)]
    spans = array("coverage", "binance:BTC/USDT", "--channel", "trades", "--store", store)
    proven = [(span["from_ns"], span["to_ns"]) for span in spans if span["state"] == "proven"]
    holes = array("gaps", "--store", store)
    if not lost_s:
        assert holes == [], "the ids of the second run follow those of the first"
        assert proven == [(held[0] + 1, held[-1])]
        return
    (hole,) = holes
    assert (hole["state"], hole["cause"]) == ("missing", "restart")
    low, high = hole["from_ns"], hole["to_ns"]
    assert proven == [(held[0] + 1, low), (high, held[-1])]
    assert low in held
    assert high - 1 in held
    assert 19e9 < high - low < 22e9
    assert [at for at in held if low < at < high - 1] == []


def _trades_are_the_recorded_ones(shared: Path, store: str, *, whole: bool) -> None:
    """Every trade, but for the 40 s that were cut where nothing was repaired: once, to the last digit."""
    series = shared / "series" / "trades" / "binance_spot_BTCUSDT_trade_20240808T2354_20240809T0005.csv.gz"
    with gzip.open(series, "rt") as lines:
        recorded = {row["id"]: row for row in csv.DictReader(lines)}
    held = rows("trades", "binance:BTC/USDT", "--store", store)
    ids = [row["id"] for row in held]
    assert len(ids) == len(set(ids))
    assert ids == sorted(ids, key=int)
    for row in held:
        want = recorded[row["id"]]
        assert (row["ts_ms"], row["taker_side"]) == (want["ts_ms"], want["taker_side"])
        assert (Decimal(row["price"]), Decimal(row["qty"])) == (Decimal(want["price"]), Decimal(want["qty"]))
    missing = recorded.keys() - set(ids)
    assert not (whole and missing)
    cuts_ms = [(1723161390000, 1723161412500), (1723161730000, 1723161752500)]  # 20 s each, clock 1.27 s behind
    for ident in missing:
        at_ms = int(recorded[ident]["ts_ms"])
        assert any(low <= at_ms < high for low, high in cuts_ms), f"trade {ident} at {at_ms} is missing without a cut"


def test_a_second_instance_is_refused_and_named(shared: Path, tmp_path: Path) -> None:
    name = "binance_spot_cryptofeed_20211012"
    captures = shared / "captures"
    with served(
        "binance", "--tape", str(captures / f"{name}.ws.jsonl.gz"), "--rest", str(captures / f"{name}.rest.jsonl.gz"),
        "--speed", "1",
    ) as address:  # fmt: skip
        config = configure(tmp_path, address, venue="binance", symbols=["NKN/USDT"], channels=["quotes", "bars:1m"])
        first = subprocess.Popen([*TAPELINE, "run", "--config", str(config)], stderr=subprocess.PIPE, text=True)
        try:
            started = time.monotonic()
            while not (tmp_path / "store" / "status.json").exists():
                assert time.monotonic() - started < 30
                time.sleep(0.1)
            second = subprocess.run(
                [*TAPELINE, "run", "--config", str(config)], capture_output=True, text=True, timeout=30, check=False
            )
            assert second.returncode == 1
            assert f"process {first.pid}" in second.stderr
            status = subprocess.run(
                [*TAPELINE, "status", "--store", str(tmp_path / "store"), "--json"],
                capture_output=True, text=True, timeout=30, check=True,
            )  # fmt: skip
            assert json.loads(status.stdout)["pid"] == first.pid
        finally:
            first.terminate()
            first.communicate(timeout=30)
        assert first.returncode == 0
    assert os.path.exists(tmp_path / "store" / "series.sqlite")  # noqa: PTH110


def gaps_of(store: Path) -> dict[str, list[str]]:
    from tapeline.store.reader import open_store  # noqa: PLC0415  # the commands are what is tested

    found: dict[str, list[str]] = {}
    with open_store(store) as held:
        for gap in held.gaps():
            found.setdefault(gap.channel, []).append(gap.cause)
    return found


def test_usdm_routes_with_two_cuts(shared: Path, tmp_path: Path) -> None:
    """Two connections (public and market routes do not mix), each series with exactly its two gaps."""
    captures = shared / "captures"
    name = "binance_usdm_hft_btcusdt_20240808"
    with served(
        "binance-usdm", "--tape", str(captures / f"{name}.ws.jsonl.gz"),
        "--rest", str(captures / f"{name}.rest.jsonl.gz"), "--speed", "max",
        "--fault", "cut@2024-08-08T23:55:30Z+20s", "--fault", "cut@2024-08-08T23:57:10Z+20s",
    ) as address:  # fmt: skip
        config = configure(
            tmp_path,
            address,
            venue="binance-usdm",
            symbols=["BTCUSDT"],
            channels=["trades", "quotes", "book", "bars:1m@trades"],
        )
        run_until_settled(config, tmp_path / "store")
    store = tmp_path / "store"
    assert gaps_of(store) == {channel: ["link_down", "link_down"] for channel in ("trades", "quotes", "book")}
    want = expected_bars(shared, "binance_usdm_BTCUSDT_trade_20240808T2354_20240809T0000")
    name = _instrument(store)
    got = {int(row["start_ms"]): row for row in rows("bars", name, "1m@trades", "--store", str(store))}
    assert sorted(got) == sorted(want)[:-1]
    complete = {start for start, row in got.items() if row["certificate"] == "complete"}
    assert complete == set(sorted(want)[1:-1]) - {1723161300000, 1723161420000}
    for start in complete:
        assert {c: Decimal(got[start][c]) for c in COLUMNS} == {c: Decimal(want[start][c]) for c in COLUMNS}


def _instrument(store: Path) -> str:
    from tapeline.store.reader import open_store  # noqa: PLC0415  # the commands are what is tested

    with open_store(store) as held:
        return next(who for who, channel in held.series() if channel == "trades")


def test_okx_with_a_cut(shared: Path, tmp_path: Path) -> None:
    """Twelve seconds of 2022, without sequence ids: what cannot be proved is a gap."""
    captures = shared / "captures"
    name = "okx_v5_cryptofeed_20220513"
    with served(
        "okx", "--tape", str(captures / f"{name}.ws.jsonl.gz"), "--rest", str(captures / f"{name}.rest.jsonl.gz"),
        "--speed", "max", "--fault", "cut@2022-05-13T16:27:10Z+2s",
    ) as address:  # fmt: skip
        config = configure(
            tmp_path,
            address,
            venue="okx",
            symbols=["BTC/USDT", "BTC-USD-220527"],
            channels=["trades", "ticker", "book"],
        )
        run_until_settled(config, tmp_path / "store")
    store = tmp_path / "store"
    found = gaps_of(store)
    assert set(found) <= {"trades", "ticker", "book"}
    assert found["book"] == ["link_down", "link_down"], "one for each instrument"
    assert all(cause == "link_down" for causes in found.values() for cause in causes)
    with gzip.open(shared / "expected" / f"{name}.cryptofeed.trades.jsonl.gz", "rt") as lines:
        expected = {(row["exch_symbol"], str(row["id"])): row for row in map(json.loads, lines)}
    got = rows("trades", "okx:BTC/USDT", "--store", str(store))
    assert len(got) > 10
    for row in got:
        want = expected["BTC-USDT", row["id"]]
        assert (Decimal(row["price"]), Decimal(row["qty"]), row["taker_side"]) == (
            Decimal(str(want["price"])), Decimal(str(want["size"])), want["side"],
        )  # fmt: skip
    status = json.loads((store / "status.json").read_text())
    assert status["problems"] == {} or "okx" in status["problems"]
    assert {book["instrument"] for book in status["books"]} == {"okx:BTC/USDT", "okx:BTC/USD:BTC-220527"}

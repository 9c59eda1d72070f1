"""Modes over real sockets, against the simulated venue: fall-back and return, and the commands that set them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.running import start
from tapeline.config import Config, StoreConfig, StreamConfig, SyncConfig
from tapeline.control import ask
from tapeline.errors import Refused
from tapeline.model.event import ModeChange
from tapeline.model.interval import SECOND_NS
from tapeline.store.reader import open_store
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"
pytestmark = pytest.mark.sockets


def config(folder: Path, address: str, *channels: str, **changes: Any) -> Config:
    settings: dict[str, Any] = {"sync": SyncConfig(cooldown_s=3.0, steady_s=1.0, polling_interval_s=1.0)} | changes
    return Config(
        store=StoreConfig(path=str(folder), batch_timeout_s=0.05, tape=False), seed=1,
        stream=(
            StreamConfig(
                venue="binance", symbols=("BTCUSDT",), channels=channels, ws_url=f"ws://{address}",
                rest_url=f"http://{address}",
            ),
        ),
        **settings,
    )  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        main(["websocket", *words])
        code: Any = 0
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr()
    return int(code or 0), told.out, told.err


def test_the_stream_dies_bars_go_on_by_polling_and_come_back(market: Any, tmp_path: Path) -> None:
    switches: list[ModeChange] = []

    async def scene() -> None:
        async with (
            market(faults=("cut@+3s+6s/all",)) as address,
            start(config(tmp_path, address, "trades", "bars:1s", "bars:1s@trades")) as running,
            asyncio.timeout(60),
        ):
            back = asyncio.Event()

            def heard(change: ModeChange) -> None:
                switches.append(change)
                if change.after == "websocket":
                    back.set()

            running.instance.bus.subscribe(heard, types=(ModeChange,))
            await back.wait()
            await asyncio.sleep(3.0)

    asyncio.run(scene())
    assert [(each.before, each.after) for each in switches] == [("websocket", "polling"), ("polling", "websocket")]
    with open_store(tmp_path) as store:
        opens = [bar.open_at_ns for bar in store.bars(BTC, "1s")]
        ids = [trade.seq or 0 for trade in store.trades(BTC)]
        assert store.holes() == []
        assert {span.source for span in store.coverage(BTC, "bars:1s")} == {"ws", "rest"}
    assert opens == list(range(opens[0], opens[-1] + SECOND_NS, SECOND_NS))
    assert len(opens) >= 10
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_a_mode_is_set_in_the_running_instance_and_outlives_it(
    market: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> None:
        async with market() as address:
            settings = config(tmp_path, address, "trades", "bars:1s")
            async with start(settings) as running, asyncio.timeout(60):
                await running.opening
                code, out, _ = await asyncio.to_thread(
                    run, capsys, "config", "--store", str(tmp_path), "--set-mode", "polling", "--json"
                )
                told = json.loads(out.splitlines()[-1])
                assert (code, told["overrides"]["mode"]) == (0, "polling")
                assert [(row["mode"], row["mode_from"], row["uses"]) for row in told["modes"]] == [
                    ("polling", "overrides.json mode", "polling")
                ]
                code, out, _ = await asyncio.to_thread(run, capsys, "status", "--store", str(tmp_path), "--json")
                told = json.loads(out.splitlines()[-1])
                assert told["connections"][0]["connection"] == "binance/public/1"
                assert {"state", "age_s", "ping_s", "last_message_age_s", "re_dials", "breaker"} <= told["connections"][
                    0
                ].keys()
                assert told["modes"][0]["why"] == "mode polling (set at run time)"
            async with start(settings) as running, asyncio.timeout(60):
                await running.opening
                assert running.modes.rows()[0]["uses"] == "polling", "it outlives the instance"
                back = asyncio.Event()
                running.instance.bus.subscribe(lambda _change: back.set(), types=(ModeChange,))
                assert [each.topics for desk in running.instance.desks.values() for each in desk.statistics()] == []
                code, out, _ = await asyncio.to_thread(run, capsys, "config", "--store", str(tmp_path), "--clear")
                assert code == 0
                assert "mode=auto" in out
                assert not (tmp_path / "overrides.json").exists()
                await back.wait()
                assert running.modes.rows()[0]["uses"] == "websocket"

    asyncio.run(scene())


def test_a_mode_that_cannot_be_had_is_refused_and_nothing_changes(
    market: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> None:
        async with market() as address, start(config(tmp_path, address, "trades", "quotes")) as running:
            await running.opening
            code, _, err = await asyncio.to_thread(
                run, capsys, "config", "--store", str(tmp_path), "--set-mode", "polling"
            )
            assert code == 1
            assert "binance:BTC/USDT quotes" in err
            assert "cannot be polled" in err
            assert {row["uses"] for row in running.modes.rows()} == {"websocket"}
            with pytest.raises(Refused, match="not among what this instance wants"):
                await asyncio.to_thread(
                    ask, running.keeping.socket, {"op": "set_mode", "mode": "auto", "instrument": "binance:X/Y"}
                )
            with pytest.raises(Refused, match="is no mode"):
                await asyncio.to_thread(ask, running.keeping.socket, {"op": "set_mode", "mode": "fast"})

    asyncio.run(scene())
    assert not (tmp_path / "overrides.json").exists()

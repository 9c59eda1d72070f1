"""Modes over real sockets, against the simulated venue: fall-back and return, the commands, a connection tried."""

import asyncio
import json
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from tapeline.app.running import start
from tapeline.app.trial import STEPS, try_connection
from tapeline.clock import SystemClock
from tapeline.config import Config, StoreConfig, StreamConfig, SyncConfig
from tapeline.control import ask
from tapeline.errors import Refused
from tapeline.model.event import ModeChange
from tapeline.model.interval import SECOND_NS
from tapeline.model.topic import Topic
from tapeline.store.reader import open_store
from tapeline.surfaces.cli import main
from tapeline.venues import venue_named
from tapeline.wire.transport import real_dial

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


def test_every_step_of_a_connection_is_timed(
    market: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    async def scene() -> tuple[int, str, str]:
        async with market() as address:
            path = tmp_path / "t.toml"
            path.write_text(
                f'[store]\npath = "{tmp_path}"\n[[stream]]\nvenue = "binance"\nsymbols = ["BTC/USDT"]\n'
                f'channels = ["trades", "quotes"]\nws_url = "ws://{address}"\nrest_url = "http://{address}"\n'
            )
            words = ("test", "--config", str(path), "--timeout", "20", "--json")
            return await asyncio.to_thread(run, capsys, *words)

    code, out, _ = asyncio.run(scene())
    (trial,) = json.loads(out.splitlines()[-1])
    assert (code, trial["ok"], trial["topic"]) == (0, True, "quotes BTCUSDT")
    assert [step["name"] for step in trial["steps"]] == list(STEPS)
    assert [step["state"] for step in trial["steps"]] == ["ok", "ok", "skipped", "ok", "ok", "ok"]
    assert all(step["took_s"] >= 0 for step in trial["steps"] if step["state"] == "ok")
    assert trial["steps"][5]["text"] == "quotes of binance:BTC/USDT"


def test_the_step_that_fails_is_named_with_why(market: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    venue = ("test", "--venue", "binance", "--rest-url", f"http://{address}", "--symbol", "BTCUSDT")
    code, out, _ = run(capsys, *venue, "--ws-url", f"ws://{address}")
    assert code == 1
    assert "  dns        ok" in out
    assert "  tcp        failed" in out
    assert "  failed at tcp" in out
    code, out, _ = run(capsys, *venue, "--ws-url", "ws://no-such-name.invalid")
    assert (code, "failed at dns" in out) == (1, True)

    async def scene() -> tuple[int, str, str]:
        async with market(faults=("no_ack@+0s+600s", "mute@+0s+600s")) as address:
            return await asyncio.to_thread(run, capsys, *venue, "--ws-url", f"ws://{address}", "--timeout", "2")

    code, out, _ = asyncio.run(scene())
    assert code == 1
    assert "failed at subscribe" in out
    assert "nothing within 2 s" in out


def tried(url: str, tls: ssl.SSLContext | None = None) -> Any:
    return try_connection(
        venue_named("binance"), Topic("trades", "BTCUSDT"), url, instruments={}, dial=real_dial(), clock=SystemClock(),
        within_s=5.0, tls=tls,
    )  # fmt: skip


@pytest.mark.parametrize("answer", [b"HTTP/1.1 451 No\r\n\r\n", b"", b"nonsense\r\n\r\n"])
def test_a_server_that_is_no_venue(answer: bytes) -> None:
    async def scene() -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await tried(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x?y=1")

    trial = asyncio.run(scene())
    assert [(step.name, step.state) for step in trial.steps][-1] == ("handshake", "failed")
    assert not trial.ok


def test_a_certificate_that_nobody_knows_fails_at_tls_and_a_known_one_does_not() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def scene(tls: ssl.SSLContext | None) -> Any:
        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with server:
            return await tried(f"wss://localhost:{server.sockets[0].getsockname()[1]}/", tls)

    assert [(step.name, step.state) for step in asyncio.run(scene(None)).steps][-1] == ("tls", "failed")
    steps = asyncio.run(scene(trusting)).steps
    assert [(step.name, step.state) for step in steps][-2:] == [("tls", "ok"), ("handshake", "failed")]
    assert steps[2].text.startswith("TLSv1"), sys.version

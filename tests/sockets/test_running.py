"""A configuration, run whole over loopback sockets, into a store on disk."""

import asyncio
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tapeline.app import keeping
from tapeline.app.running import EXIT_DONE, EXIT_GAVE_UP, EXIT_NOT_KEPT, run_config, start
from tapeline.config import Config, ConnectionConfig, StoreConfig, StreamConfig, SyncConfig
from tapeline.control import ask
from tapeline.errors import ConfigError, StoreLocked, UnknownInstrument
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore
from tapeline.store.tape import read_answers, read_tape

BTC = "binance:BTC/USDT"
pytestmark = pytest.mark.sockets


def config(folder: Path, address: str, **changes: Any) -> Config:
    stream = {"symbols": ("BTCUSDT",), "channels": ("trades", "quotes", "book", "bars:1s@trades")} | changes
    return Config(
        store=StoreConfig(path=str(folder / "store"), tape=True, batch_timeout_s=0.05),
        stream=(StreamConfig(venue="binance", ws_url=f"ws://{address}", rest_url=f"http://{address}", **stream),),
        seed=1,
    )


def test_a_run_fills_a_store_a_tape_and_a_status(market: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with market() as address:
            async with start(config(tmp_path, address)) as running:
                await asyncio.sleep(4.0)
                found = await asyncio.to_thread(ask, running.keeping.socket, {"op": "status"})
                assert found["state"] == "running"
                with pytest.raises(StoreLocked):
                    await start(config(tmp_path, address)).__aenter__()
            assert not running.keeping.socket.exists()

    asyncio.run(main())
    store = tmp_path / "store"
    status = json.loads((store / "status.json").read_text())
    assert status["state"] == "stopped"
    assert status["store"]["queue_rows"] == 0
    with open_store(store) as held:
        trades = list(held.trades(BTC))
        bars = list(held.bars(BTC, "1s@trades"))
        points = {point.channel: point for point in held.points()}
        instruments = [each.id for each in held.instruments()]
    assert len(trades) == status["events"]["trade"] > 10
    assert [bar.certificate for bar in bars][:2] == ["partial", "complete"]
    assert points["trades"].seq == trades[-1].seq
    assert {"trades", "quotes", "book"} <= points.keys()
    assert BTC in instruments
    (tape,) = (store / "tape").glob("*.ws.jsonl.gz")
    lines = list(read_tape(tape))
    assert [line.dir for line in lines][:2] == ["open", "out"]
    assert lines[-1].dir == "close"
    assert status["tape"]["frames"] <= len(lines)
    (rest,) = (store / "tape").glob("*.rest.jsonl.gz")
    assert any("/exchangeInfo" in answer.url for answer in read_answers(rest))


def test_a_status_that_cannot_be_written_costs_neither_the_next_nor_the_points(market: Any, tmp_path: Path) -> None:
    """As on a full disk, twice: the file beside which it is made is a folder."""
    store = tmp_path / "store"
    in_the_way = store / f".status.json.{os.getpid()}"
    in_the_way.mkdir(parents=True)

    async def main() -> None:
        async with market() as address:
            async with start(config(tmp_path, address)) as running:
                await asyncio.sleep(2.5)
                assert running.instance.problems.counts["", "status"] >= 2
                assert not (store / "status.json").exists()
                in_the_way.rmdir()
                await asyncio.sleep(1.5)
                assert json.loads((store / "status.json").read_text())["state"] == "running"
                in_the_way.mkdir()
            in_the_way.rmdir()

    asyncio.run(main())  # it ends in order, though its last word is not kept
    assert json.loads((store / "status.json").read_text())["state"] == "running"
    with open_store(store) as held:
        assert "quotes" in {point.channel for point in held.points()}


@pytest.mark.parametrize("repair", [False, True])
def test_a_second_run_announces_the_hole_between_the_two_and_fills_it(
    market: Any, tmp_path: Path, *, repair: bool
) -> None:
    async def main() -> None:
        async with market() as address:
            for _ in range(2):
                async with start(replace(config(tmp_path, address), repair=repair)):
                    await asyncio.sleep(2.0)
                await asyncio.sleep(1.0)

    asyncio.run(main())
    with open_store(tmp_path / "store") as held:
        gaps = held.gaps()
        seqs = [trade.seq or 0 for trade in held.trades(BTC)]
    by_channel = {gap.channel: gap for gap in gaps}
    assert {gap.cause for gap in gaps} == {"restart"}
    assert by_channel.keys() >= {"quotes", "book"}
    gap = by_channel["trades"]
    assert gap.after_seq is not None
    assert gap.before_seq is not None
    if repair:
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
        return
    assert gap.after_seq in seqs
    assert gap.before_seq in seqs
    assert sorted(set(range(seqs[0], seqs[-1] + 1)) - set(seqs)) == list(range(gap.after_seq + 1, gap.before_seq))


def test_the_time_that_was_asked_for_ends_a_run(market: Any, tmp_path: Path) -> None:
    async def main() -> int:
        async with market() as address:
            return await run_config(config(tmp_path, address), stop=asyncio.Event(), for_s=0.5)

    assert asyncio.run(main()) == EXIT_DONE


def test_a_run_whose_disk_stays_full_to_the_end_does_not_end_with_0(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async def main() -> int:
        async with market() as address:
            return await run_config(config(tmp_path, address), stop=asyncio.Event(), for_s=1.0)

    monkeypatch.setattr(SeriesStore, "write", full)
    monkeypatch.setattr(keeping, "STOP_WITHIN_S", 0.3)
    assert asyncio.run(main()) == EXIT_NOT_KEPT


def test_stop_ends_a_run(market: Any, tmp_path: Path) -> None:
    async def main() -> int:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        async with market() as address:
            return await run_config(config(tmp_path, address), stop=stop)

    assert asyncio.run(main()) == EXIT_DONE


@pytest.mark.parametrize(("mode", "ends"), [("websocket", EXIT_GAVE_UP), ("auto", EXIT_DONE)])
def test_connections_that_have_given_up_end_a_run_unless_it_can_be_polled(
    mode: str, ends: int, market: Any, tmp_path: Path
) -> None:
    async def main() -> int:
        settings = ConnectionConfig(reconnect_attempts=2, reconnect_delay_s=0.01, reconnect_delay_max_s=0.01)
        async with market(faults=("refuse@+0s+10m",)) as address:
            asked = config(tmp_path, address, mode=mode)
            asked = Config(
                store=asked.store,
                stream=asked.stream,
                connection=settings,
                sync=SyncConfig(polling_interval_s=1),
                seed=1,
            )
            return await run_config(asked, stop=asyncio.Event(), for_s=8)

    assert asyncio.run(main()) == ends
    with open_store(tmp_path / "store") as held:
        instruments = [each.id for each in held.instruments()]
        polled = list(held.trades(BTC)) if BTC in instruments and mode == "auto" else []
    assert {trade.source for trade in polled} == ({"rest"} if mode == "auto" else set())


def test_a_venue_that_is_not_there_ends_a_run_whose_attempts_are_bounded(
    market: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main(*, beside: bool) -> int:
        settings = ConnectionConfig(reconnect_attempts=2, reconnect_delay_s=0.01, reconnect_delay_max_s=0.01)
        async with market() as address:
            there = config(tmp_path, address)
            away = msgspec.structs.replace(
                there.stream[0], venue="okx", ws_url="ws://127.0.0.1:9", rest_url="http://127.0.0.1:9"
            )
            streams = (away, *there.stream) if beside else (away,)
            asked = msgspec.structs.replace(there, stream=streams, connection=settings)
            return await run_config(asked, stop=asyncio.Event(), for_s=6)

    assert asyncio.run(main(beside=False)) == EXIT_GAVE_UP
    assert "venue given up" in capsys.readouterr().out
    assert asyncio.run(main(beside=True)) == EXIT_DONE, "the others go on"
    with open_store(tmp_path / "store") as held:
        assert list(held.trades(BTC)) != []


def test_what_cannot_run_says_why(market: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with market() as address:
            with pytest.raises(UnknownInstrument, match="did you mean BTC/USDT"):
                await run_config(config(tmp_path, address, symbols=("BTC/USDX",)), stop=asyncio.Event())
            with pytest.raises(ConfigError, match="binance has no channel 'mark'"):
                await run_config(config(tmp_path, address, channels=("mark",)), stop=asyncio.Event())
        with pytest.raises(ConfigError, match=r"add a \[\[stream\]\] table"):
            await run_config(Config(), stop=asyncio.Event())
        with pytest.raises(ConfigError, match=r"set \[store\] path"):
            await run_config(Config(stream=config(tmp_path, "x").stream), stop=asyncio.Event())

    asyncio.run(main())


def test_a_tape_is_kept_only_where_something_needs_it(market: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with market() as address:
            asked = config(tmp_path, address, channels=("trades",))
            store = StoreConfig(path=str(tmp_path / "store"))
            async with start(Config(store=store, stream=asked.stream)) as running:
                await asyncio.sleep(0.2)
                assert running.keeping.tape is None
                assert "tape" not in running.status()

    asyncio.run(main())
    assert not (tmp_path / "store" / "tape").exists()


def test_a_venue_that_cannot_be_reached_holds_up_neither_the_others_nor_the_end(market: Any, tmp_path: Path) -> None:
    async def main() -> int:
        async with market() as address:
            asked = config(tmp_path, address)
            gone = StreamConfig(
                venue="okx", symbols=("BTC/USDT",), channels=("trades",), ws_url="ws://127.0.0.1:1",
                rest_url="http://127.0.0.1:1",
            )  # fmt: skip
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(3.0, stop.set)
            return await run_config(Config(store=asked.store, stream=(gone, *asked.stream)), stop=stop)

    assert asyncio.run(main()) == EXIT_DONE
    with open_store(tmp_path / "store") as held:
        assert len(list(held.trades(BTC))) > 5
    status = json.loads((tmp_path / "store" / "status.json").read_text())
    assert status["problems"]["okx"]["instruments"] >= 1

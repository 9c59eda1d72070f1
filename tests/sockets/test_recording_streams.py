"""Recording over loopback sockets: what is on the tape decodes to what the venue said."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.recording import record_streams
from tapeline.errors import ConfigError, UnknownInstrument
from tapeline.model.event import Trade
from tapeline.store.tape import read_answers, read_tape
from tapeline.store.tape_writer import TapeStatistics
from tapeline.venues import venue_named

pytestmark = pytest.mark.sockets


def test_a_recording_decodes_to_trades_without_a_hole(market: Any, tmp_path: Path) -> None:
    async def main() -> TapeStatistics:
        async with market() as address:
            return await record_streams(
                ["binance:BTC/USDT"], ["trades"], tmp_path, stop=asyncio.Event(), for_s=2.0, ws_url=f"ws://{address}",
                rest_url=f"http://{address}",
            )  # fmt: skip

    taken = asyncio.run(main())
    (path,) = tmp_path.glob("*.ws.jsonl.gz")
    lines = list(read_tape(path))
    assert (len(lines), taken.dropped) == (taken.frames, 0)
    decode = venue_named("binance").decoder("binance", {})
    events = [event for line in lines if line.dir == "in" for event in decode(line.frame, line.at_ns)]
    seqs = [event.seq or 0 for event in events if isinstance(event, Trade)]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert len(seqs) > 5
    (rest,) = tmp_path.glob("*.rest.jsonl.gz")
    assert any("exchangeInfo" in answer.url for answer in read_answers(rest))


def test_bad_names_are_said(market: Any, tmp_path: Path) -> None:
    async def record(name: str, address: str) -> None:
        await record_streams(
            [name], ["trades"], tmp_path, stop=asyncio.Event(), for_s=1.0, ws_url=f"ws://{address}",
            rest_url=f"http://{address}",
        )  # fmt: skip

    async def main() -> None:
        async with market() as address:
            with pytest.raises(ConfigError, match="names no venue: write VENUE:SYMBOL"):
                await record("BTC/USDT", address)
            with pytest.raises(UnknownInstrument):
                await record("binance:NOPE/USDT", address)

    asyncio.run(main())


def test_a_venue_that_does_not_answer_holds_up_neither_a_stop_nor_the_end_of_the_time(tmp_path: Path) -> None:
    async def record(stop: asyncio.Event, for_s: float | None) -> TapeStatistics:
        return await asyncio.wait_for(
            record_streams(
                ["binance:BTC/USDT"], ["trades"], tmp_path, stop=stop, for_s=for_s, ws_url="ws://127.0.0.1:1",
                rest_url="http://127.0.0.1:1",
            ),
            20,
        )  # fmt: skip

    async def main() -> list[TapeStatistics]:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(1.0, stop.set)
        return [await record(stop, None), await record(asyncio.Event(), 1.0)]

    assert [taken.frames for taken in asyncio.run(main())] == [0, 0]

"""The writer on the loop's time: batches by size and by age, a stuck disk, a crash."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import StoreLocked
from tapeline.model.event import Gap, Trade
from tapeline.sim.kept.scribe import STALLED_S, Scribe
from tapeline.sim.loop import VirtualClock, run
from tapeline.store.reader import open_store

BTC = "binance:BTC/USDT"
Story = Callable[[Scribe], Coroutine[Any, Any, None]]


def written(folder: Path) -> list[int | None]:
    with open_store(folder) as store:
        return [trade.seq for trade in store.trades(BTC)] if store.series() else []


def told(folder: Path, story: Story, **settings: Any) -> None:
    async def main() -> None:
        scribe = Scribe(folder, clock=VirtualClock(10**18), **settings)
        scribe.start()
        await story(scribe)

    run(main())


def test_a_batch_is_written_when_it_is_full_or_old(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    async def story(scribe: Scribe) -> None:
        scribe.offer(trade(1))
        assert written(tmp_path) == []
        await asyncio.sleep(9.0)
        assert written(tmp_path) == []
        await asyncio.sleep(2.0)
        assert written(tmp_path) == [1]
        for number in (2, 3, 4):
            scribe.offer(trade(number))
        assert written(tmp_path) == [1, 2, 3, 4], "three are a batch"
        scribe.offer(trade(5))
        assert scribe.flush()
        assert written(tmp_path) == [1, 2, 3, 4, 5]
        scribe.offer(trade(6))
        scribe.stop()
        assert written(tmp_path) == [1, 2, 3, 4, 5, 6]
        scribe.stop()

    told(tmp_path, story, batch_size=3, batch_timeout_s=10.0)


def test_a_crash_loses_what_waits_and_frees_the_folder(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    async def story(scribe: Scribe) -> None:
        scribe.offer(trade(1))
        scribe.flush()
        scribe.offer(trade(2))
        with pytest.raises(StoreLocked):
            Scribe(tmp_path, clock=VirtualClock(1)).start()
        scribe.crash()
        scribe.offer(trade(3))
        await asyncio.sleep(60)
        scribe.stop()
        assert written(tmp_path) == [1]
        again = Scribe(tmp_path, clock=VirtualClock(1))
        again.start()
        again.stop()

    told(tmp_path, story)


def test_while_the_disk_is_stuck_rows_wait_and_the_oldest_go_with_a_gap(
    tmp_path: Path, trade: Callable[..., Trade]
) -> None:
    async def story(scribe: Scribe) -> None:
        scribe.offer(trade(1))
        await asyncio.sleep(1)
        scribe.stalled = True
        for number in range(2, 9):
            scribe.offer(trade(number))
        assert not scribe.flush()
        await asyncio.sleep(60)
        assert written(tmp_path) == [1]
        scribe.stalled = False
        await asyncio.sleep(STALLED_S + 1)
        scribe.stop()
        assert written(tmp_path) == [1, 6, 7, 8]
        with open_store(tmp_path) as store:
            (gap,) = store.gaps()
        assert isinstance(gap, Gap)
        assert (gap.cause, gap.after_seq, gap.before_seq) == ("overflow", 1, 6)

    told(tmp_path, story, batch_size=3, queue_bytes=0, batch_timeout_s=0.5)

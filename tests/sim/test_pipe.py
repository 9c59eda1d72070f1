"""A connection in memory keeps order, tells its end after its last frame, and lets the venue wait."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from tapeline.errors import ConnectionLost
from tapeline.sim.loop import run
from tapeline.sim.pipe import memory_pipe


def check(main: Coroutine[Any, Any, None]) -> None:
    run(main)


def test_frames_both_ways_in_one_batch() -> None:
    async def main() -> None:
        pipe, line = memory_pipe()
        line.write([b"1", b"2"])
        line.write([b"3"])
        assert await pipe.receive() == [b"1", b"2", b"3"]
        await pipe.send(b"a")
        await pipe.send(b"b")
        assert [await line.receive(), await line.receive()] == [b"a", b"b"]
        pipe.wake()
        assert await pipe.receive() == []

    check(main())


@pytest.mark.parametrize("cut", [True, False])
def test_the_end_comes_after_the_last_frame(cut: bool) -> None:
    async def main() -> None:
        pipe, line = memory_pipe()
        line.write([b"last"])
        if cut:
            line.cut(b"half")
        else:
            line.close(1012, "restart")
        line.write([b"never"])
        line.close(1000, "the first reason counts")
        assert await pipe.receive() == [b"last"]
        for action in (pipe.receive, line.receive, lambda: pipe.send(b"x"), pipe.ping):
            with pytest.raises(ConnectionLost) as lost:
                await action()
            assert lost.value.code == (None if cut else 1012)

    check(main())


def test_a_waiting_end_is_told() -> None:
    async def main() -> None:
        pipe, line = memory_pipe()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_raises(line.receive()))
            await asyncio.sleep(1)
            pipe.close()

    check(main())


async def _raises(waiting: Coroutine[Any, Any, Any]) -> None:
    with pytest.raises(ConnectionLost):
        await waiting


def test_the_venue_waits_for_a_slow_reader() -> None:
    async def main() -> None:
        pipe, line = memory_pipe(high_frames=2)
        await line.drain()
        line.write([b"1", b"2"])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.drain(), 30)
        await pipe.receive()
        await line.drain()
        line.write([b"1", b"2"])
        pipe.close()
        await line.drain()

    check(main())


def test_mute() -> None:
    async def main() -> None:
        pipe, line = memory_pipe()
        line.mute(True)
        line.write([b"1"])
        await pipe.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pipe.receive(), 30)
        line.mute(False)
        await pipe.ping()
        assert await pipe.receive() == []

    check(main())


def test_a_client_that_waits_takes_frames_in_the_venues_own_call() -> None:
    async def main() -> None:
        pipe, line = memory_pipe()
        line.write([b"before"])
        taken: list[bytes] = []

        def at_once(frames: Sequence[bytes]) -> bool:
            taken.extend(frames)
            return frames[-1] == b"enough"

        assert await pipe.receive(at_once) == [b"before"]
        waiting = asyncio.create_task(pipe.receive(at_once))
        await asyncio.sleep(0)
        line.write([b"1", b"2"])
        assert taken == [b"1", b"2"]
        line.write([b"enough"])
        line.write([b"after"])
        assert await waiting == [b"after"], "what comes once it was told to return waits in order"
        assert taken == [b"1", b"2", b"enough"]

    check(main())

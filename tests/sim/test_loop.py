"""Virtual time jumps, keeps order, waits for threads, and says when nothing can ever wake."""

import asyncio
import selectors
import socket
import threading
import time
from typing import Any

import pytest

from tapeline.errors import Broken
from tapeline.sim import loop as virtual


async def _beats() -> list[tuple[str, float]]:
    seen = []

    async def beat(name: str, every_s: float) -> None:
        for _ in range(3):
            await asyncio.sleep(every_s)
            seen.append((name, asyncio.get_running_loop().time()))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(beat("a", 3600))
        tasks.create_task(beat("b", 1000))
    return seen


def test_time_jumps_to_the_next_timer_in_order() -> None:
    began = time.perf_counter()
    seen = virtual.run(_beats())
    assert seen == [("b", 1000.0), ("b", 2000.0), ("b", 3000.0), ("a", 3600.0), ("a", 7200.0), ("a", 10800.0)]
    assert time.perf_counter() - began < 5
    assert virtual.run(_beats()) == seen


def test_deadlines_run_out() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(86_400):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) == 86_400.0


def test_many_small_steps_end_after_a_year() -> None:
    async def main() -> float:
        await asyncio.sleep(365 * 86_400)
        for _ in range(100):
            await asyncio.sleep(0.1)
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) == pytest.approx(365 * 86_400 + 10, abs=1e-3)


def test_nothing_can_ever_wake() -> None:
    async def main() -> None:
        asyncio.current_task().set_name("the lonely one")  # type: ignore[union-attr]  # there is a current task
        await asyncio.Event().wait()

    with pytest.raises(Broken, match="nothing can ever wake: the lonely one wait"):
        virtual.run(main())


def _slow_answer() -> str:
    time.sleep(0.01)
    return "done"


def test_a_thread_that_answers_holds_time() -> None:
    async def main() -> tuple[str, float]:
        timer = asyncio.get_running_loop().call_later(1000, lambda: None)
        answer = await asyncio.to_thread(_slow_answer)
        timer.cancel()
        return answer, asyncio.get_running_loop().time()

    assert virtual.run(main()) == ("done", 0.0)


def test_call_soon_threadsafe_wakes_the_loop() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        woken = asyncio.Event()
        with loop.outside():
            thread = threading.Timer(0.01, lambda: loop.call_soon_threadsafe(woken.set))
            thread.start()
            await asyncio.sleep(0)
            await woken.wait()
        thread.join()
        return loop.time()

    assert virtual.run(main()) == 0.0


def test_an_unannounced_thread_gets_a_moment() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        thread = threading.Timer(0.01, lambda: loop.call_soon_threadsafe(woken.set))
        thread.start()
        await woken.wait()
        thread.join()

    virtual.run(main())


def test_a_thread_that_rings_and_ends_while_nothing_is_heard_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = selectors.DefaultSelector.select
    go = threading.Event()

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def ring() -> None:
            go.wait(10)
            loop.call_soon_threadsafe(woken.set)

        thread = threading.Thread(target=ring)

        def ends_after(selector: selectors.DefaultSelector, timeout: float | None = None) -> Any:
            heard = rest(selector, timeout)
            if not heard and not go.is_set():
                go.set()
                thread.join()
            return heard

        monkeypatch.setattr(selectors.DefaultSelector, "select", ends_after)
        thread.start()
        return await woken.wait()

    assert virtual.run(main())


def test_a_thread_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "OUTSIDE_S", 0.01)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        with loop.outside():
            await asyncio.Event().wait()

    with pytest.raises(Broken, match="a thread that did not answer"):
        virtual.run(main())


def test_the_clock_follows_the_loop_and_can_be_set_off() -> None:
    async def main() -> list[tuple[int, float]]:
        clock = virtual.VirtualClock(1_700_000_000_000_000_000)
        seen = [(clock.wall_ns(), clock.now())]
        await asyncio.sleep(1.5)
        seen.append((clock.wall_ns(), clock.now()))
        clock.step(-3600)
        return [*seen, (clock.wall_ns(), clock.now())]

    assert virtual.run(main()) == [
        (1_700_000_000_000_000_000, 0.0),
        (1_700_000_001_500_000_000, 1.5),
        (1_699_996_401_500_000_000, 1.5),
    ]


def test_a_socket_is_heard_though_timers_are_set() -> None:
    async def main() -> tuple[bytes, float]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.sendall(b"news")
            loop = asyncio.get_running_loop()
            timer = loop.call_later(3600, ours.close)
            heard = await loop.sock_recv(ours, 10)
            timer.cancel()
            reading: asyncio.Future[None] = loop.create_future()
            loop.add_reader(ours, reading.set_result, None)
            theirs.sendall(b"more")
            await asyncio.wait_for(reading, 60)
            loop.remove_reader(ours)
            return heard, loop.time()

    assert virtual.run(main()) == (b"news", 0.0)


def test_a_clock_serves_one_loop_after_another() -> None:
    clock = virtual.VirtualClock(0)

    async def main(s: float) -> float:
        await asyncio.sleep(s)
        return clock.now()

    assert [virtual.run(main(5.0)), virtual.run(main(3.0))] == [5.0, 3.0]

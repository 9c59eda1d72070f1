"""Virtual time: an event loop whose time jumps to the next timer, so that days of sleeps and deadlines take seconds."""

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar

from tapeline.errors import Broken

T = TypeVar("T")
OUTSIDE_S = 60.0  # how long, in real seconds, a thread may take to answer while virtual time waits for it
GRACE_S = 10.0  # the same where nobody said that a thread is at work, but one exists


class _Jump(selectors.DefaultSelector):
    """A selector that never sleeps: where nothing is ready it moves the loop's time instead."""

    virtual: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # A day goes round the loop some ten thousand times, and would ask the system each time: not where no socket but
        # the loop's own is there. What a thread wants is in the loop's queue before it rings, and where none is at work
        # nobody can.
        if timeout is not None and len(self.get_map()) == 1:
            if timeout == 0:
                return []
            if not self.virtual.outside_jobs and threading.active_count() == 1:
                self.virtual.jump(timeout)
                return []
        threads = threading.active_count() > 1  # asked before the bell is: one that ends in between has rung it
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.virtual.outside_jobs:
            ready = super().select(OUTSIDE_S)
            if not ready:
                raise Broken(f"virtual time waited {OUTSIDE_S:g} real seconds for a thread that did not answer")
            return ready
        if timeout is not None:
            self.virtual.jump(timeout)
            return []
        if threads:
            ready = super().select(GRACE_S)
        if not ready:
            raise Broken(f"nothing can ever wake: {self.virtual.who_waits()}")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time starts at 0 and moves only when every task waits. Work in threads holds it (`outside`)."""

    def __init__(self) -> None:
        self.outside_jobs = 0
        self._virtual_now = 0.0
        selector = _Jump()
        selector.virtual = self
        super().__init__(selector)
        # asyncio runs a timer once its time is before now + resolution; at a year of seconds a float is 4 ns wide, so
        # that the machine's 1 ns would vanish in the sum and the timer would never be due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_now

    def jump(self, by_s: float) -> None:
        """Move time forward."""
        assert by_s >= 0, f"time cannot go back by {-by_s} s"
        self._virtual_now += by_s

    @contextmanager
    def outside(self) -> Iterator[None]:
        """While inside, something outside the loop (a thread) is about to answer: time does not jump."""
        self.outside_jobs += 1
        try:
            yield
        finally:
            self.outside_jobs -= 1

    def run_in_executor(  # type: ignore[override]  # typeshed's variadic signature, without its variables
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """As asyncio's; time stands still until the job is done."""
        future = super().run_in_executor(executor, func, *args)
        self.outside_jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def who_waits(self) -> str:
        """The names of the tasks that wait, for the message."""
        names = sorted(task.get_name() for task in asyncio.all_tasks(self) if not task.done())
        return ", ".join(names) + " wait and no timer is set"

    def _job_done(self, _future: Any) -> None:
        self.outside_jobs -= 1


class AloneLoop(VirtualLoop):
    """The same, without any thread: what would go to one is done at once, so that nothing is left to chance."""

    def run_in_executor(  # type: ignore[override]  # as above
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Done when it returns."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # whatever it raises is for whoever waits
            future.set_exception(error)
        return future


class VirtualClock:
    """A `Clock` over the running virtual loop. The wall clock starts at `start_ns`; `step` sets it off."""

    def __init__(self, start_ns: int) -> None:
        self._wall_at_zero_ns = start_ns
        self._loop: asyncio.AbstractEventLoop | None = None  # the one that was running when it was asked last

    def wall_ns(self) -> int:
        """UTC nanoseconds."""
        return self._wall_at_zero_ns + round(self.now() * 1e9)

    def now(self) -> float:
        """The loop's seconds; monotonic."""
        loop = self._loop
        if loop is None or not loop.is_running():  # to ask for the running one is a call of the system, each time
            loop = self._loop = asyncio.get_running_loop()
        return loop.time()

    def step(self, by_s: float) -> None:
        """Someone sets the machine's clock, forwards or backwards."""
        self._wall_at_zero_ns += round(by_s * 1e9)


def run(main: Coroutine[Any, Any, T], loop: Callable[[], VirtualLoop] = VirtualLoop) -> T:
    """Run to the end in virtual time; the same program gives the same result every time.

    Raises Broken where every task waits, no timer is set and no thread is at work.
    """
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)

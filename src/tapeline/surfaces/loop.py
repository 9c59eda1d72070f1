"""Run a coroutine on the fastest loop there is until it is told to end: SIGINT and SIGTERM ask, they do not kill."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_until_signalled(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run `main(stop)`; `stop` is set by the first SIGINT or SIGTERM."""

    async def guarded() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows loops take no signal handlers
                loop.add_signal_handler(number, stop.set)
        return await main(stop)

    try:
        import uvloop  # noqa: PLC0415  # an extra: used where it is installed
    except ImportError:
        return asyncio.run(guarded())
    return uvloop.run(guarded())  # type: ignore[no-any-return]  # uvloop is untyped where it is not installed


def a_while(_kind: object, seconds: float | None) -> None:
    """Refuse what `--for` cannot mean: without it a command goes on until it is stopped."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ValueError(
            f"{seconds:g} s is no time to run for: say more than 0, or leave it out to go on until stopped"
        )

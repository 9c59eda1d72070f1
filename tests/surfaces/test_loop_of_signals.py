import asyncio
import os
import signal
import sys
from types import ModuleType

import pytest

from tapeline.surfaces.loop import run_until_signalled


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_and_does_not_kill(number: signal.Signals) -> None:
    async def main(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 30)
        return "ended by itself"

    assert run_until_signalled(main) == "ended by itself"


def test_uvloop_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    fake = ModuleType("uvloop")

    def run(main: object) -> object:
        used.append("uvloop")
        return asyncio.run(main)  # type: ignore[arg-type]  # a coroutine

    fake.run = run  # type: ignore[attr-defined]  # a stand-in for an extra that is not installed here
    monkeypatch.setitem(sys.modules, "uvloop", fake)

    async def main(_stop: asyncio.Event) -> int:
        return 7

    assert run_until_signalled(main) == 7
    assert used == ["uvloop"]


def test_without_it_asyncio_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    async def main(_stop: asyncio.Event) -> int:
        return 8

    assert run_until_signalled(main) == 8

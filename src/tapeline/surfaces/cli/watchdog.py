"""`tapeline watchdog`: a process beside the engine, which halts its accounts when it hangs or dies."""

import asyncio
import contextlib
import os
import random
import sys
from pathlib import Path
from typing import Annotated

import structlog
from cyclopts import Parameter

from tapeline.app.settings import reaches
from tapeline.clock import SystemClock
from tapeline.config import Config
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import run_until_signalled
from tapeline.surfaces.options import configured, store_of
from tapeline.watch.emergency import Emergency
from tapeline.watch.minimal import accounts_of, hand_of, with_paper
from tapeline.watch.report import Report
from tapeline.watch.watchdog import Watchdog
from tapeline.wire.rest import real_fetch

_log = structlog.get_logger("tapeline.watchdog")


def watchdog(
    *,
    config: Annotated[Path | None, Parameter(help="The configuration the engine runs with.")] = None,
    store: Annotated[Path | None, Parameter(help="The store the engine trades from.")] = None,
    flatten: Annotated[
        bool | None, Parameter(help="Close positions too. Left out: `[watch] watchdog_flatten`.")
    ] = None,
) -> None:
    """Watch an engine's heartbeat, and halt its accounts when it stops: cancel, verify, close where told, report.

    It is a process of its own, with its own connection to the venues and no engine in it: run it beside `tapeline
    trade`, under a supervisor that starts it again. It waits for an engine, watches it, acts once where the engine
    hangs or is gone without having ended in order, and waits for the next one. Keys are looked for at the start.

    Exit codes: 0 ended by a signal; 2 bad usage or configuration, or a key is missing.

    Example: `tapeline watchdog --config trade.toml`
    """
    settings = with_paper(configured(config, store))
    configure_logging(settings.log)
    folder = store_of(settings)
    closes = settings.watch.watchdog_flatten if flatten is None else flatten
    run_until_signalled(lambda stop: _watch(settings, folder, closes=closes, stop=stop))


async def _watch(settings: Config, folder: Path, *, closes: bool, stop: asyncio.Event) -> None:
    fetch, client = real_fetch(reaches=reaches(settings))
    clock = SystemClock()
    names = list(accounts_of(settings, None))
    emergency = Emergency(
        config=settings, fetch=fetch, clock=clock, environ=os.environ, chance=random.random,
        say=_log.warning,
    )  # fmt: skip

    async def act(why: str) -> list[Report]:
        return await emergency.stop(names, flatten=closes, who="watchdog", why=why)

    watching = Watchdog(folder=folder, limit_s=settings.watch.watchdog_s, clock=clock, act=act, told=_tell)
    try:
        for name in names:
            if settings.account[name].mode == "live":  # a key that is missing is told now, not when it is needed
                hand_of(name, settings, fetch=fetch, clock=clock, environ=os.environ, chance=random.random)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(watching.run(), name="watchdog")
            await stop.wait()
            task.cancel()
    finally:
        with contextlib.suppress(OSError):
            await client.aclose()


def _tell(reports: list[Report]) -> None:
    for report in reports:
        sys.stdout.writelines(f"{line}\n" for line in report.lines())
    sys.stdout.flush()

"""An audit beside a running instance, in virtual time: what its tests share."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from repair_fixtures import Scene, Theatre, played
from tapeline.app.audit.auditing import Auditor, AuditStatistics
from tapeline.config import AuditConfig

BTC = "binance:BTC/USDT"
OFTEN = AuditConfig(calls_per_hour=120)
Watch = Callable[[Theatre, Scene, Auditor], Awaitable[None]]


def audited(
    folder: Path, watch: Watch, *channels: str, symbol: str = "BTC/USDT", settings: AuditConfig | None = None,
    **options: Any,
) -> AuditStatistics:  # fmt: skip
    """A run with an audit beside it; what it counted in the end."""
    found: list[AuditStatistics] = []

    async def act(on: Theatre) -> None:
        async def play(scene: Scene) -> None:
            async def away(work: Callable[[], Any]) -> Any:
                return work()

            auditor = Auditor(
                scene.instance, scene.ledger, scene.repairer._writer, on.folder,
                settings=settings or AuditConfig(calls_per_hour=12), clock=on.clock, away=away,
            )  # fmt: skip
            running = asyncio.create_task(auditor.run())
            await watch(on, scene, auditor)
            running.cancel()
            found.append(auditor.statistics())

        await on.run(play, *channels, symbols=(symbol,))

    played(folder, act, **options)
    return found[0]


async def some_time(_on: Theatre, _scene: Scene, _auditor: Auditor) -> None:
    await asyncio.sleep(200)

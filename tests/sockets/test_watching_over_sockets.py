"""What a trading run measures of itself, what it tells, and what it asks for."""

import asyncio
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.trade.trading import Trading, trading
from tapeline.app.trade.watching import Watching
from tapeline.clock import SystemClock
from tapeline.config import Config, StoreConfig, StrategyConfig, TradeConfig, VenueConfig
from tapeline.config.risk import RiskConfig
from tapeline.config.watch import WatchConfig
from tapeline.model.account import OrderUpdate
from tapeline.store.latch import HaltLatch
from tapeline.trading.input import Failed, Healthy
from tapeline.trading.strategy import Strategy

D = Decimal
BTC = "binance:BTC/USDT"
pytestmark = pytest.mark.sockets


class Listening(Strategy):
    """Hears of health, and of quotes."""

    instruments = (BTC,)
    channels = ("quotes",)

    def on_start(self) -> None:
        self.heard: list[Healthy] = []

    def on_health(self, health: Healthy) -> None:
        self.heard.append(health)


async def until(found: Any, within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not found():  # noqa: ASYNC110  # many things are waited for, and few of them have an event
            await asyncio.sleep(0.05)


def update(state: str) -> OrderUpdate:
    return OrderUpdate(BTC, "orders", 1, 1, "paper", "binance", client_id="x", venue_id="1", state=state)


def heard(run: Trading) -> list[tuple[str, str]]:
    strategy = run.engine.seats["Listening"].strategy
    return [(each.check, each.state) for each in getattr(strategy, "heard", [])]


def test_a_run_beats_watches_itself_and_halts_where_it_is_told_to(market: Any, tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    latch = HaltLatch("binance", "paper", environ, SystemClock())

    async def main() -> None:
        async with market() as address:
            config = Config(
                store=StoreConfig(path=str(tmp_path / "store"), tape=False),
                venue={"binance": VenueConfig(ws_url=f"ws://{address}", rest_url=f"http://{address}")},
                strategy=(StrategyConfig(run=f"{__file__}:Listening"),), risk=RiskConfig(),
                watch=WatchConfig(rejects_in_row=3, loop_lag_s=5.0, heartbeat_s=0.5), trade=TradeConfig(), seed=1,
            )  # fmt: skip
            async with trading(config, environ=environ) as run:
                await until(lambda: run.running.status()["checks"])
                await until((tmp_path / "store" / "heartbeat.json").is_file)
                await until(lambda: "clock" in {row["check"] for row in watched(run)})
                assert {row["check"] for row in watched(run)} >= {
                    "loop_lag",
                    "queue_age",
                    "feed",
                    "store",
                    "reconnects",
                }
                assert next(row["subject"] for row in watched(run) if row["check"] == "feed") == BTC
                await refuses(run)
                await accounts(run)
                await run.stop(5.0)

    def watched(run: Trading) -> list[dict[str, Any]]:
        return run.watching.statistics()

    async def refuses(run: Trading) -> None:
        """Three refusals in a row halt the account; what is taken between them starts the count anew."""
        for state in ("rejected", "rejected", "open", "rejected", "rejected"):
            run.watching.heard(update(state))
        run.watching.heard(Failed("unknown", "submit", "refused", 1))
        await asyncio.sleep(1.5)
        assert latch.state == "running"
        run.watching.heard(update("rejected"))
        await until(lambda: latch.state == "halted")
        assert "rejects: 3 orders in a row were refused" in latch.read().why
        await until(lambda: ("rejects", "fail") in heard(run))
        await until(lambda: ("halt", "fail") in heard(run))

    async def accounts(run: Trading) -> None:
        """What reconciliation says is watched too."""
        run.watching.reconciled_at["binance"] = SystemClock().now() - 10_000
        run.watching.unexplained["binance"] = "0.1 BTC"
        await until(lambda: ("mismatch", "fail") in heard(run))
        await until(lambda: ("reconciliation_age", "fail") in heard(run))

    asyncio.run(main())
    beat = json.loads((tmp_path / "store" / "heartbeat.json").read_bytes())
    assert (beat["ended"], beat["accounts"]) == (True, ["binance"])


def test_a_clock_that_is_set_is_seen(market: Any, tmp_path: Path) -> None:
    class Stepped(SystemClock):
        by_ns = 0

        def wall_ns(self) -> int:
            return SystemClock.wall_ns() + self.by_ns

    async def main() -> None:
        async with market() as address:
            config = Config(
                store=StoreConfig(path=str(tmp_path / "store"), tape=False),
                venue={"binance": VenueConfig(ws_url=f"ws://{address}", rest_url=f"http://{address}")},
                strategy=(StrategyConfig(run=f"{__file__}:Listening"),), trade=TradeConfig(), seed=1,
            )  # fmt: skip
            environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
            async with trading(config, environ=environ) as run:
                clock = Stepped()
                own: Watching = run.watching
                own._clock = clock
                await until(lambda: "clock" in {row["check"] for row in own.statistics()})
                clock.by_ns = 5 * 10**9
                await until(lambda: ("clock", "fail") in heard(run))
                found = next(row for row in own.statistics() if row["check"] == "clock")
                assert 4.9 < found["value"] < 5.1
                await run.stop(5.0)

    asyncio.run(main())

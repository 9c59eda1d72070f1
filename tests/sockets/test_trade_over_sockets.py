"""Strategies on paper over real sockets: an example whole, a restart in the middle, a stop that is sure."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.app.trade.trading import Trading, run_trading, trading
from tapeline.clock import SystemClock
from tapeline.config import AccountConfig, Config, Secret, StoreConfig, StrategyConfig, TradeConfig, VenueConfig
from tapeline.config.risk import RiskConfig
from tapeline.errors import ConfigError, StoreLocked
from tapeline.model.event import Trade
from tapeline.model.order import Intent
from tapeline.store.journal import Journal
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Submit
from tapeline.trading.record import Submitted
from tapeline.trading.risk.check import Approved, approve_flatten
from tapeline.trading.strategy import Strategy

EXAMPLES = Path(__file__).parents[2] / "examples"
BTC = "binance:BTC/USDT"
pytestmark = pytest.mark.sockets


class Resting(Strategy):
    """Buys once at the market, and rests one order far away."""

    instruments = (BTC,)
    channels = ("trades",)

    def on_trade(self, trade: Trade) -> None:
        if not self.position(BTC) and not self.orders():
            self.buy(BTC, "0.01")
            self.buy(BTC, "0.01", price=trade.price * Decimal("0.97"))


def config(folder: Path, address: str, run: str, **settings: Any) -> Config:
    return Config(
        store=StoreConfig(path=str(folder / "store"), tape=False, batch_timeout_s=0.05),
        venue={"binance": VenueConfig(ws_url=f"ws://{address}", rest_url=f"http://{address}")},
        strategy=(StrategyConfig(run=run, settings=settings),),
        risk=RiskConfig(wait_after_repair_s=0.0),
        trade=TradeConfig(balances={"USDT": Decimal(10_000)}, send_ms=1.0, answer_ms=1.0, stop_within_s=5.0),
        seed=1,
    )


async def until(found: Any, within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not found():  # noqa: ASYNC110  # many things are waited for, and few of them have an event
            await asyncio.sleep(0.05)


def test_the_first_example_runs_from_signal_to_fill_to_a_clean_stop(market: Any, rising: int, tmp_path: Path) -> None:
    seen: list[Trading] = []

    async def main() -> int:
        async with market(seed=rising) as address:
            asked = config(
                tmp_path, address, f"{EXAMPLES}/ma_cross.py:MovingAverageCross", fast=1, slow=2,
                channels=("trades", "bars:1s@trades"),
            )  # fmt: skip
            stop = asyncio.Event()
            running = asyncio.create_task(run_trading(asked, stop=stop, environ=os.environ, told=seen.append))
            await until(lambda: seen or running.done())
            await until(lambda: seen[0].engine.seats["MovingAverageCross"].strategy.position(BTC) > 0)
            status = seen[0].running.status()["trading"]
            assert status["accounts"][0]["account"] == "binance"
            (told,) = status["strategies"]
            assert (told["strategy"], told["paused"], told["failures"]) == ("MovingAverageCross", "", 0)
            assert told["positions"] == {f"binance {BTC} net": status["accounts"][0]["positions"][f"{BTC} net"]}
            stop.set()
            return await running

    assert asyncio.run(main()) == 0
    journal = Journal(tmp_path / "store")
    kinds = [type(entry.record).__name__ for entry in journal.replay()]
    journal.close()
    assert kinds.index("Submitted") < kinds.index("Sent") < kinds.index("Fill"), "journal first"
    assert seen[0].left == []


def test_a_restart_goes_on_with_the_position_and_buys_nothing_twice(market: Any, tmp_path: Path) -> None:
    async def main() -> list[str]:
        digests = []
        async with market() as address:
            asked = config(tmp_path, address, f"{__file__}:Resting")
            async with trading(asked, environ=os.environ) as run:
                await until(lambda: run.engine.seats["Resting"].strategy.position(BTC) > 0)
                await until(lambda: any(each.state == "open" for each in run.engine.situation.blotter.live()))
                with pytest.raises(StoreLocked):
                    await trading(asked, environ=os.environ).__aenter__()
                digests.append(run.engine.digest)
            # It ended without a stop, as a crash would: one order rested.
            async with trading(asked, environ=os.environ) as run:
                assert run.journal.restored.problems == []
                strategy = run.engine.seats["Resting"].strategy
                assert strategy.position(BTC) == Decimal("0.00999")
                await until(lambda: run.execution.statistics().events > 20)
                assert [each.state for each in run.engine.situation.blotter.live()] == []
                digests.append(run.engine.digest)
                await run.stop(5.0)
                assert run.left == []
        return digests

    before, after = asyncio.run(main())
    assert before == after != "", "nothing was decided after the restart: it held what it wanted"
    journal = Journal(tmp_path / "store")
    submitted = [entry for entry in journal.replay() if isinstance(entry.record, Submitted)]
    journal.close()
    assert len(submitted) == 2


def test_a_halt_from_outside_cancels_all_and_nothing_passes_any_more(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    async def main() -> None:
        async with market() as address:
            asked = config(tmp_path, address, f"{__file__}:Resting")
            async with trading(asked, environ=os.environ) as run:
                await until(lambda: any(each.state == "open" for each in run.engine.situation.blotter.live()))
                HaltLatch("binance", "paper", os.environ, SystemClock()).worsen("halted", who="ann", why="odd")
                await until(lambda: run.engine.halt("binance") == "halted")
                await until(lambda: not run.engine.situation.blotter.live())
                assert run.running.status()["trading"]["accounts"][0]["state"] == "halted"
                seat = run.engine.seats["Resting"]
                assert seat.strategy.buy(BTC, "0.01").state == "withdrawn"
            async with trading(asked, environ=os.environ) as run:
                assert run.engine.halt("binance") == "halted", "a restart comes back in the state it left"
            HaltLatch("binance", "paper", os.environ, SystemClock()).resume(who="ann", why="it was nothing")
            for known in ("halted", "running"):
                async with trading(asked, environ=os.environ) as run:
                    assert run.engine.halt("binance") == "running"
                    assert run.journal.restored.halts["binance"] == known, "the journal hears of it at the start"
                    await until(lambda: run.journal.statistics().records)

    asyncio.run(main())


def test_what_is_wrong_with_the_configuration_is_said_before_anything_starts() -> None:
    async def begin(asked: Config) -> None:
        async with trading(asked, environ=os.environ):
            pass

    with pytest.raises(ConfigError, match="nothing to run"):
        asyncio.run(begin(Config()))
    bare = Config(strategy=(StrategyConfig(run=f"{__file__}:Resting"),))
    with pytest.raises(ConfigError, match="no store"):
        asyncio.run(begin(bare))


def test_a_live_run_does_not_go_on_from_a_paper_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.belong(["main"], "paper")
    journal.close()
    asked = Config(
        store=StoreConfig(path=str(tmp_path), tape=False), strategy=(StrategyConfig(run=f"{__file__}:Resting"),),
        account={"main": AccountConfig(venue="binance", mode="live", key=Secret("k"), secret=Secret("s"))},
    )  # fmt: skip

    async def begin() -> None:
        async with trading(asked, environ={}, live=True):
            pass

    with pytest.raises(ConfigError, match=r"the journal in .* is of its paper runs"):
        asyncio.run(begin())
    assert not (tmp_path / "status.json").exists(), "nothing has been started"


def test_a_venue_that_does_not_answer_holds_up_neither_a_stop_nor_the_end_of_the_time(tmp_path: Path) -> None:
    async def main() -> list[int]:
        asked, stop = config(tmp_path, "127.0.0.1:1", f"{__file__}:Resting"), asyncio.Event()
        asyncio.get_running_loop().call_later(1.0, stop.set)
        return [
            await asyncio.wait_for(run_trading(asked, stop=stop, environ={}), 20),
            await asyncio.wait_for(run_trading(asked, stop=asyncio.Event(), environ={}, for_s=0.5), 20),
        ]

    assert asyncio.run(main()) == [0, 0], "both ended, and nothing had been sent"


def test_a_live_run_that_ends_before_its_venue_answers_says_what_the_run_before_left_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = msgspec.structs.replace(
        config(tmp_path, "127.0.0.1:1", f"{__file__}:Resting"),
        account={"main": AccountConfig(venue="binance", mode="live", key=Secret("k"), secret=Secret("s"))},
    )
    journal = Journal(tmp_path / "store")
    journal.belong(["main"], "live")
    wanted = Intent(
        instrument=BTC, side="buy", kind="limit", size=Decimal("0.01"), price=Decimal(50_000), account="main",
        strategy="Resting",
    )  # fmt: skip
    order = approve_flatten(wanted, Decimal("-0.01"), client_id="left-1")
    assert isinstance(order, Approved)
    journal.append([Submit(order)], 1)
    journal.close()
    code = asyncio.run(asyncio.wait_for(run_trading(asked, stop=asyncio.Event(), environ={}, for_s=0.5, live=True), 20))
    assert code == 1, "it is not certain of that order"
    said = capsys.readouterr().out
    assert "an order may still be open" in said
    assert "left-1" in said


def test_the_command_stops_at_sigint_with_its_orders_cancelled(market: Any, tmp_path: Path) -> None:
    async def main() -> tuple[int, str]:
        async with market() as address:
            path = tmp_path / "tapeline.toml"
            path.write_text(
                f"""
                [store]
                path = "{tmp_path}/store"
                [venue.binance]
                ws_url = "ws://{address}"
                rest_url = "http://{address}"
                [[strategy]]
                run = "{__file__}:Resting"
                """
            )
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tapeline.surfaces.cli", "trade", "--paper", "--config", str(path),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            first = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
            await asyncio.sleep(4)
            process.send_signal(signal.SIGINT)
            await asyncio.wait_for(process.wait(), 30)
            return process.returncode or 0, first

    began = time.monotonic()
    code, first = asyncio.run(main())
    assert (code, first) == (0, "trading on paper: Resting, with binance\n")
    assert time.monotonic() - began < 60

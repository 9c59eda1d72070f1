"""A person's word to a running engine, by the command line: pause, claim, limits, what differs accepted."""

import asyncio
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.trade.trading import Trading, trading
from tapeline.clock import SystemClock
from tapeline.config import load
from tapeline.errors import ConfigError, ConnectionLost, Refused
from tapeline.model.order import Intent
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.server import serving
from tapeline.sim.venue import SimulatedVenue
from tapeline.surfaces.cli.operate import operate
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.strategy import Strategy
from tapeline.venues import venue_named

pytestmark = pytest.mark.sockets

KEY = Key(key="key-of-an-account-operated", secret="secret-of-an-account-operated", account="paper")
BTC = "binance:BTC/USDT"


class Idle(Strategy):
    """Watches, and does nothing."""

    instruments = (BTC,)
    channels = ("trades",)


def configured(folder: Path, address: str, *, limits: str = "max_open_orders = 5") -> Path:
    path = folder / "trade.toml"
    path.write_text(
        f"""
        seed = 1
        [store]
        path = "{folder / "store"}"
        tape = false
        [venue.binance]
        ws_url = "ws://{address}"
        rest_url = "http://{address}"
        [account.mine]
        venue = "binance"
        mode = "live"
        key = "{KEY.key}"
        secret = "{KEY.secret}"
        [[strategy]]
        run = "{__file__}:Idle"
        [trade]
        ready_s = 20
        [risk]
        {limits}
        """
    )
    return path


def play(story: Callable[[Trading, Exchange, Path], Any], folder: Path) -> None:
    async def main() -> None:
        venue = venue_named("binance")
        settings = PaperSettings(keys=(KEY,), balances={"USDT": Decimal(1000)})
        sim = SimulatedVenue(venue, Market(venue, 7, SystemClock.wall_ns()), clock=SystemClock(), paper=settings)
        assert sim.paper is not None
        async with serving(sim) as port:
            path = configured(folder, f"127.0.0.1:{port}")
            async with trading(load(path, {}), environ=os.environ, folder=folder, live=True) as run:
                await story(run, sim.paper.exchange, path)
                await run.stop(5.0)

    asyncio.run(main())


async def said(action: Any, value: str = "", **named: Any) -> None:
    await asyncio.to_thread(operate, action, value, **named)


def rewritten(path: Path, before: str, after: str) -> None:
    path.write_text(path.read_text().replace(before, after))


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the command said: the rest is the log."""
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("20")]


def ours(run: Trading, currency: str) -> Decimal:
    return run.engine.situation.ledger.balance("mine", currency)


def test_a_strategy_is_paused_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(run: Trading, _exchange: Exchange, path: Path) -> None:
        await said("pause", "Idle", config=path, who="Ann", why="the spread is wrong")
        await run.execution.settled()
        assert run.engine.seats["Idle"].paused == "Ann: the spread is wrong"
        await said("unpause", "Idle", config=path, who="Ann", why="it is right again")
        await run.execution.settled()
        assert run.engine.seats["Idle"].paused == ""
        with pytest.raises(Refused, match="there is no strategy 'Busy': Idle"):
            await said("pause", "Busy", config=path, who="Ann", why="a slip")
        with pytest.raises(Refused, match="say who you are and why"):
            await said("pause", "Idle", config=path, who="health", why="a component is no person")

    play(story, tmp_path)
    assert lines(capsys) == ["pause: taken", "unpause: taken"]


def test_limits_are_tightened_at_once_and_loosened_on_confirmation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def story(run: Trading, _exchange: Exchange, path: Path) -> None:
        def most() -> int | None:
            return run.engine.situation.risk.limits.now.every.max_open_orders

        rewritten(path, "max_open_orders = 5", "max_open_orders = 2")
        await said("limits", config=path, who="Ann", why="a wild day")
        await run.execution.settled()
        assert most() == 2
        rewritten(path, "max_open_orders = 2", "max_open_orders = 9")
        await said("limits", config=path, who="Ann", why="a calm day")
        await run.execution.settled()
        assert most() == 2
        await said("confirm", config=path, who="Bob", why="yes")
        await run.execution.settled()
        assert most() == 9

    play(story, tmp_path)
    assert lines(capsys) == [
        "limits: taken", "  risk.max_open_orders: 5 -> 2",
        "limits: taken", "  risk.max_open_orders: 2 -> 9: looser, it waits for confirm",
        "confirm: taken", "  risk.max_open_orders: 2 -> 9",
    ]  # fmt: skip


def test_what_others_did_is_shown_accepted_and_claimed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(run: Trading, exchange: Exchange, path: Path) -> None:
        exchange.account("paper").wallets["USDT"].total += Decimal(5)  # money from nowhere
        now_ns = SystemClock.wall_ns()
        low = Intent(
            instrument=BTC, side="buy", kind="limit", size=Decimal("0.01"), price=Decimal(1000), account="paper"
        )
        exchange.place("paper", "web_1", low, now_ns)
        await said("reconcile", config=path)
        assert ours(run, "USDT") == 1005
        shown = lines(capsys)
        assert shown[0] == "compared, 2 adjustments so far"
        assert shown[1].startswith("unexplained: USDT: ours 1000, the venue's 1005: ")
        [name] = [line.removeprefix("of other origin, left alone: ") for line in shown if "other origin" in line]

        await said("accept", config=path, who="Ann", why="a gift")
        assert not any("unexplained" in line for line in lines(capsys))
        await run.execution.settled()
        await said("claim", name, config=path, who="Ann", why="it is mine")
        await run.execution.settled()
        assert [each.venue_id for each in run.engine.situation.blotter.live("mine") if each.claimed] == [
            name.split()[1]
        ]
        with pytest.raises(Refused, match="no order of other origin"):
            await said("claim", name, config=path, who="Ann", why="again")

    play(story, tmp_path)


def test_where_nothing_runs_it_says_so(tmp_path: Path) -> None:
    path = configured(tmp_path, "127.0.0.1:1")
    with pytest.raises(ConnectionLost, match="no instance runs"):
        operate("reconcile", config=path)
    path.write_text("[account.mine]\nvenue = 'binance'\n")
    with pytest.raises(ConfigError, match="no store"):
        operate("reconcile", config=path)

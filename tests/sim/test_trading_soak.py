"""Many trading days: played by name, and what is said of one that cannot be played."""

from dataclasses import replace

import pytest

from tapeline.sim.trading import soak as trading_soak
from tapeline.sim.trading.plan import TradingPlan, TradingReport
from tapeline.sim.trading.soak import TRADING

GOOD = TradingReport(
    venue="okx", seed=3, violations=(), faults={"cut": 2}, lives=2, crashes=1, orders=40, fills=20, end="halt",
    digest="",
)  # fmt: skip


def test_it_is_of_every_venue_that_trading_days_are_played_at() -> None:
    assert set(TRADING.playable()) == {"binance", "binance-us", "binance-usdm", "okx"}
    assert (TRADING.module, TRADING.called) == ("tapeline.sim.trading.day", "trading days of 25 virtual minutes")


def test_a_day_is_told_of_where_it_broke_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[TradingPlan] = []

    def run(plan: TradingPlan) -> TradingReport:
        played.append(plan)
        return GOOD

    monkeypatch.setattr(trading_soak, "run_trading_day", run)
    outcome = TRADING.play(("okx", 3))
    assert (played[0].venue.name, played[0].seed) == ("okx", 3)
    assert (outcome.job, outcome.said, outcome.faults, outcome.crashes) == (("okx", 3), "", {"cut": 2}, 1)
    monkeypatch.setattr(trading_soak, "run_trading_day", lambda _plan: replace(GOOD, violations=("it broke",)))
    assert "VIOLATED it broke" in TRADING.play(("okx", 3)).said


def test_a_day_that_cannot_be_played_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(_plan: TradingPlan) -> TradingReport:
        raise ExceptionGroup("tasks", [ExceptionGroup("more", [ValueError("unlucky")])])

    monkeypatch.setattr(trading_soak, "run_trading_day", raising)
    assert TRADING.play(("okx", 13)).said == (
        "trading day okx 13: ValueError('unlucky')\n  again: uv run python -m tapeline.sim.trading.day okx 13"
    )

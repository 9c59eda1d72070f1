"""Trading days: what they are made of, that they are the same twice, and that a fault in the code is seen."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapeline.errors import ConfigError
from tapeline.model.account import Fill
from tapeline.sim.kept.chance import Life
from tapeline.sim.trading import day as trading_day
from tapeline.sim.trading.day import main, run_trading_day
from tapeline.sim.trading.plan import DAY_S, TradingPlan
from tapeline.trading.accounting.ledger import Booking, Ledger
from tapeline.venues import venue_named

BINANCE = venue_named("binance")
QUIET = TradingPlan(venue=BINANCE, seed=1, kinds=(), lives=[Life(0, DAY_S)], clock_steps=(), halt=False, happenings=())

DERIVATIVES = {("binance-usdm", 1), ("okx", 5)}  # seeds of which the day is one of derivatives


@pytest.mark.parametrize("end", ["stop", "halt", "flatten"])
def test_without_faults_everything_is_as_at_the_venue(end: str) -> None:
    report = run_trading_day(replace(QUIET, end=end))
    assert report.violations == ()
    assert (report.end, report.lives, report.crashes, report.faults) == (end, 1, 0, {})
    assert report.orders > 20
    assert report.fills > 10


@pytest.mark.parametrize(("venue", "hedge"), [("okx", True), ("binance-usdm", True), ("binance", False)])
def test_market_data_may_come_over_connections(venue: str, hedge: bool) -> None:
    seed = next(n for n in range(1, 9) if not hedge or (venue, n) in DERIVATIVES)
    report = run_trading_day(replace(QUIET, venue=venue_named(venue), seed=seed, streamed=True, hedge=hedge))
    assert report.violations == ()
    assert (report.streamed, report.mode) == (True, "hedge" if hedge else "net")
    assert report.fills > 10


def test_the_same_seed_is_the_same_day() -> None:
    plan = TradingPlan(venue=venue_named("okx"), seed=3)
    first, second = run_trading_day(plan), run_trading_day(plan)
    assert first == second
    assert run_trading_day(replace(plan, seed=4)).digest != first.digest


def test_a_fill_that_is_booked_wrongly_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Ledger.apply

    def wrong(self: Ledger, fill: Fill, *rest: Any) -> Booking:
        return real(self, msgspec.structs.replace(fill, fee=Decimal(0)) if fill.fee else fill, *rest)

    monkeypatch.setattr(Ledger, "apply", wrong)
    report = run_trading_day(QUIET)
    assert any(sentence.startswith("fees in BTC of binance:BTC/USDT") for sentence in report.violations)
    assert str(report).endswith("again: uv run python -m tapeline.sim.trading.day binance 1")


def test_days_are_played_by_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    report = run_trading_day(QUIET)
    monkeypatch.setattr(trading_day, "run_trading_day", lambda plan: replace(report, seed=plan.seed))
    assert main(["binance", "1", "2"]) == 0
    assert "trading day binance 2: 1 lives" in capsys.readouterr().out
    monkeypatch.setattr(trading_day, "run_trading_day", lambda _plan: replace(report, violations=("it broke",)))
    assert main(["binance", "1"]) == 1
    assert "VIOLATED it broke" in capsys.readouterr().out


def test_a_venue_without_orders_has_no_trading_day() -> None:
    with pytest.raises(ConfigError, match="takes no orders here"):
        run_trading_day(replace(QUIET, venue=replace(BINANCE, orders=None)))

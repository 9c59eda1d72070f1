"""A day that is kept: calm ones, ones with cuts, restarts and crashes; the same again for one seed."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog

from tapeline.errors import ConfigError
from tapeline.sim.faults import fault
from tapeline.sim.kept import day
from tapeline.sim.kept.chance import Life
from tapeline.sim.kept.day import DayPlan, run_day
from tapeline.venues import venue_named

SHORT_S = 3 * 3600.0
VENUES = ("binance", "binance-usdm", "okx")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def plan_of(venue: str = "binance", *faults: str, **changes: Any) -> DayPlan:
    plain: dict[str, Any] = {
        "fills": 1,
        "stalls": (),
        "clock_steps": (),
        "lives": (Life(0.0, SHORT_S),),
        "duration_s": SHORT_S,
    }
    return DayPlan(venue=venue_named(venue), seed=3, faults=[fault(text) for text in faults], **(plain | changes))


@pytest.mark.parametrize("venue", VENUES)
def test_a_calm_day_is_held_whole(venue: str) -> None:
    report = run_day(plan_of(venue))
    trades = day.repairable_trades(venue_named(venue))
    assert report.violations == ()
    assert report.rows[trades] == 180
    assert report.rows["bars:15m"] == 12
    assert report.rows[f"bars:1h@{trades}"] == 2
    assert set(report.facts) == {"proven"}
    assert (report.faults, report.lives, report.crashes) == ({}, 1, 0)
    assert report.asked[trades] <= 4, "the first minute is asked for, and nothing that the stream has brought"


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("repair", [True, False])
def test_cuts_restarts_and_a_crash(venue: str, repair: bool) -> None:
    lives = (Life(0.0, 3000.0, crash=True), Life(3600.0, 5000.0), Life(5030.0, SHORT_S))
    report = run_day(
        plan_of(venue, "cut@+20m+5m/all", "cut@+100m+10m/1", "empty@+25m:bars", lives=lives, repair=repair)
    )
    assert report.violations == ()
    assert (report.lives, report.crashes, report.faults) == (3, 1, {"cut": 2, "empty": 1})
    trades = day.repairable_trades(venue_named(venue))
    if repair:
        assert report.rows[trades] == 180
        assert report.facts["repaired"] >= 2
        assert "missing" not in report.facts
    else:
        assert report.rows[trades] <= 170
        assert report.facts["missing"] >= 2


def test_one_seed_one_end() -> None:
    plan = DayPlan(venue=venue_named("okx"), seed=4, duration_s=30_000.0)
    once = run_day(plan)
    assert once == run_day(plan)
    assert once.violations == ()
    assert once.digest != run_day(replace(plan, seed=5)).digest


def test_what_a_run_may_never_have(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: Any) -> list[str]:
        return ["it is not so"]

    monkeypatch.setattr(day, "reckoned", broken)
    monkeypatch.setattr(day, "DAY_S", SHORT_S)
    report = run_day(plan_of())
    assert report.violations == ("it is not so",)
    assert "VIOLATED it is not so" in str(report)
    monkeypatch.setattr(day, "run_day", lambda _plan: report)
    assert day.main(["binance", "3"]) == 1
    assert "again: uv run python -m tapeline.sim.kept.day binance 3" in capsys.readouterr().out


def test_a_fault_of_our_own_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    from tapeline.app.repairing import Repairer  # noqa: PLC0415  # only to break it

    def look(_self: Repairer) -> None:
        raise RuntimeError("it fell over")

    monkeypatch.setattr(Repairer, "look", look)
    report = run_day(plan_of(duration_s=1200.0, lives=(Life(0.0, 1200.0),)))
    assert any("problems of kind 'repair'" in sentence for sentence in report.violations), report


def test_a_venue_with_too_few_instruments() -> None:
    with pytest.raises(ConfigError, match="binance has no 99 instruments to make a day of"):
        run_day(plan_of(symbols=99))

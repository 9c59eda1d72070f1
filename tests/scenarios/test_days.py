"""Whole days that are kept, each from one seed: whatever befalls them, the store holds what happened or says what not.

CI plays many more of them besides (`.ci/run`), `make days` 2,000, `make soak-sim` 100,000.
"""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tapeline.sim.kept.day import DayPlan, run_day
from tapeline.sim.kept.soak import playable
from tapeline.venues import venue_named

pytestmark = pytest.mark.worlds
SEEDS, CHUNK = 12, 4


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("venue", playable())
@pytest.mark.parametrize("first", range(1, SEEDS + 1, CHUNK))
def test_all_that_happened_is_held_or_listed(venue: str, first: int) -> None:
    for seed in range(first, first + CHUNK):
        report = run_day(DayPlan(venue=venue_named(venue), seed=seed))
        assert not report.violations, f"\n{report}"
        assert sum(report.faults.values()) >= 5, f"\n{report}"


@pytest.mark.parametrize("venue", ["binance", "okx"])
@pytest.mark.parametrize("seed", [2, 8])
def test_without_repair_all_that_is_missing_is_listed(venue: str, seed: int) -> None:
    report = run_day(DayPlan(venue=venue_named(venue), seed=seed, repair=False))
    assert "anew" not in report.faults, "another seed: see the test below"
    assert not report.violations, f"\n{report}"


@pytest.mark.parametrize(("venue", "seed"), [("binance", 3), ("okx", 5)])
def test_without_repair_a_venue_that_numbers_anew_leaves_holes_listed_in_which_nothing_was(
    venue: str, seed: int
) -> None:
    """Only asking tells that nothing was: what is listed may be too much there, never too little."""
    report = run_day(DayPlan(venue=venue_named(venue), seed=seed, repair=False))
    assert report.faults["anew"] >= 1
    assert all(each.endswith("is listed, but nothing of it is missing") for each in report.violations), f"\n{report}"


@pytest.mark.parametrize("venue", ["binance-usdm", "okx"])
def test_several_instruments(venue: str) -> None:
    report = run_day(DayPlan(venue=venue_named(venue), seed=3, symbols=3, duration_s=40_000.0))
    assert not report.violations, f"\n{report}"

"""Two hundred days of venue life, each from one seed: every promise is kept on each, whatever the venue does."""

import logging
from collections import Counter
from collections.abc import Iterator

import pytest
import structlog

from tapeline.sim.faults import KINDS
from tapeline.sim.world import WorldPlan, drawn, drawn_steps, run_world
from tapeline.venues import venue_named

pytestmark = pytest.mark.worlds
DAYS = {"binance": 80, "binance-usdm": 60, "okx": 60}
CHUNK = 10
CHUNKS = [(venue, first) for venue, days in DAYS.items() for first in range(1, days + 1, CHUNK)]
LEAST_EVENTS, LEAST_FAULTS, SYMBOLS = 2000, 5, 3


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def plan_of(venue: str, seed: int) -> WorldPlan:
    return WorldPlan(venue=venue_named(venue), seed=seed, symbols=SYMBOLS)


@pytest.mark.parametrize(("venue", "first"), CHUNKS)
def test_every_promise_is_kept(venue: str, first: int) -> None:
    for seed in range(first, first + CHUNK):
        report = run_world(plan_of(venue, seed))
        assert not report.violations, f"\n{report}"
        assert report.events >= LEAST_EVENTS, f"\n{report}"
        assert sum(report.faults.values()) >= LEAST_FAULTS, f"\n{report}"


@pytest.mark.parametrize("venue", DAYS)
@pytest.mark.parametrize("seed", [3, 14])
def test_one_seed_one_end(venue: str, seed: int) -> None:
    once, again = run_world(plan_of(venue, seed)), run_world(plan_of(venue, seed))
    assert once == again, f"\n{once}\n{again}"
    assert once.digest != run_world(plan_of(venue, seed + 1000)).digest


def test_they_are_two_hundred_and_every_kind_of_fault_is_among_them() -> None:
    assert sum(DAYS.values()) >= 200
    for venue, days in DAYS.items():
        plans = [plan_of(venue, seed) for seed in range(1, days + 1)]
        kinds = Counter(fault.kind for plan in plans for fault in drawn(plan))
        assert kinds.keys() == KINDS.keys() - {"anew"}
        assert min(kinds.values()) >= 5, kinds
        assert {by_s for plan in plans for _, by_s in drawn_steps(plan)} == {-3600.0, -1.0, 3600.0}

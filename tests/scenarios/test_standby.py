"""Two connections for the same topics, end to end: what one of them does costs nothing, what both do costs once."""

import logging
import random
from collections.abc import Iterator

import pytest
import structlog

from tapeline.config import ConnectionConfig
from tapeline.model.interval import SECOND_NS
from tapeline.sim.faults import Fault, Spec, fault
from tapeline.sim.pit import Rates
from tapeline.sim.world import WorldPlan, WorldReport, run_world
from tapeline.venues import venue_named

VENUES = ("binance", "binance-usdm", "okx")
SEEDS = range(1, 7)
PAIRED = ConnectionConfig(idle_ping_s=20.0, connections=2)
BRISK = Rates(trades_per_minute=12, levels=5, step_beats=300)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def shards(venue: str) -> int:
    """How many endpoints a world of this venue needs: each has two connections, which are dialled one after another."""
    feeds = venue_named(venue).feeds
    return len({feeds[kind].endpoint for kind in ("trades", "quotes", "book", "bars")})


def kept(
    venue: str, *faults: Spec, minutes: int = 40, seed: int = 5, settings: ConnectionConfig = PAIRED
) -> WorldReport:
    """A world with these faults, in which every promise was kept."""
    report = run_world(
        WorldPlan(
            venue=venue_named(venue), seed=seed, duration_s=60.0 * minutes, faults=faults, clock_steps=(),
            settings=settings, rates=BRISK, bars="1m",
        )
    )  # fmt: skip
    assert report.violations == (), f"\n{report}"
    return report


def lossless(report: WorldReport) -> None:
    assert (report.outages, report.gaps) == (0, {}), f"\n{report}"


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["cut", "half", "close"])
@pytest.mark.parametrize("whose", [1, 2])
def test_however_one_ends_nothing_is_lost(venue: str, kind: str, whose: int) -> None:
    report = kept(venue, fault(f"{kind}@+20m+4m/{whose}"))
    lossless(report)
    assert report.problems["connection_lost"] == 1


@pytest.mark.worlds
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("seed", SEEDS)
def test_cuts_of_one_at_a_time_lose_nothing(venue: str, seed: int) -> None:
    """Twelve a world, each over before the next: whichever connection it strikes."""
    chance = random.Random(seed)
    faults = [
        Fault(
            chance.choice(("cut", "half", "expire", "close")), (600 + 300 * turn + chance.randint(0, 60)) * SECOND_NS,
            chance.choice((0, 1, 20, 60)) * SECOND_NS, relative=True, whose=str(chance.randint(1, 2 * shards(venue))),
        )
        for turn in range(12)
    ]  # fmt: skip
    report = kept(venue, *faults, minutes=75, seed=seed)
    lossless(report)
    assert report.problems["connection_lost"] >= 12


@pytest.mark.worlds
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("seed", SEEDS)
def test_one_that_stalls_repeats_or_disorders_is_made_good_by_the_other(venue: str, seed: int) -> None:
    chance = random.Random(seed)
    kinds = ["mute", "duplicate", "reorder", "drop", "corrupt", "torn", "utf8"]
    faults = []
    for turn in range(10):
        kind = chance.choice(kinds)
        lasts_s = chance.uniform(1, 120) if kind in {"mute", "duplicate", "reorder"} else chance.choice((0, 0, 20))
        at_s = 600 + 300 * turn + chance.uniform(0, 60)
        faults.append(Fault(kind, int(at_s * SECOND_NS), int(lasts_s * SECOND_NS), "", True, str(chance.randint(1, 2))))
    lossless(kept(venue, *faults, minutes=65, seed=seed))


@pytest.mark.parametrize("venue", VENUES)
def test_both_cut_is_one_outage_and_one_gap_of_each_series_that_lost_something(venue: str) -> None:
    report = kept(venue, fault("cut@+20m+2m"))
    assert report.outages == shards(venue)
    assert set(report.gaps) == {"link_down"}
    series = 3 * 4  # of three symbols: trades, quotes, book, bars
    assert report.gaps["link_down"] <= series
    assert report.gaps["link_down"] >= 3 * 3


@pytest.mark.worlds
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_second_falls_before_the_first_is_back(venue: str, seed: int) -> None:
    chance = random.Random(seed)
    first_s = 1200 + chance.uniform(0, 60)
    second_s = first_s + chance.uniform(0.1, 50)
    faults = [fault(f"cut@+{first_s:.3f}s+60s/1"), fault(f"cut@+{second_s:.3f}s+60s/all")]
    report = kept(venue, *faults, seed=seed)
    assert report.outages == shards(venue)
    assert set(report.gaps) == {"link_down"}


@pytest.mark.worlds
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("seed", SEEDS)
def test_one_is_dead_and_nobody_knows_when_the_other_is_cut(venue: str, seed: int) -> None:
    """The most treacherous: what nobody delivered is a gap, also in series that cannot prove their continuity."""
    chance = random.Random(seed)
    mute_s = 1200 + chance.uniform(0, 60)
    cut_s = mute_s + chance.uniform(0, 25)
    faults = [fault(f"mute@+{mute_s:.3f}s+10m/all"), fault(f"cut@+{cut_s:.3f}s/{chance.randint(1, 2)}")]
    report = kept(venue, *faults, seed=seed)
    assert report.outages >= 1


@pytest.mark.parametrize("venue", VENUES)
def test_planned_re_dials_of_both_lose_nothing(venue: str) -> None:
    report = kept(venue, settings=ConnectionConfig(idle_ping_s=20.0, connections=2, max_connection_age_s=300.0))
    lossless(report)
    assert report.counts["link"] > 20, "they did re-dial"

"""Bad days of a store: a venue whose REST misbehaves while a hole is filled, long absences, a stuck disk."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tapeline.sim.faults import fault
from tapeline.sim.kept import day
from tapeline.sim.kept.chance import Life
from tapeline.sim.kept.day import DayPlan, DayReport, repairable_trades, run_day
from tapeline.venues import venue_named

pytestmark = pytest.mark.worlds
VENUES = ("binance", "binance-usdm", "okx")
HOUR_S, DAY_S = 3600.0, 86_400.0


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def kept(venue: str, *faults: str, hours: float = 4.0, **plan: Any) -> DayReport:
    """A day with these faults, in which every promise was kept."""
    whole: dict[str, Any] = {
        "seed": 5, "fills": 1, "duration_s": hours * HOUR_S, "lives": (Life(0.0, hours * HOUR_S),), "stalls": (),
        "clock_steps": (),
    }  # fmt: skip
    report = run_day(DayPlan(venue=venue_named(venue), faults=[fault(text) for text in faults], **(whole | plan)))
    assert report.violations == (), f"\n{report}"
    return report


def held(report: DayReport) -> int:
    return report.rows[repairable_trades(venue_named(report.venue))]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["overlap", "disorder", "short", "500", "half_body", "open_bar"])
@pytest.mark.parametrize("lasts", ["", "+10m"])
def test_pages_that_are_wrong_while_a_hole_is_filled(venue: str, kind: str, lasts: str) -> None:
    report = kept(venue, "cut@+30m+70m/all", f"{kind}@+40m{lasts or '+61m'}")
    assert held(report) == 240
    assert set(report.facts) <= {"proven", "repaired", "unrecoverable"}, "quotes and books are lost, and nothing else"


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["empty@+31m", "429@+31m+10m:60", "ban@+31m+90m:600", "slow@+20m+90m:30"])
def test_a_venue_that_does_not_answer_delays_and_loses_nothing(venue: str, kind: str) -> None:
    report = kept(venue, "cut@+30m+20m/all", "cut@+90m+10m/1", kind, hours=6)
    assert held(report) == 360


@pytest.mark.parametrize("venue", VENUES)
def test_pages_that_stay_empty_are_said_to_be_lost(venue: str) -> None:
    trades = repairable_trades(venue_named(venue))
    report = kept(venue, "cut@+30m+20m/all", f"empty@+20m+90m:{trades}")
    assert held(report) in range(215, 225)
    assert report.rows["bars:15m"] == 16, "they were asked for, too, and came"


@pytest.mark.parametrize("venue", VENUES)
def test_closed_bars_that_are_revised_are_disputes_and_change_nothing_else(venue: str) -> None:
    report = kept(venue, "cut@+30m+40m/all", "revise@+30m", "revise@+120m", hours=6)
    assert held(report) == 360


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("repeated", [3, 40, 100_000])
def test_numbers_that_begin_anew_and_repeat(venue: str, repeated: int) -> None:
    report = kept(venue, f"anew@+90m:{repeated}", "cut@+150m+5m/all", hours=6)
    assert held(report) >= 360 - min(repeated, 100)
    assert report.faults == {"anew": 1, "cut": 1}


@pytest.mark.parametrize("venue", [*VENUES, "binance-us"])
@pytest.mark.parametrize("repeated", [5, 14, 15, 16, 17, 25, 100_000])
def test_numbers_that_begin_anew_while_nobody_listens(venue: str, repeated: int) -> None:
    """Both ends of the hole may look as if nothing had happened, or as if less had been missed, or nothing."""
    report = kept(venue, "cut@+120m+20m/all", f"anew@+130m:{repeated}", audit=False, hours=6)
    assert report.faults == {"anew": 1, "cut": 1}
    assert held(report) >= 360 - 20 - min(repeated, 110)


@pytest.mark.parametrize("venue", [*VENUES, "binance-us"])
def test_numbers_that_begin_anew_twice_within_a_hole_and_before_it(venue: str) -> None:
    faults = ("anew@+60m:100000", "cut@+120m+60m/all", "anew@+130m:7", "anew@+150m:30", "short@+170m+30m")
    kept(venue, *faults, audit=False, hours=6)


@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_a_week_away_is_filled_whole(venue: str) -> None:
    lives = (Life(0.0, 2 * HOUR_S, crash=True), Life(7 * DAY_S, 7 * DAY_S + 6 * HOUR_S))
    report = kept(venue, hours=7 * 24 + 6, lives=lives, audit=False)
    assert held(report) == (7 * 24 + 6) * 60
    assert "disputed" not in report.facts


def test_what_the_venue_keeps_for_two_days_only_is_lost_and_the_rest_comes() -> None:
    lives = (Life(0.0, 2 * HOUR_S), Life(4 * DAY_S, 4 * DAY_S + 6 * HOUR_S))
    report = kept("binance-usdm", hours=4 * 24 + 6, lives=lives, audit=False)
    assert held(report) == pytest.approx((2 + 48 + 6) * 60, abs=2)
    assert report.rows["bars:15m"] == (4 * 24 + 6) * 4, "the venue's own bars are kept for ever"
    assert report.facts["unrecoverable"] >= 1


@pytest.mark.parametrize("venue", VENUES)
def test_a_disk_that_is_stuck_for_hours_loses_what_no_buffer_holds_and_gets_it_back(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day, "QUEUE_BYTES", 60_000)
    report = kept(venue, stalls=((HOUR_S, 3 * HOUR_S),), hours=8)
    assert held(report) == 480


@pytest.mark.parametrize("venue", VENUES)
def test_our_clock_is_set_while_holes_are_filled(venue: str) -> None:
    steps = ((0.6 * HOUR_S, 3600.0), (1.4 * HOUR_S, -7200.0))
    report = kept(venue, "cut@+30m+20m/all", "cut@+80m+20m/all", clock_steps=steps, hours=6)
    assert held(report) == 360


@pytest.mark.parametrize(
    ("venue", "fills"),
    [
        ("binance", 1), ("binance", 2), ("binance", 5), ("binance-usdm", 1), ("binance-usdm", 3), ("okx", 1),
        ("okx", 3),
    ],
)  # fmt: skip
def test_what_a_stream_merges_and_a_history_tells_one_by_one_is_the_same(venue: str, fills: int) -> None:
    lives = (Life(0.0, HOUR_S, crash=True), Life(1.2 * HOUR_S, 6 * HOUR_S))
    report = kept(venue, "cut@+100m+20m/all", "drop@+130m+5m", hours=6, fills=fills, lives=lives)
    assert report.facts["repaired"] >= 4

"""Our matching beside hftbacktest's: the same orders into both, on recordings and on a synthetic day.

Every order must fill in both or in neither, and each difference in amount must have one of the two causes that
docs/explanation/matching.md names; its figures are those that are asserted here.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from client_fixtures import environment, report
from matching_stage import CAME, KINDS, LIVES_NS, THROUGH, Probe, by_us, listed, probes, recorded, rows_of, synthetic
from tapeline.model.event import Event
from tapeline.model.interval import SECOND_NS
from tapeline.trading.paper.outcome import Matching
from tapeline.venues import venue_named
from tapeline.venues.spec import Venue

pytestmark = pytest.mark.clients


class Fills(NamedTuple):
    """Of one set of orders: by us, and by them."""

    ours: list[Probe]
    theirs: list[Decimal]

    def differing(self) -> list[tuple[Probe, Decimal]]:
        """Those that do not fill the same amount."""
        return [(probe, size) for probe, size in zip(*self, strict=True) if probe.filled != size]


def compared(venue: Venue, events: Sequence[Event], every_ns: int, folder: Path) -> Fills:
    """The same orders into both."""
    instrument = listed(venue)
    ours = list(probes(events, every_ns))
    by_us(instrument, events, ours, Matching())
    np.save(folder / "rows.npy", rows_of(events))
    settings = folder / "settings.json"
    settings.write_text(json.dumps({
        "rows": str(folder / "rows.npy"), "kinds": KINDS, "lives_ns": LIVES_NS,
        "tick": float(instrument.tick or 0), "lot": float(instrument.lot or 0),
        "orders": [(each.number, each.side, str(each.price), str(each.size), each.from_ns) for each in ours],
    }))  # fmt: skip
    found = report(environment("hftbacktest"), "hftbacktest_fills.py", settings)
    return Fills(ours, [Decimal(str(round(found.get(str(probe.number), 0.0), 8))) for probe in ours])


def session(shared: Path, name: str) -> tuple[Venue, list[Event]]:
    """A recorded one."""
    captures, start = shared / "captures", f"{name.replace('-', '_')}_hft_btcusdt"
    venue = venue_named(name.removesuffix("-spot"))
    tapes = sorted(captures.glob(f"{start}_*.ws.jsonl.gz"))
    return venue, recorded(venue, tapes, captures / f"{start}_20240808.rest.jsonl.gz")


def explained(fills: Fills, causes: set[str]) -> None:
    """All agree whether anything fills; where amounts differ, they fill all at once for one of these causes."""
    apart = [probe for probe, size in zip(*fills, strict=True) if (probe.filled > 0) != (size > 0)]
    assert apart == []
    for probe, size in fills.differing():
        assert size == probe.size, f"they fill {size} of {probe}"
        assert probe.filled < size, f"we fill more: {probe}"
        assert probe.near & causes, f"nothing that is known explains {probe} and {size}"


def test_a_recorded_session_of_spot(shared: Path, tmp_path: Path) -> None:
    fills = compared(*session(shared, "binance-spot"), 2 * SECOND_NS, tmp_path)
    explained(fills, {THROUGH})
    assert (len(fills.ours), len(fills.differing())) == (1920, 7)
    assert sum(probe.filled > 0 for probe in fills.ours) == 1335


def test_a_recorded_session_of_futures(shared: Path, tmp_path: Path) -> None:
    fills = compared(*session(shared, "binance-usdm"), 2 * SECOND_NS, tmp_path)
    explained(fills, {THROUGH})
    assert (len(fills.ours), len(fills.differing())) == (1002, 2)
    assert sum(probe.filled > 0 for probe in fills.ours) == 780


def test_a_synthetic_day(tmp_path: Path) -> None:
    venue = venue_named("binance")
    fills = compared(venue, synthetic(venue, 7), 60 * SECOND_NS, tmp_path)
    explained(fills, {THROUGH, CAME})
    assert (len(fills.ours), len(fills.differing())) == (8634, 748)

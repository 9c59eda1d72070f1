"""The whole example of docs/how-to/add-a-venue.md: the package's own tests, run here as a reader runs them there."""

import importlib.util
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from tapeline import venues
from tapeline.venues.spec import Venue

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "examples" / "outside_venue"


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, PACKAGE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LANTERN: Venue = loaded("lantern").LANTERN
its = loaded("test_lantern")
test_it_keeps_the_contract = its.test_it_keeps_the_contract
test_a_trade = its.test_a_trade
test_a_cut_leaves_one_gap_that_says_what_is_missing = its.test_a_cut_leaves_one_gap_that_says_what_is_missing
test_a_bad_day = its.test_a_bad_day


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its entry point, as if the package were installed."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
    points = project["project"]["entry-points"]["tapeline.venues"]
    found = [EntryPoint(name, value, "tapeline.venues") for name, value in points.items()]
    monkeypatch.setattr(venues, "entry_points", lambda group: found if group == "tapeline.venues" else [])
    venues.venues.cache_clear()
    yield
    venues.venues.cache_clear()


def test_its_entry_point_registers_it() -> None:
    assert venues.venue_named("lantern") is LANTERN


def test_all_of_its_tests_are_run_here() -> None:
    assert {name for name in vars(its) if name.startswith("test_")} <= set(globals())


def test_the_page_leads_to_it() -> None:
    page = (ROOT / "docs" / "how-to" / "add-a-venue.md").read_text(encoding="utf-8")
    assert "(../../examples/outside_venue/lantern.py)" in page
    assert "`revision=1`" in page

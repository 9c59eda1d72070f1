"""The contract every venue keeps, ours and registered ones."""

from dataclasses import replace
from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.testing import check_venue
from tapeline.venues import venue_named, venues
from tapeline.venues.spec import Allowance, Venue


@pytest.mark.parametrize("venue", venues().values(), ids=lambda venue: venue.name)
def test_the_contract(venue: Venue) -> None:
    check_venue(venue)


@pytest.mark.parametrize("venue", venues().values(), ids=lambda venue: venue.name)
def test_a_variant_of_it_keeps_the_contract_too(venue: Venue) -> None:
    check_venue(replace(venue, name="elsewhere"))


def test_an_unknown_venue_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown venue 'binanse': did you mean 'binance'"):
        venue_named("binanse")
    with pytest.raises(ConfigError, match="one of binance"):
        venue_named("zzz")


def test_what_each_feed_proves_and_what_repairs_it() -> None:
    """By the venues' documents: which public call fills which stream, without a key."""
    found = {
        (venue.name, kind): (feed.evidence, feed.repair)
        for venue in (venue_named(name) for name in ("binance", "binance-usdm", "okx"))
        for kind, feed in venue.feeds.items()
        if feed.evidence or feed.repair
    }
    assert found == {
        ("binance", "trades"): ("ids", "trades"), ("binance", "aggtrades"): ("ids", "aggtrades"),
        ("binance", "bars"): ("bars", "bars"), ("binance-usdm", "trades"): ("ids", ""),
        ("binance-usdm", "aggtrades"): ("ids", "aggtrades"), ("binance-usdm", "bars"): ("bars", "bars"),
        ("okx", "trades"): ("count", "trades"), ("okx", "bars"): ("bars", "bars"),
    }  # fmt: skip


def test_a_history_that_nobody_could_go_through_breaks_the_contract() -> None:
    okx = venue_named("okx")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"walk": "sideways"}, "unknown walk 'sideways'"),
        ({"walk": "bars"}, "they alone"),
        ({"locate": ""}, "needs a call to locate"),
        ({"locate": "nothing"}, "no call 'nothing'"),
    ]
    for changes, text in cases:
        calls = {**okx.rest, "trades": replace(okx.rest["trades"], **changes)}
        with pytest.raises(AssertionError, match=text):
            check_venue(replace(okx, rest=calls))
    for allowances, text in (
        (okx.limits.rest[1:], "draws on 'instruments'"),
        ((*okx.limits.rest, okx.limits.rest[0]), "two allowances"),
        ((*okx.limits.rest, Allowance(name="x", weight=0, window_s=1)), "allows nothing"),
    ):
        with pytest.raises(AssertionError, match=text):
            check_venue(replace(okx, limits=replace(okx.limits, rest=allowances)))


def test_a_feed_that_claims_too_much_breaks_the_contract() -> None:
    okx = venue_named("okx")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("quotes", {"evidence": "ids"}, "evidence 'ids' is none of"),
        ("trades", {"evidence": "ids"}, "evidence 'ids' is none of"),
        ("quotes", {"repair": "quotes"}, "no REST call 'quotes' to repair it"),
        ("book", {"repair": "depth"}, "'depth' has no history"),
    ]
    for kind, changes, text in cases:
        feeds = {**okx.feeds, kind: replace(okx.feeds[kind], **changes)}
        with pytest.raises(AssertionError, match=text):
            check_venue(replace(okx, feeds=feeds))

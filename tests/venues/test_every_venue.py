"""The contract every venue keeps, ours and registered ones."""

from dataclasses import replace

import pytest

from tapeline.errors import ConfigError
from tapeline.testing import check_venue
from tapeline.venues import venue_named, venues
from tapeline.venues.spec import Venue


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

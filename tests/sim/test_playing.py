"""Seeds played by hand: each is shown, and the exit code says whether any broke a promise."""

import pytest

from tapeline.errors import ConfigError
from tapeline.sim.playing import play
from tapeline.venues.spec import Venue


class _Told:
    def __init__(self, venue: Venue, seed: int) -> None:
        self.violations = ("something",) if seed % 2 else ()
        self.name = f"{venue.name} {seed}"

    def __str__(self) -> str:
        return self.name


def test_every_seed_is_played_and_shown_even_behind_one_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert play(["okx", "3", "4", "5"], _Told) == 1
    assert capsys.readouterr().out == "okx 3\nokx 4\nokx 5\n"
    assert play(["okx", "4"], _Told) == 0


def test_a_venue_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="kraaken"):
        play(["kraaken", "1"], _Told)
    assert capsys.readouterr().out == ""

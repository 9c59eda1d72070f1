"""Plays worlds and days by hand, `VENUE SEED [SEED ...]`, and prints how each went."""

import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from tapeline.venues import venue_named
from tapeline.venues.spec import Venue


class Report(Protocol):
    """How one went, in lines that a person reads."""

    @property
    def violations(self) -> tuple[str, ...]:
        """What was promised and not kept, a sentence each."""
        ...


def play(words: Sequence[str], run: Callable[[Venue, int], Report]) -> int:
    """Play these seeds at the venue that the first word names; 1 where one broke a promise."""
    bad = 0
    for seed in words[1:]:
        report = run(venue_named(words[0]), int(seed))
        sys.stdout.write(f"{report}\n")
        bad += bool(report.violations)
    return min(bad, 1)

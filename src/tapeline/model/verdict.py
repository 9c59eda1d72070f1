"""What a sequence rule says of the next book delta."""

from enum import Enum, auto


class Verdict(Enum):
    """APPLY: it follows. STALE: it is already in the state. GAP: something before it is missing."""

    APPLY = auto()
    STALE = auto()
    GAP = auto()


APPLY, STALE, GAP = Verdict.APPLY, Verdict.STALE, Verdict.GAP
"""The same by themselves, for the hot path: read through the class, a member costs five times as much."""

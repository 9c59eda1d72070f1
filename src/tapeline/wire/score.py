"""How well a connection does, from 0 to 1 with reasons in words; under a half, a successor is opened. Pure.

The worst of four counts: how long a ping goes unanswered, whether pings take ever longer, how many frames cannot be
read, and whether it nears the age at which those before it were ended.
"""

from collections import deque
from dataclasses import dataclass

ENOUGH = 0.5  # below it, a successor is wanted
LOOKS = 0.4  # how often to look, in parts of the time after which a ping is sent
WARM_S = 30.0  # before that, nothing is usual yet
ANSWER_S, TIMES_USUAL = 3.0, 20.0  # an answer that takes so long, or so many times as long as usual, is half a death
SLOW_S, TIMES_SLOW = 1.0, 8.0  # the same for answers that do come, but ever later
BAD_SHARE, BAD_LEAST = 0.2, 5  # such a share of unreadable frames, and so many of them
ENDS, ALIKE, AHEAD_S, OLD_S = 2, 0.02, 60.0, 600.0  # ages at which connections ended: how many, how alike, how early


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What is known of a connection at a moment."""

    age_s: float
    ping_s: float | None  # the last answer took so long
    answers: int  # so many pings were answered
    unanswered_s: float  # a ping is out for so long; 0 where none is
    frames: int
    bad_frames: int


@dataclass(frozen=True, slots=True)
class Health:
    """A score and why it is not 1."""

    score: float
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In words."""
        return f"score {self.score:.2f}: {'; '.join(self.reasons) or 'well'}"


class Ends:
    """The ages at which the connections before this one were ended by the other side; alike ones are its habit."""

    def __init__(self) -> None:
        self._ages: deque[float] = deque(maxlen=ENDS)

    def note(self, age_s: float) -> None:
        """A connection was ended. One that fell young says nothing of age."""
        if age_s >= OLD_S:
            self._ages.append(age_s)

    @property
    def due_s(self) -> float:
        """The age at which the next one will be ended; infinity where no habit shows."""
        if len(self._ages) < ENDS or max(self._ages) - min(self._ages) > ALIKE * max(self._ages):
            return float("inf")
        return min(self._ages)


class Score:
    """One connection's. Tell it what is known every few seconds."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._usual_s: float | None = None  # what answers take, in the long run
        self._recent_s: float | None = None
        self._answers = 0
        self._bad_share = 0.0
        self._frames = self._bad = 0

    def look(self, signs: Signs) -> Health:
        """The score now."""
        self._learn(signs)
        if signs.age_s < WARM_S:
            return Health(1.0)
        parts = [self._waiting(signs), self._trend(), self._errors(), self._age(signs)]
        reasons = tuple(why for part, why in sorted(parts) if part < 1.0)
        return Health(min(part for part, _ in parts), reasons)

    def _learn(self, signs: Signs) -> None:
        if signs.answers != self._answers and signs.ping_s is not None:
            self._answers = signs.answers
            known_s = signs.ping_s if self._usual_s is None else min(signs.ping_s, 2 * self._usual_s)
            self._usual_s = _moved(self._usual_s, known_s, 0.05)  # a bad time does not become usual
            self._recent_s = _moved(self._recent_s, signs.ping_s, 0.5)
        came, bad = signs.frames - self._frames, signs.bad_frames - self._bad
        if bad >= BAD_LEAST or came * BAD_SHARE >= BAD_LEAST:
            self._bad_share = bad / max(came, bad) if bad >= BAD_LEAST else 0.0
            self._frames, self._bad = signs.frames, signs.bad_frames

    def _waiting(self, signs: Signs) -> tuple[float, str]:
        most_s = max(ANSWER_S, TIMES_USUAL * (self._usual_s or 0.0))
        why = f"a ping is unanswered for {signs.unanswered_s:.1f} s, usually {self._usual_s or 0.0:.2f} s"
        return _falling(signs.unanswered_s, most_s), why

    def _trend(self) -> tuple[float, str]:
        if self._recent_s is None or self._usual_s is None:
            return 1.0, ""
        most_s = max(SLOW_S, TIMES_SLOW * self._usual_s)
        return _falling(self._recent_s, most_s), f"pings take {self._recent_s:.2f} s, usually {self._usual_s:.2f} s"

    def _errors(self) -> tuple[float, str]:
        return _falling(self._bad_share, BAD_SHARE), f"{self._bad_share:.0%} of its frames cannot be read"

    def _age(self, signs: Signs) -> tuple[float, str]:
        due_s = self._ends.due_s
        why = f"the {ENDS} connections before it were ended at an age of {due_s / 3600:.2f} h"
        return (0.0 if signs.age_s >= due_s - AHEAD_S else 1.0), why


def _falling(value: float, half_at: float) -> float:
    """1 up to half of this, 0.5 at it, 0 from one and a half of it."""
    return min(1.0, max(0.0, 1.5 - value / half_at))


def _moved(before: float | None, to: float, weight: float) -> float:
    return to if before is None else before + weight * (to - before)

"""When something is wrong enough to tell a person, and when it is over: readings and time in, alerts out. Pure.

Every alert has two edges, so that a value that wavers about its limit does not ring all night: it is raised above the
limit, and cleared once it has been under four fifths of it for a while.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tapeline.model.event import Alert

CLEAR_AT, CLEAR_S = 0.8, 10.0
PAUSES = 20.0  # a series is stale only after so many of its usual pauses
NEVER_S = 600.0  # one that never said anything, after this
WARM_S = 600.0  # memory of the first minutes is not growth
MINUTE_S, HOUR_S = 60.0, 3600.0
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From when on something is worth an alert; see `[alerts]` of the configuration."""

    data_older_s: float = 60.0
    behind_s: float = 10.0
    memory_mb_per_hour: float = 100.0
    errors_per_minute: float = 60.0
    hold_s: float = 300.0


class Pulse(NamedTuple):
    """One series: how long nothing has come, and its usual pause (None: nothing ever came)."""

    channel: str
    age_s: float
    pause_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What is measured, all at one time. `unrecoverable`, `mismatches` and `errors` are counts since the start."""

    pulses: Mapping[str, Iterable[Pulse]] = field(default_factory=dict)  # by instrument
    fallbacks: Mapping[str, str] = field(default_factory=dict)  # instruments that are polled, and why
    breakers: Iterable[str] = ()  # connections whose breaker is open
    unrecoverable: int = 0
    mismatches: int = 0
    errors: int = 0
    behind_s: float = 0.0
    memory_bytes: int | None = None


class _Reading(NamedTuple):
    value: float
    limit: float
    text: str


@dataclass(slots=True)
class _Raised:
    alert: Alert
    bad_at: float  # when it was last not good


Key = tuple[str, str]  # kind, subject


class Health:
    """Which alerts are raised. `look` is to be called about once a second."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._raised: dict[Key, _Raised] = {}
        self._began: float | None = None
        self._unrecoverable, self._mismatches = _Window(limits.hold_s), _Window(limits.hold_s)
        self._errors, self._memory = _Window(MINUTE_S), _Window(HOUR_S)

    def look(self, readings: Readings, now: float, now_ns: int) -> list[Alert]:
        """What began and what ended since the last time; `now` is monotonic seconds, `now_ns` stamps the alerts."""
        self._began = now if self._began is None else self._began
        measured = dict(self._measured(readings, now))
        changes = []
        for key, reading in measured.items():
            raised = self._raised.get(key)
            if raised is not None and reading.value > reading.limit * CLEAR_AT:
                raised.bad_at = now
            elif raised is None and reading.value > reading.limit:
                alert = _alert(key, "raised", reading, now_ns)
                self._raised[key] = _Raised(alert, now)
                changes.append(alert)
        for key, raised in list(self._raised.items()):
            if now - raised.bad_at >= CLEAR_S:
                del self._raised[key]
                last = measured.get(key)
                over = _Reading(0.0 if last is None else last.value, raised.alert.limit, raised.alert.text)
                changes.append(_alert(key, "cleared", over, now_ns))
        return changes

    @property
    def active(self) -> list[Alert]:
        """What is raised now, in the order it was."""
        return [raised.alert for raised in self._raised.values()]

    # ---- what is measured ------------------------------------------------------------------------------------

    def _measured(self, readings: Readings, now: float) -> Iterator[tuple[Key, _Reading]]:
        limits = self._limits
        for instrument, pulses in readings.pulses.items():
            stale = self._stale(pulses)
            if stale is not None:
                yield ("stale", instrument), stale
        for instrument, why in readings.fallbacks.items():
            yield ("fallback", instrument), _Reading(1.0, 0.0, f"polled instead of streamed: {why}")
        for connection in readings.breakers:
            yield ("breaker_open", connection), _Reading(1.0, 0.0, "the circuit breaker is open")
        lost = self._unrecoverable.grown(readings.unrecoverable, now)
        if lost:
            yield ("gap_unrecoverable", "holes"), _Reading(lost, 0.0, f"{lost:g} holes that nobody can fill any more")
        unequal = self._mismatches.grown(readings.mismatches, now)
        if unequal:
            yield ("mismatch", "audit"), _Reading(unequal, 0.0, f"{unequal:g} bars or books are not the venue's")
        behind = _Reading(readings.behind_s, limits.behind_s, f"the store is {readings.behind_s:.1f} s behind")
        yield ("store_behind", "store"), behind
        errors = self._errors.grown(readings.errors, now)
        yield ("error_rate", "problems"), _Reading(
            errors, limits.errors_per_minute, f"{errors:g} problems in a minute"
        )  # fmt: skip
        assert self._began is not None, "set by the first look"
        if readings.memory_bytes is not None and now - self._began >= WARM_S:
            grown = self._memory.grown(readings.memory_bytes, now) / MIB
            yield ("memory_growth", "process"), _Reading(
                grown, limits.memory_mb_per_hour, f"{grown:.0f} MiB more within an hour"
            )  # fmt: skip

    def _stale(self, pulses: Iterable[Pulse]) -> _Reading | None:
        """The stalest series of an instrument, measured by its own limit; None where nothing can be stale."""
        worst: tuple[float, float, Pulse] | None = None
        silent = []
        for pulse in pulses:
            limit_s = NEVER_S if pulse.pause_s is None else max(self._limits.data_older_s, PAUSES * pulse.pause_s)
            over = pulse.age_s / limit_s
            if over > 1.0:
                silent.append(pulse.channel)
            if worst is None or over > worst[0]:
                worst = over, limit_s, pulse
        if worst is None:
            return None
        _, limit_s, pulse = worst
        names = ", ".join(silent) or pulse.channel
        return _Reading(pulse.age_s, limit_s, f"nothing of {names} for {pulse.age_s:.0f} s")


class _Window:
    """How much a count has grown within the last so many seconds, to a sixtieth of them."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._samples: deque[tuple[float, float]] = deque()  # when, count

    def grown(self, count: float, now: float) -> float:
        """The growth up to now; nothing at first."""
        samples = self._samples
        if not samples or now - samples[-1][0] >= self._length_s / 60:
            samples.append((now, count))
        while len(samples) > 1 and samples[1][0] <= now - self._length_s:
            samples.popleft()
        return count - samples[0][1]


def _alert(key: Key, state: str, reading: _Reading, now_ns: int) -> Alert:
    kind, subject = key
    instrument = subject if kind in {"stale", "fallback"} else None
    value, limit = round(reading.value, 3), round(reading.limit, 3)
    return Alert(instrument, "alert", None, now_ns, "built", kind, state, subject, value, limit, reading.text)

"""Telling a quiet market from a dead topic, by the topic's own usual rate. Pure: counts and time are arguments."""

from collections.abc import Mapping

from tapeline.model.topic import Topic

FLOOR_S = 30.0  # below this, silence says nothing whatever the rate
TIMES_USUAL = 20.0  # silence of so many usual gaps is doubtful: by chance once in e**20 for a Poisson stream
MEMORY = 0.1  # weight of the newest sample in the usual rate


MISSED, DEAF_AFTER_S = 5, 25.0  # so many events of others, and so long, without one of our own


class _Pulse:
    __slots__ = ("count", "moved_at", "patience", "sampled_at", "usual_gap_s")

    def __init__(self, count: int, now: float) -> None:
        self.count = count
        self.moved_at = self.sampled_at = now
        self.usual_gap_s: float | None = None
        self.patience = 1.0


class Freshness:
    """Learns each topic's usual gap between events from its running count."""

    def __init__(self) -> None:
        self._pulses: dict[Topic, _Pulse] = {}

    def sample(self, counts: Mapping[Topic, int], now: float) -> list[Topic]:
        """Look at every topic's count; returns those that are silent for longer than their usual rate explains."""
        for topic in self._pulses.keys() - counts.keys():
            del self._pulses[topic]
        doubtful = []
        for topic, count in counts.items():
            pulse = self._pulses.get(topic)
            if pulse is None:
                self._pulses[topic] = _Pulse(count, now)
                continue
            self._learn(pulse, count, now)
            if pulse.usual_gap_s is not None and now - pulse.moved_at > self._limit_s(pulse):
                pulse.patience *= 2  # asked once; ask again only after twice the silence
                doubtful.append(topic)
        return doubtful

    def usual_gap_s(self, topic: Topic) -> float | None:
        """The learned gap between events; None while unknown."""
        pulse = self._pulses.get(topic)
        return None if pulse is None else pulse.usual_gap_s

    def _limit_s(self, pulse: _Pulse) -> float:
        return max(FLOOR_S, TIMES_USUAL * (pulse.usual_gap_s or 0.0)) * pulse.patience

    def _learn(self, pulse: _Pulse, count: int, now: float) -> None:
        came = count - pulse.count
        elapsed_s = now - pulse.sampled_at
        if came < 0:  # counted anew: the series was given up and asked for again
            pulse.count, pulse.moved_at, pulse.sampled_at = count, now, now
        if came <= 0 or elapsed_s <= 0:
            return
        gap_s = (now - pulse.moved_at) / came
        known = pulse.usual_gap_s
        pulse.usual_gap_s = gap_s if known is None else known + MEMORY * (gap_s - known)
        pulse.count, pulse.moved_at, pulse.sampled_at, pulse.patience = count, now, now, 1.0


class Deafness:
    """Finds topics that another connection brings and this one does not, from our own count and that of all."""

    def __init__(self) -> None:
        self._marks: dict[Topic, tuple[int, int, float]] = {}  # both counts, and when, as our own last moved

    def sample(self, counts: Mapping[Topic, tuple[int, int]], now: float) -> list[Topic]:
        """Look at (own count, count of all) of every topic; returns those that do not come here, each once a turn."""
        for topic in self._marks.keys() - counts.keys():
            del self._marks[topic]
        deaf = []
        for topic, (own, total) in counts.items():
            mark = self._marks.get(topic)
            missed = mark is not None and total - mark[1] >= MISSED and now - mark[2] >= DEAF_AFTER_S
            if mark is not None and own == mark[0] and missed:
                deaf.append(topic)
            if mark is None or own != mark[0] or missed:
                self._marks[topic] = own, total, now
        return deaf

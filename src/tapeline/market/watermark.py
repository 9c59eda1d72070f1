"""Up to when a connection has told us everything, and what time it is at the venue. Pure: time comes as an argument."""

from collections import deque
from dataclasses import dataclass
from statistics import median

from tapeline.model.interval import SECOND_NS

AHEAD_NS = 5 * SECOND_NS
AGREEING = 4  # a stamp far ahead and the next three
_SAMPLES = 5
_APART_S = 2.0  # two readings closer than this cannot tell a clock that runs from one that stands
_DRIFT_NS = SECOND_NS


class Watermark:
    """The instant before which nothing more is expected of one connection: its latest stamp minus the lateness.

    A stamp more than 5 s ahead of the venue's clock (or any, while that is unknown) moves it only as far as the next
    three agree, so that one wild stamp never closes a bar and a tape played at twenty times its speed does. While the
    connection is provably alive the venue's clock moves it too, so that the bars of a quiet symbol close on time.
    """

    __slots__ = ("_ahead", "_frozen", "_lateness_ns", "_latest_ns", "far_ahead")

    def __init__(self, lateness_ns: int) -> None:
        self._lateness_ns = lateness_ns
        self._latest_ns: int | None = None
        self._ahead: deque[int] = deque(maxlen=AGREEING)
        self._frozen = False
        self.far_ahead = 0  # stamps more than 5 s ahead of a known clock

    @property
    def value_ns(self) -> int | None:
        """The watermark, lateness taken off; None before the first stamp. It never goes back."""
        return None if self._latest_ns is None else self._latest_ns - self._lateness_ns

    def stamp(self, at_ns: int, venue_now_ns: int | None) -> None:
        """A frame of this connection bears this stamp; ends a freeze. Tell one stamp a frame, its last."""
        self._frozen = False
        if self._latest_ns is not None and at_ns <= self._latest_ns:
            self._ahead.clear()
        elif venue_now_ns is not None and at_ns <= venue_now_ns + AHEAD_NS:
            self._ahead.clear()
            self._latest_ns = at_ns
        else:
            self.far_ahead += venue_now_ns is not None
            self._ahead.append(at_ns)
            if len(self._ahead) == AGREEING:
                self._advance(min(self._ahead))

    def alive(self, venue_ns: int) -> None:
        """The connection was provably alive when the venue's clock showed this."""
        if not self._frozen:
            self._advance(venue_ns)

    def freeze(self) -> None:
        """The connection is down: nothing moves the watermark until the next stamp."""
        self._frozen = True
        self._ahead.clear()

    def _advance(self, to_ns: int) -> None:
        if self._latest_ns is None or to_ns > self._latest_ns:
            self._latest_ns = to_ns


@dataclass(frozen=True, slots=True)
class VenueClockStatistics:
    """`running`: the venue's clock keeps our pace; else (a replayed tape) it is only read, never extrapolated."""

    samples: int
    round_trip_s: float | None
    running: bool
    server_ns: int | None


class VenueClock:
    """The venue's clock, from its answers: halved round trips, the median of the last five offsets.

    A clock that did not advance with ours between two readings (one that stands still, or a tape at another speed) is
    not extrapolated: a venue whose clock stands still must never close a bar.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float, int]] = deque(maxlen=_SAMPLES)  # sent, offset in ns, server time
        self._trips: deque[float] = deque(maxlen=_SAMPLES)
        self._count = 0
        self._running = False
        self._offset_ns = 0.0  # the median, kept: it is asked for with every sign of life

    def sample(self, sent: float, server_ns: int, received: float) -> None:
        """The venue answered with this time; when we asked and when the answer came, in monotonic seconds."""
        offset_ns = server_ns - (sent + received) / 2 * SECOND_NS
        apart = [sample for sample in self._samples if sent - sample[0] >= _APART_S]
        if apart:
            self._running = abs(offset_ns - apart[-1][1]) <= _DRIFT_NS
            if not self._running:  # what it was says nothing of what it is
                self._samples.clear()
        self._samples.append((sent, offset_ns, server_ns))
        self._offset_ns = median(offset for _, offset, _ in self._samples)
        self._trips.append(received - sent)
        self._count += 1

    def estimate(self, now: float) -> int | None:
        """The venue's time at this monotonic instant, UTC ns; None before the first answer."""
        if self._running:
            return int(self._offset_ns + now * SECOND_NS)
        known = [server_ns for sent, _, server_ns in self._samples if sent <= now]
        return known[-1] if known else None

    def statistics(self) -> VenueClockStatistics:
        """What is known of it."""
        return VenueClockStatistics(
            samples=self._count,
            round_trip_s=median(self._trips) if self._trips else None,
            running=self._running,
            server_ns=self._samples[-1][2] if self._samples else None,
        )

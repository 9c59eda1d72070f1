"""One connection's life as a pure state machine: frames and time in, events and frames out."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tapeline.errors import BadData
from tapeline.model.event import Event, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.plausible import CHECKS, impossible
from tapeline.model.topic import Topic
from tapeline.venues.spec import Ack, Closing, Control, Pong, Problem, Refusal, Venue
from tapeline.wire.pace import at_most
from tapeline.wire.score import Signs
from tapeline.wire.wants import Outcome, Wants

CONTROL = (Ack, Closing, Pong, Problem, Refusal)
# One look-up an item on the hot path: what says something of an item's class is a reason to look closer.
_SUSPECT: dict[type, Callable[[Any], str]] = {**CHECKS, **dict.fromkeys(CONTROL, lambda _item: "control")}


class Redial(Exception):  # a verdict on the connection, not an error of the program
    """This connection is over; open another one. `tripped`: too many bad frames, leave the venue alone a while."""

    def __init__(self, reason: str, *, tripped: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tripped = tripped


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every deadline of a connection, in seconds; the venue's own where the user set none."""

    ack_s: float = 10.0
    first_data_s: float = 30.0
    silence_s: float = 60.0
    heartbeat_s: float = 20.0
    idle_ping_s: float = 5.0  # nothing heard for so long: ask for a sign of life, so that a quiet bar closes on time
    max_age_s: float = float("inf")
    bad_frames: int = 10


class Session:
    """Subscribes what is wanted at the venue's pace, watches every deadline, turns frames into events.

    `problem(kind, text, frame)` hears of everything that could not be read. `received` and `tick` raise Redial.
    """

    def __init__(
        self, venue: Venue, instruments: Mapping[str, Instrument], topics: Iterable[Topic], *,
        timing: Timing, now: float, problem: Callable[[str, str, bytes], None],
    ) -> None:  # fmt: skip
        self._venue = venue
        self._timing = timing
        self._problem = problem
        self._decode = venue.decoder(venue.name, instruments)
        self.wants = Wants(venue, instruments, timing.ack_s, timing.first_data_s)
        self.wants.set(topics)
        self._bucket = at_most(venue.limits.messages_per_s, 1.0, now)
        self._hourly = at_most(venue.limits.requests_per_hour, 3600.0, now)
        self._unsent: deque[bytes] = deque()
        self._opened_at = self._heard_at = now
        self._ping_at = now + timing.heartbeat_s
        self._pinged_at: float | None = None  # a ping that is not answered yet
        self._ping_sent_at = now
        self._asked_at = float("-inf")  # the first ping since anything was heard
        self.ping_due = False
        self.dirty = True  # there may be something to send, or a new deadline
        self.ping_s: float | None = None
        self.answers = 0  # pings that were answered
        self.successor_wanted = ""  # why another connection should take over soon
        self.frames = 0
        self.bytes = 0
        self.bad_frames = 0
        self.sample: tuple[bytes, Sequence[Any]] | None = None  # the latest frame that meant something, and what
        self._bad_in_row = 0

    @property
    def age_from(self) -> float:
        """When this connection opened, on the monotonic clock."""
        return self._opened_at

    @property
    def heard_at(self) -> float:
        """When anything last came, pongs included."""
        return self._heard_at

    def want(self, topics: Iterable[Topic]) -> None:
        """Make this the desired set; what differs is asked for, or given back."""
        self.wants.set(topics)
        self.dirty = True

    def heard(self, now: float) -> None:
        """Transport pings and pongs count as life."""
        self._heard_at = now
        self._answered(now)

    def signs(self, now: float) -> Signs:
        """What a score is made of; asks for life where that was not done for a while, however busy the line is."""
        if now >= self._ping_sent_at + self._timing.idle_ping_s:
            self.ask_for_life(now)
        return Signs(
            age_s=now - self._opened_at, ping_s=self.ping_s, answers=self.answers,
            unanswered_s=now - self._asked_at if self._heard_at < self._asked_at else 0.0, frames=self.frames,
            bad_frames=self.bad_frames,
        )  # fmt: skip

    def ask_for_life(self, now: float) -> None:
        """Ping without waiting for the line to fall idle."""
        self._pinged(now)
        self._bucket.take(now)
        self.ping_due = self.dirty = True

    def received(  # the hot path: each call saved is worth 60 ns of the 2.2 us a message costs
        self, frames: Sequence[bytes], now: float, received_ns: int, events: list[Event],
        stamps: list[int | None] | None = None,
    ) -> None:  # fmt: skip
        """Add what these frames hold to `events`, checked, and the stamp of each market frame's last to `stamps`.

        Control is acted upon. Raises Redial; what came before the frame that ended it is in the lists.
        """
        self._heard_at = now
        self.frames += len(frames)
        decode, suspect, awaiting = self._decode, _SUSPECT.get, self.wants.awaiting
        items: Sequence[Event | Control] = ()
        for frame in frames:
            self.bytes += len(frame)
            try:
                items = decode(frame, received_ns)
            except BadData as bad:
                self._bad(bad.kind, str(bad), frame)
                continue
            except Exception as bug:  # noqa: BLE001  # a venue may come from outside the package: its bug costs one frame
                self._bad("decoder", repr(bug), frame)
                continue
            self._bad_in_row = 0
            if len(items) == 1:  # nearly all; and of a trade what `plausible` asks, without a call
                item: Any = items[0]
                if item.__class__ is Trade:
                    price, size = item.price, item.size
                    fine = price.is_finite() and size.is_finite() and not size.is_signed()
                else:
                    check = suspect(item.__class__)
                    fine = check is None or not check(item)
                if fine:
                    events.append(item)
                    if stamps is not None:
                        stamps.append(item.at_ns)
                    if awaiting:
                        self._delivered(items)
                    continue
            items = self._several(items, frame, now, events, stamps)
        if items:
            self.sample = frame, items

    def outgoing(self, now: float) -> list[bytes]:
        """Frames to send now, within the venue's rate. The rest is asked for later, and its deadlines start then."""
        self.dirty = False
        ready = []
        while self._unsent or self._may_ask(now):
            if not self._unsent:
                subscribe = self.wants.request(now)
                if subscribe is None:
                    break
                self._hourly.take(now)
                self._unsent.extend(self._venue.requests(subscribe))
            elif self._bucket.take(now):
                ready.append(self._unsent.popleft())
            else:
                break
        return ready

    def deadline(self, now: float) -> float:
        """When `tick` or `outgoing` next has something to do."""
        pace_at = self._bucket.ready_at(now) if self._unsent else float("inf")
        wants_at = max(self.wants.deadline(), self._bucket.ready_at(now), self._hourly.ready_at(now))
        age_at = self._opened_at + self._timing.max_age_s if not self.successor_wanted else float("inf")
        return min(self._heard_at + self._timing.silence_s, self._ping_at, self._idle_at(), wants_at, pace_at, age_at)

    def tick(self, now: float) -> None:
        """Act on every deadline that has passed. Raises Redial."""
        self.dirty = True
        if now >= self._heard_at + self._timing.silence_s:
            raise Redial(f"silent for {self._timing.silence_s:g} s")
        if now >= self._opened_at + self._timing.max_age_s and not self.successor_wanted:
            self.successor_wanted = "the connection reached its age limit"
        if now >= self._ping_at:
            self._ping(now)
        elif now >= self._idle_at():
            self.ask_for_life(now)
        failed = self.wants.tick(now)
        if failed:
            raise Redial(failed)

    def outcomes(self) -> list[Outcome]:
        """What became of topics since the last call."""
        return self.wants.outcomes()

    def _ping(self, now: float) -> None:
        self._ping_at = now + self._timing.heartbeat_s
        self._pinged(now)
        if self._venue.heartbeat.ping is None:
            self._bucket.take(now)
            self.ping_due = True
        else:
            self._unsent.appendleft(self._venue.heartbeat.ping)

    def _pinged(self, now: float) -> None:
        self._pinged_at = self._ping_sent_at = now
        if self._asked_at <= self._heard_at:
            self._asked_at = now

    def _idle_at(self) -> float:
        return max(self._heard_at, self._ping_sent_at) + self._timing.idle_ping_s

    def _may_ask(self, now: float) -> bool:
        return max(self._bucket.ready_at(now), self._hourly.ready_at(now)) <= now

    def _answered(self, now: float) -> None:
        if self._pinged_at is not None:
            self.ping_s, self._pinged_at = now - self._pinged_at, None
            self.answers += 1

    def _several(
        self, items: Sequence[Event | Control], frame: bytes, now: float, events: list[Event],
        stamps: list[int | None] | None,
    ) -> Sequence[Event | Control]:  # fmt: skip
        """The same for what is not one plain event; returns the events of it."""
        for item in items:
            check = _SUSPECT.get(item.__class__)
            if check is not None and check(item):
                items = self._sorted_out(items, frame, now)
                break
        else:  # a notice's stamp says nothing of the market
            if stamps is not None and items:
                stamps.append(items[-1].at_ns)  # type: ignore[union-attr]  # no control is in it
        if items:
            if self.wants.awaiting:
                self._delivered(items)
            events += items  # type: ignore[arg-type]  # no control is left
        return items

    def _sorted_out(self, items: Sequence[object], frame: bytes, now: float) -> Sequence[Event]:
        self.dirty = True
        events: list[Event] = []
        for item in items:
            match item:
                case Ack() | Refusal():
                    self._answer(item, frame, now)
                case Pong():
                    self._answered(now)
                case Closing(reason=reason):
                    self.successor_wanted = self.successor_wanted or f"the venue is closing: {reason}"
                case Problem(kind=kind, text=text):
                    self._count(kind, text, frame)
                case _:
                    why = impossible(item)  # type: ignore[arg-type]  # what is not control is an event
                    if why:
                        self._count("impossible", f"{type(item).__name__.lower()}: {why}", frame)
                    else:
                        events.append(item)  # type: ignore[arg-type]
        return events

    def _delivered(self, items: Sequence[Any]) -> None:
        for item in items:
            self.dirty |= self.wants.delivered(item.channel, item.instrument)

    def _answer(self, item: Ack | Refusal, frame: bytes, now: float) -> None:
        if isinstance(item, Ack):
            self.wants.acknowledged(item, now)
            return
        self._count("refused", f"{item.code} {item.text}", frame)
        if item.fatal:
            raise Redial(f"refused: {item.code} {item.text}")
        self.wants.refused(item, now)

    def _bad(self, kind: str, text: str, frame: bytes) -> None:
        self._bad_in_row += 1
        self._count(kind, text, frame)
        if self._bad_in_row >= self._timing.bad_frames:
            raise Redial(f"{self._bad_in_row} unreadable frames in a row, the last: {text}", tripped=True)

    def _count(self, kind: str, text: str, frame: bytes) -> None:
        self.bad_frames += kind != "refused"
        self._problem(kind, text, frame)

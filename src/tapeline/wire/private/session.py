"""One private connection as a state machine: opened step by step, kept alive, and over in time. Pure.

Time is an argument. What it raises is `Over`, and nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tapeline.errors import BadData
from tapeline.model.account import AccountEvent
from tapeline.model.secret import Credentials
from tapeline.venues.orders import Answered, Beat, Ending, Expired, PrivateDecode

HARMLESS = frozenset({"unused", "unknown_type"})  # frames that say nothing of orders, fills or balances
BAD_IN_ROW = 10
KEEP_AGAIN = 0.1  # of the time between two keep-alives: a failed one is tried again after it
KEPT_FOR = 1.9  # times `keep_s` after which a key that was not kept alive is taken for lost

Heard = AccountEvent | Answered


class Over(Exception):  # a verdict on the connection, not an error of the program
    """This connection is over; open another one. `refusal`: the venue's answer to a step of the opening."""

    def __init__(self, reason: str, *, cause: str = "link_down", refusal: Answered | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause  # of the Gap: link_down | silence
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a private connection is opened and kept. `keep_s`: its listen key is kept alive so often."""

    decoder: PrivateDecode
    opening: tuple[Callable[[Credentials, int, str], bytes], ...] = ()
    ping: bytes | None = None
    ping_every_s: float = 20.0
    silence_s: float = 60.0
    keep_s: float = float("inf")
    answer_s: float = 10.0  # how long the venue may take over a step of the opening


class PrivateSession:
    """`opened` once every step of the opening was answered. `doubt` says what may have been missed, "" for nothing."""

    def __init__(self, way: Way, credentials: Credentials, now: float) -> None:
        self._way, self._credentials = way, credentials
        self.heard_at = now
        self._step = 0  # the next request of the opening
        self._asked: tuple[str, float] | None = None  # request id and deadline of the step under way
        self._ping_at = now + way.ping_every_s
        self._keep_at, self._keep_by = now + way.keep_s, now + way.keep_s * KEPT_FOR
        self._bad_in_row = 0
        self._ended: Over | None = None
        self.opened = not way.opening
        self.ping_due = False  # a transport ping
        self.keep_due = False
        self.closing = ""  # why the venue is about to close it, though it delivers still
        self.doubt = ""
        self.frames = self.bad_frames = 0

    def received(self, frames: Sequence[bytes], now: float, received_ns: int) -> list[Heard]:
        """What these frames say that is for others, until one that ends the connection: `tick` then raises Over."""
        self.heard_at = now
        heard: list[Heard] = []
        for frame in frames:
            if self._ended is not None:
                break
            self.frames += 1
            try:
                items = self._way.decoder(frame, received_ns)
            except BadData as bad:
                self._bad(bad.kind, str(bad))
                continue
            except Exception as bug:  # noqa: BLE001  # a venue may come from outside the package: its bug costs one frame
                self._bad("decoder", repr(bug))
                continue
            self._bad_in_row = 0
            for item in items:
                if isinstance(item, Expired):
                    self._ended = self._ended or Over(f"expired: {item.reason}")
                elif isinstance(item, Ending):
                    self.closing = item.reason or "it said so"
                elif isinstance(item, Answered) and self._asked is not None:
                    self._answered(item)
                elif not isinstance(item, Beat):
                    heard.append(item)
        return heard

    def heard(self, now: float) -> None:
        """Transport pings and pongs count as life."""
        self.heard_at = now

    def outgoing(self, now: float, venue_ns: Callable[[], int]) -> list[bytes]:
        """Frames to send now. `venue_ns` gives the venue's clock, for signatures."""
        ready = []
        if not self.opened and self._asked is None:
            request_id = f"open{self._step + 1}"
            ready.append(self._way.opening[self._step](self._credentials, venue_ns(), request_id))
            self._asked = request_id, now + self._way.answer_s
        if now >= self._ping_at:
            self._ping_at = now + self._way.ping_every_s
            if self._way.ping is None:
                self.ping_due = True
            else:
                ready.append(self._way.ping)
        return ready

    def kept(self, now: float) -> None:
        """The listen key was kept alive."""
        self._keep_at, self._keep_by = now + self._way.keep_s, now + self._way.keep_s * KEPT_FOR

    def ask_for_life(self, now: float) -> None:
        """Have a ping sent now: what answers it is in `heard_at`."""
        self._ping_at = now

    def deadline(self) -> float:
        """When `tick` or `outgoing` next has something to do."""
        if not self.opened and self._asked is None:
            return self.heard_at
        answer_by = self._asked[1] if self._asked is not None else float("inf")
        return min(answer_by, self.heard_at + self._way.silence_s, self._keep_by, self._ping_at, self._keep_at)

    def tick(self, now: float) -> None:
        """Act on what has come and on every deadline that has passed. Raises Over."""
        if self._ended is not None:
            raise self._ended
        if self._asked is not None and now >= self._asked[1]:
            raise Over(f"step {self._step + 1} of the opening was not answered within {self._way.answer_s:g} s")
        if now >= self.heard_at + self._way.silence_s:
            raise Over(f"silent for {self._way.silence_s:g} s", cause="silence")
        if now >= self._keep_by:
            raise Over("the listen key could not be kept alive")
        if now >= self._keep_at:
            self._keep_at = now + self._way.keep_s * KEEP_AGAIN
            self.keep_due = True

    def _answered(self, answer: Answered) -> None:
        """To a step of the opening. Not every venue repeats the id of a login."""
        assert self._asked is not None, "answers are read here only while a step is under way"
        request_id, _ = self._asked
        if answer.request_id not in {"", request_id}:
            return  # one that has come twice
        if answer.status >= 300:
            self._ended = Over(f"step {self._step + 1} of the opening was refused", refusal=answer)
            return
        self._step += 1
        self._asked = None
        self.opened = self._step == len(self._way.opening)

    def _bad(self, kind: str, text: str) -> None:
        if kind in HARMLESS:
            return
        self.bad_frames += 1
        self._bad_in_row += 1
        self.doubt = f"a frame could not be read: {kind}: {text}"
        if self._bad_in_row >= BAD_IN_ROW:
            self._ended = Over(f"{self._bad_in_row} unreadable frames in a row, the last: {text}")

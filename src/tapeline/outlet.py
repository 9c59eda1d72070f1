"""A bounded hand-over from the loop's plain calls to one slow reader: `async for event in outlet`."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from tapeline.clock import Clock, SystemClock
from tapeline.errors import ConfigError
from tapeline.model.event import (
    Alert,
    BookDelta,
    BookSnapshot,
    Dispute,
    Event,
    Gap,
    Level,
    Link,
    Liquidation,
    Notice,
    Repair,
    Status,
    Trade,
)

Policy = Literal["block", "drop_oldest", "conflate"]
_REFUSED = frozenset({Trade, Liquidation})
_ONE_BY_ONE = frozenset({Alert, Dispute, Gap, Link, Notice, Repair, Status})
EACH_COUNTS = ("trades", "aggtrades", "liquidations")  # channels that cannot be conflated


@dataclass(frozen=True, slots=True)
class OutletStatistics:
    """What went in, came out, fell; whether feeds wait for its reader."""

    policy: str
    taken: int
    delivered: int
    dropped: int
    conflated: int
    waiting: int
    blocked: bool


def newest_of(event: Event) -> Hashable | None:
    """What only the newest matters of: the usual `key` of an outlet that conflates. None: each one counts."""
    kind = type(event)
    if kind in _ONE_BY_ONE:
        return None
    return kind, event.channel, event.instrument, getattr(event, "open_at_ns", None)


class Outlet:
    """Give `put` to the bus; iterate on the other side, one event at a time, or lists of all that wait (`batch`).

    `drop_oldest` keeps the newest `size`, drops counted. `conflate` keeps the newest event of each `key`, where the
    first of them stood: of a quote, a ticker, each bar; deltas of a book become one delta, so that a book built from
    them stays right. Trades and liquidations are refused with ConfigError. `block` drops nothing: while it is over
    `size`, the feeds stop reading and the venue waits. `max_per_s` bounds deliveries by conflating, and is refused
    for the same.
    """

    def __init__(
        self, policy: Policy = "drop_oldest", size: int = 10_000, *, batch: bool = False,
        max_per_s: float | None = None, key: Callable[[Event], Hashable | None] = newest_of,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        if size < 1 or not (max_per_s is None or max_per_s > 0):
            raise ConfigError(f"an outlet holds at least one event ({size}) at a rate above zero ({max_per_s})")
        if policy not in {"block", "drop_oldest", "conflate"}:
            raise ConfigError(f"unknown policy {policy!r}: block, drop_oldest or conflate")
        if policy == "block" and max_per_s is not None:
            raise ConfigError("block drops nothing, and max_per_s conflates: use one of them")
        self.policy: Policy = policy
        self._size, self._batch, self._max_per_s = size, batch, max_per_s
        self._key, self._clock = key, clock or SystemClock()
        self._conflating = policy == "conflate" or max_per_s is not None
        self._queue: deque[Event] = deque()
        self._newest: OrderedDict[object, Event] = OrderedDict()
        self._awake = asyncio.Event()
        self._drained = asyncio.Event()
        self._closed = False
        self._left: list[Callable[[], object]] = []
        self._next_at = 0.0
        self._taken = self._delivered = self._dropped = self._conflated = 0

    def check(self, channel: str | None) -> None:
        """Raises ConfigError where this outlet would conflate what cannot be; None is every channel."""
        if self._conflating and (channel is None or channel in EACH_COUNTS):
            raise ConfigError(
                f"{channel or 'all channels, with trades among them,'} cannot be conflated: each one counts. "
                "Use drop_oldest or block, without max_per_s"
            )

    def put(self, event: Event) -> None:
        """Take an event; called on the loop, never waits."""
        if self._closed:
            return
        self._taken += 1
        if self._conflating:
            self._conflate(event)
        else:
            self._queue.append(event)
            if len(self._queue) > self._size and self.policy == "drop_oldest":
                self._queue.popleft()
                self._dropped += 1
        if not self._awake.is_set():
            self._awake.set()

    @property
    def blocked(self) -> bool:
        """Whether a `block` outlet is over its mark: feeds must not read."""
        return self.policy == "block" and len(self._queue) >= self._size and not self._closed

    async def wait_room(self) -> None:
        """Wait until it is under half its mark again."""
        while self.blocked:
            self._drained.clear()
            await self._drained.wait()

    def close(self) -> None:
        """Take nothing more, and be forgotten by whoever feeds it; the reader ends once it has read what waits."""
        self._closed = True
        while self._left:
            self._left.pop()()
        self._awake.set()
        self._drained.set()

    def on_close(self, leave: Callable[[], object]) -> None:
        """Call this once it is closed; at once where it is already."""
        if self._closed:
            leave()
        else:
            self._left.append(leave)

    def __aiter__(self) -> "Outlet":
        return self

    async def __anext__(self) -> Any:
        """The next event, or all that wait where `batch`. Ends after `close`."""
        while not self._queue and not self._newest:
            if self._closed:
                raise StopAsyncIteration
            self._awake.clear()
            await self._awake.wait()
        if self._max_per_s is not None:
            await self._pace(self._max_per_s)
        if self._conflating:
            return self._take_newest()
        if self._batch:
            events, self._queue = list(self._queue), deque()
            self._delivered += len(events)
            self._drained.set()
            return events
        event = self._queue.popleft()
        self._delivered += 1
        if len(self._queue) * 2 < self._size:
            self._drained.set()
        return event

    def statistics(self) -> OutletStatistics:
        """Counts since the start."""
        return OutletStatistics(
            self.policy, self._taken, self._delivered, self._dropped, self._conflated,
            len(self._queue) + len(self._newest), self.blocked,
        )  # fmt: skip

    def _conflate(self, event: Event) -> None:
        kind = type(event)  # exact types: `isinstance` of what it is not costs four times as much
        if kind in _REFUSED:
            self.check(event.channel)
        key = self._key(event)
        if key is None:
            key = self._taken  # its own
        waiting = self._newest.get(key)
        if waiting is not None:
            self._conflated += 1
            if kind is BookDelta and type(waiting) is BookDelta:
                event = joined(waiting, cast("BookDelta", event))
        elif len(self._newest) >= self._size:
            self._newest.popitem(last=False)
            self._dropped += 1
        self._newest[key] = event
        if kind is BookSnapshot:  # it has all that waits before it
            before = (BookDelta, event.channel, event.instrument, None)
            self._conflated += self._newest.pop(before, None) is not None

    def _take_newest(self) -> Any:
        if self._batch:
            events = list(self._newest.values())
            self._newest.clear()
            self._delivered += len(events)
            return events
        _, event = self._newest.popitem(last=False)
        self._delivered += 1
        return event

    async def _pace(self, max_per_s: float) -> None:
        wait_s = self._next_at - self._clock.now()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self._next_at = self._clock.now() + 1 / max_per_s


def joined(first: BookDelta, second: BookDelta) -> BookDelta:
    """One delta that does what two in a row do."""
    return msgspec.structs.replace(
        second, bids=_later(first.bids, second.bids), asks=_later(first.asks, second.asks), first_seq=first.first_seq,
        prev_seq=first.prev_seq,
    )  # fmt: skip


def _later(first: Sequence[Level], second: Sequence[Level]) -> tuple[Level, ...]:
    return tuple((dict(first) | dict(second)).items())

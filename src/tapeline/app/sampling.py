"""What no stream of a venue brings (`Feed.asked`): asked for by REST every so often, and offered like a stream's."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tapeline.app.symbols import Symbols
from tapeline.clock import Clock
from tapeline.errors import BadData, Refused, Retry
from tapeline.model.channel import channel
from tapeline.model.event import Event
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.spec import Ask, Priority, ServerTime, Unreadable, Venue
from tapeline.wire.rest import Rest
from tapeline.wire.shards import Shard
from tapeline.wire.wants import Outcome

EVERY_S = 10.0
AGAIN_MOST_S = 60.0  # after a call that failed
SHARE = 0.25  # of the venue's allowance, at most, for all of these together
_NO_EVENTS = Instrument | ServerTime | Unreadable


@dataclass(frozen=True, slots=True)
class SamplingStatistics:
    """`every_s` is the pause between two calls for the same; `live` are the topics whose last call was answered."""

    venue: str
    topics: int
    live: int
    requests: int
    failures: int
    every_s: float


Offer = Callable[[Sequence[Event], Sequence[int | None], Shard, float], None]


class Sampler:
    """The asked topics of one venue. `offer` takes what came, as from a shard; `told` hears what became of a topic, and
    `broken` of one that had been answered and is answered no more.
    """

    def __init__(
        self, venue: Venue, rest: Rest, symbols: Symbols, clock: Clock, *, offer: Offer,
        told: Callable[[Outcome], None], broken: Callable[[Iterable[Topic], str], None],
    ) -> None:  # fmt: skip
        self._venue, self._rest, self._symbols, self._clock = venue, rest, symbols, clock
        self._offer, self._told, self._broken = offer, told, broken
        self._shard = Shard(venue.name, "rest", 0)
        self._due: dict[Topic, float] = {}
        self._failed: dict[Topic, int] = {}  # calls in a row
        self._changed = asyncio.Event()
        self._requests = self._failures = 0
        self.live: set[Topic] = set()

    def add(self, topics: Iterable[Topic]) -> list[Topic]:
        """Take those that are asked for; returns the others, which are streamed."""
        streamed = []
        for topic in topics:
            if not self._call(topic):
                streamed.append(topic)
            elif topic not in self._due:
                self._due[topic] = self._clock.now()
                self._changed.set()
        return streamed

    def remove(self, topics: Iterable[Topic]) -> None:
        """Ask for these no more."""
        for topic in topics:
            self._due.pop(topic, None)
            self._failed.pop(topic, None)
            self.live.discard(topic)

    @property
    def every_s(self) -> float:
        """Between two calls for one topic: longer where the venue's allowance would not bear it."""
        spent = dict[str, float]()
        for topic in self._due:
            call = self._call(topic)
            request = self._venue.rest[call].build(Ask(call, topic.native))
            spent[request.budget] = spent.get(request.budget, 0.0) + request.weight
        return max([EVERY_S, *(
            spent[each.name] * each.window_s / (SHARE * each.weight)
            for each in self._venue.limits.rest if each.name in spent
        )])  # fmt: skip

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            now = self._clock.now()
            for topic in sorted(topic for topic, due_at in self._due.items() if due_at <= now):
                await self._ask(topic)
            if not self._due:
                await self._changed.wait()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.01, min(self._due.values()) - self._clock.now())):
                    await self._changed.wait()

    def statistics(self) -> SamplingStatistics:
        """How it is getting on."""
        return SamplingStatistics(
            venue=self._venue.name, topics=len(self._due), live=len(self.live), requests=self._requests,
            failures=self._failures, every_s=self.every_s,
        )  # fmt: skip

    # ---- inside ----------------------------------------------------------------------------------------------

    def _call(self, topic: Topic) -> str:
        return self._venue.feeds[channel(topic.channel).kind].asked

    async def _ask(self, topic: Topic) -> None:
        ids = {topic.native: self._symbols.id_of(topic.native)}
        self._requests += 1
        try:
            answers = await self._rest.call(Ask(self._call(topic), topic.native), ids, priority=Priority.REPAIRS)
        except Refused as no:
            if topic in self._due:
                self._missed(topic)
                self.remove([topic])
                self._told(Outcome(topic, "refused", no.code, str(no)))
        except (Retry, BadData) as trouble:
            if topic in self._due:
                self._missed(topic)
                self._later(topic, getattr(trouble, "after_s", None) or 0.0, str(trouble))
        else:
            if topic in self._due:
                self._came(
                    topic, [each for each in answers if not isinstance(each, Instrument | ServerTime | Unreadable)]
                )

    def _came(self, topic: Topic, events: Sequence[Event]) -> None:
        self._due[topic] = self._clock.now() + self.every_s
        self._failed.pop(topic, None)
        self._offer(events, (), self._shard, self._clock.now())
        if topic not in self.live:
            self.live.add(topic)
            self._told(Outcome(topic, "live"))

    def _missed(self, topic: Topic) -> None:
        self._failures += 1
        if topic in self.live:
            self.live.discard(topic)
            self._broken((topic,), "silence")

    def _later(self, topic: Topic, after_s: float, why: str) -> None:
        failed = self._failed[topic] = self._failed.get(topic, 0) + 1
        self._due[topic] = self._clock.now() + max(after_s, min(AGAIN_MOST_S, 2.0 ** (failed - 1)))
        if failed == 1:
            self._told(Outcome(topic, "timed_out", text=why))

"""A feed on a virtual loop, with a network of its own: what the tests of feeds and their connections share."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from wire_fakes import INSTRUMENTS, START_NS, TOY, Net, Recorder, Script, frame, trade_frame

from tapeline.errors import ConnectionLost
from tapeline.model.event import Gap, Link, Trade
from tapeline.model.topic import Topic
from tapeline.sim.loop import VirtualClock, run
from tapeline.wire.breaker import Breaker
from tapeline.wire.feed import KeepFed, keep_fed
from tapeline.wire.leg import Patience
from tapeline.wire.merge import Merge
from tapeline.wire.pace import TokenBucket, backoff
from tapeline.wire.session import Timing
from tapeline.wire.shards import Shard

LOST = ConnectionLost("no route")


def ceilings() -> Iterator[float]:
    """Back-off without chance: 0, 1, 2, 4 ... 60 s."""
    return backoff(1.0, 60.0, lambda: 1.0)


class Stage:
    """One feed on a virtual loop, with a network of its own."""

    def __init__(
        self, tasks: asyncio.TaskGroup, *topics: Topic, patience: Patience | None = None, net: Net | None = None,
        delays: Callable[[], Iterator[float]] = ceilings, breaker: Breaker | None = None,
        gate: TokenBucket | None = None, sink: Recorder | None = None, connections: int = 1,
        score: bool = False, **timing: Any,
    ) -> None:  # fmt: skip
        self.net, self.sink = net or Net(), sink or Recorder()
        self.shard = Shard("toy", "public", 1)
        self.shard.topics = set(topics)
        self.breaker = breaker or Breaker(10, 30.0)
        self.feed = KeepFed(
            TOY, self.shard, url="wss://toy", instruments=INSTRUMENTS, timing=Timing(**timing),
            patience=patience or Patience(), dial=self.net.dial, sink=self.sink, clock=VirtualClock(START_NS),
            delays=delays, breaker=self.breaker, gate=gate or TokenBucket(1000.0, 1000.0, 0.0),
            connections=connections, score=score,
        )  # fmt: skip
        self.told: list[BaseException] = []
        self.task = tasks.create_task(keep_fed(self.feed, restarted=self.told.append, delays=delays), name="feed")

    def want(self, topics: Iterable[Topic]) -> None:
        self.shard.topics = set(topics)
        self.shard.changed()

    @property
    def script(self) -> Script:
        return self.net.scripts[-1]

    @property
    def open(self) -> list[int]:
        """Which connections are open."""
        return [script.number for script in self.net.scripts if not script.closed]

    def links(self, change: str) -> list[Link]:
        return [link for link in self.sink.links if link.change == change]

    def states(self) -> list[str]:
        out: list[str] = []
        for link in self.sink.links:
            if not out or out[-1] != link.state:
                out.append(link.state)
        return out


def on_stage(act: Callable[[asyncio.TaskGroup], Awaitable[Stage]]) -> None:
    """Run, then end the feed; nothing may be left behind."""

    async def main() -> None:
        async with asyncio.timeout(1e6), asyncio.TaskGroup() as tasks:
            stage = await act(tasks)
            stage.task.cancel()
            await asyncio.wait({stage.task})
            assert stage.open == []
            assert len(asyncio.all_tasks()) == 1

    run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


def seqs(sink: Recorder, name: str = "toy:A/X") -> list[int | None]:
    return [event.seq for event in sink.events if isinstance(event, Trade) and event.instrument == name]


def ticking(script: Script) -> None:
    """A venue that confirms, then brings one trade a second, numbered by its own clock."""

    def tick() -> None:
        if not script.closed:
            script.say(trade_frame("A", round(now())))
            asyncio.get_running_loop().call_later(1.0, tick)

    def on_send(script: Script, said: dict[str, Any]) -> None:
        if said["op"] == "on":
            script.say(frame(t="ack", id=said["id"]))
            loop = asyncio.get_running_loop()
            loop.call_at(int(now()) + 1.0, tick)

    script.on_send = on_send


class Merging(Recorder):
    """A recorder behind a real Merge."""

    def __init__(self, *topics: Topic) -> None:
        super().__init__()
        self.merge = Merge()
        for topic in topics or (Topic("trades", "A"),):
            self.merge.declare(f"toy:{topic.native}/X", topic.channel, TOY.feeds[topic.channel])

    def offer(self, events: Any, stamps: Any, shard: Shard, now: float) -> None:
        super().offer(self.merge.offer(events, now), stamps, shard, now)

    def release(self) -> None:
        """Wait no longer for what was jumped over."""
        self.events.extend(self.merge.release(now() + 100))

    def down(self, topics: frozenset[Topic], cause: str) -> None:
        super().down(topics, cause)
        for topic in topics:
            self.events.extend(self.merge.down(f"toy:{topic.native}/X", topic.channel, cause, now()))

    def overlap(self, topics: frozenset[Topic], *, on: bool) -> None:
        super().overlap(topics, on=on)
        for topic in topics:
            track = self.merge.track(f"toy:{topic.native}/X", topic.channel)
            assert track is not None, f"{topic} is declared"
            track.overlap(on=on)


def gaps(sink: Recorder) -> list[Gap]:
    return [event for event in sink.events if isinstance(event, Gap)]

"""A tiny venue in JSON, a memory pipe and a recording sink: what the tests of the wire share."""
# ruff: noqa: ARG002  # the sink has the protocol's signatures

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.errors import BadData, ConnectionLost
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Event, Link, Quote, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.spec import (
    Ack,
    Closing,
    Control,
    Decode,
    Feed,
    Heartbeat,
    Limits,
    Pong,
    Problem,
    Refusal,
    Subscribe,
    Venue,
)
from tapeline.wire.merge import rule_for
from tapeline.wire.pipe import AtOnce, Pipe
from tapeline.wire.shards import Shard
from tapeline.wire.wants import Outcome

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000


def instrument(native: str) -> Instrument:
    return Instrument(venue="toy", symbol=f"{native}/X", native=native, kind="spot", base=native, quote="X")


INSTRUMENTS = {native: instrument(native) for native in ("A", "B", "C")}


def trade(
    seq: int | None, *, at_ns: int | None = None, received_ns: int = 0, name: str = "toy:A/X", **more: Any
) -> Trade:
    at = START_NS + (seq or 0) if at_ns is None else at_ns
    return Trade(name, "trades", at, received_ns, "ws", str(seq), seq, "buy", Decimal(10), Decimal(1), **more)


def _read(said: dict[str, Any], ids: Mapping[str, str], received_ns: int) -> Event | Control:
    topic = Topic(*said["topic"]) if "topic" in said else None
    number = said.get("id")
    readers: dict[str, Callable[[], Event | Control]] = {
        "trade": lambda: trade(said["i"], received_ns=received_ns, name=ids.get(said["s"], f"toy:{said['s']}")),
        "bad_trade": lambda: replace_size(trade(said["i"], name=ids[said["s"]]), Decimal(-1)),
        "quote": lambda: quote(said["i"], received_ns=received_ns, name=ids[said["s"]]),
        "ack": lambda: Ack(number, topic),
        "refused": lambda: Refusal("17", "no such topic", number, topic, fatal=said.get("fatal", False)),
        "pong": Pong,
        "closing": lambda: Closing("maintenance"),
    }
    reader = readers.get(said["t"])
    return reader() if reader is not None else Problem("unknown_message", str(said))


def replace_size(event: Trade, size: Decimal) -> Trade:
    return msgspec.structs.replace(event, size=size)


def quote(update: int | None, *, at_ns: int | None = None, received_ns: int = 0, name: str = "toy:A/X") -> Quote:
    one = Decimal(1)
    return Quote(name, "quotes", at_ns, received_ns, "ws", one, one, one, one, update)


def _decoder(_venue: str, instruments: Mapping[str, Instrument]) -> Decode:
    ids = {native: known.id for native, known in instruments.items()}

    def decode(frame: bytes, received_ns: int) -> Sequence[Event | Control]:
        try:
            said = json.loads(frame)
        except ValueError as error:
            raise BadData(str(error), kind="bad_json") from error
        return [_read(each, ids, received_ns) for each in (said if isinstance(said, list) else [said])]

    return decode


def _requests(subscribe: Subscribe) -> list[bytes]:
    topics = [[topic.channel, topic.native] for topic in subscribe.topics]
    return [json.dumps({"op": "on" if subscribe.on else "off", "id": subscribe.request_id, "topics": topics}).encode()]


LIMITS = Limits(
    topics_per_connection=100, topics_per_request=10, messages_per_s=10.0, connections_per_window=100, window_s=10.0
)
TOY = Venue(
    name="toy",
    urls={"public": "wss://toy/ws", "rest": "https://toy"},
    feeds={
        "trades": Feed(channel="trades", wire_name="t", endpoint="public", continuity="seq"),
        "quotes": Feed(channel="quotes", wire_name="q", endpoint="public"),
        "liquidations": Feed(channel="liquidations", wire_name="l", endpoint="public", quiet=True),
    },
    heartbeat=Heartbeat(every_s=20.0, silence_s=60.0),
    limits=LIMITS,
    decoder=_decoder,
    requests=_requests,
    rest={},
)


def limited(**limits: Any) -> Venue:
    return replace(TOY, limits=replace(LIMITS, **limits))


def frame(**said: Any) -> bytes:
    return json.dumps(said).encode()


def trade_frame(native: str, seq: int) -> bytes:
    return frame(t="trade", s=native, i=seq)


TA, TB, TC = Topic("trades", "A"), Topic("trades", "B"), Topic("trades", "C")


class Script:
    """One connection's venue side: `sent` gets what we send; `say` brings a frame; `cut` ends it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sent: list[dict[str, Any]] = []
        self.pings = 0
        self.closed = False
        self.pongs = True  # whether transport pings are answered
        self.on_send: Callable[[Script, dict[str, Any]], None] = acknowledge
        self._waiting: list[bytes] = []
        self._life = self._woken = False
        self._over: ConnectionLost | None = None
        self._at_once: AtOnce | None = None
        self._news = asyncio.Event()

    def say(self, *frames: bytes) -> None:
        if self._at_once is not None and not self._news.is_set():
            if self._at_once(frames):
                self.wake()
            return
        self._waiting.extend(frames)
        self._news.set()

    def cut(self, reason: str = "cut", code: int | None = None) -> None:
        self._over = ConnectionLost(reason, code=code)
        self._news.set()

    async def receive(self, at_once: AtOnce | None = None) -> list[bytes]:
        while True:
            if self._life:
                self._life = False
                return []
            if self._waiting or self._woken:
                frames, self._waiting, self._woken = self._waiting, [], False
                return frames
            if self._over is not None:
                raise self._over
            self._news.clear()
            self._at_once = at_once
            try:
                await self._news.wait()
            finally:
                self._at_once = None

    async def send(self, raw: bytes) -> None:
        if self._over is not None:
            raise self._over
        said = json.loads(raw)
        self.sent.append(said)
        self.on_send(self, said)

    async def ping(self) -> None:
        self.pings += 1
        if self.pongs:
            self._life = True
            self._news.set()

    def wake(self) -> None:
        self._woken = True
        self._news.set()

    def topics(self, op: str = "on") -> list[str]:
        """What was asked for (or given back), in order."""
        return [f"{c} {n}" for said in self.sent if said.get("op") == op for c, n in said["topics"]]


def acknowledge(script: Script, said: dict[str, Any]) -> None:
    """A friendly venue: confirm, then the first data of each topic."""
    if said.get("op") != "on":
        return
    script.say(frame(t="ack", id=said["id"]))
    for channel, native in said["topics"]:
        if channel == "trades":
            script.say(trade_frame(native, 1))


def mute(_script: Script, _said: dict[str, Any]) -> None:
    """Says nothing at all."""


def only_confirms(script: Script) -> None:
    """Of a connection: it confirms what is asked for, and brings nothing."""
    script.on_send = lambda to, said: to.say(frame(t="ack", id=said["id"]))


class Net:
    """Dials by number: `behave[n]` is an error to raise, or what to do with a new connection's script."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.dialled: list[float] = []
        self.behave: dict[int, Exception | Callable[[Script], None]] = {}
        self.otherwise: Exception | Callable[[Script], None] | None = None

    def dial(self, url: str) -> Any:
        return self._dial(url)

    @asynccontextmanager
    async def _dial(self, _url: str) -> AsyncIterator[Pipe]:
        loop = asyncio.get_running_loop()
        number = len(self.dialled) + 1
        self.dialled.append(loop.time())
        what = self.behave.get(number, self.otherwise)
        await asyncio.sleep(0)
        if isinstance(what, Exception):
            raise what
        script = Script(number)
        self.scripts.append(script)
        if what is not None:
            what(script)
        try:
            yield script
        finally:
            script.closed = True


@dataclass
class Recorder:
    """A sink that writes down everything."""

    events: list[Event] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    samples: list[tuple[bytes, list[Event]]] = field(default_factory=list)
    slows: int = 0
    downs: list[tuple[frozenset[Topic], str]] = field(default_factory=list)
    overlaps: list[bool] = field(default_factory=list)
    silents: list[Topic] = field(default_factory=list)
    lives: list[float] = field(default_factory=list)
    frames: list[tuple[str, str, bytes, str]] = field(default_factory=list)
    counts: dict[Topic, int] = field(default_factory=dict)
    dead: dict[Topic, bool | None] = field(default_factory=dict)
    probed: list[Topic] = field(default_factory=list)
    free: asyncio.Event | None = None
    broken: Exception | None = None
    recording: bool = True

    def offer(self, events: Sequence[Event], stamps: Sequence[int | None], shard: Shard, now: float) -> None:
        if self.broken is not None:
            raise self.broken
        self.events.extend(events)
        for event in events:
            topic = Topic(event.channel, (event.instrument or "").removeprefix("toy:").removesuffix("/X"))
            self.counts[topic] = self.counts.get(topic, 0) + 1

    def alive(self, shard: Shard, heard_at: float) -> None:
        self.lives.append(heard_at)

    def frame(self, connection: str, direction: str, raw: bytes, at_ns: int, reason: str) -> None:
        self.frames.append((connection, direction, raw, reason))

    def slow(self) -> None:
        self.slows += 1

    def sample(self, connection: str, frame: bytes, events: Sequence[Event]) -> None:
        self.samples.append((frame, list(events)))

    def problem(self, connection: str, kind: str, text: str, frame: bytes) -> None:
        self.problems.append((kind, text))

    def outcome(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def count(self, topic: Topic) -> int:
        return self.counts.get(topic, 0)

    async def probe(self, topic: Topic) -> bool | None:
        self.probed.append(topic)
        await asyncio.sleep(0.1)
        return self.dead.get(topic, False)

    def silent(self, topic: Topic) -> None:
        self.silents.append(topic)

    @property
    def blocked(self) -> bool:
        return self.free is not None and not self.free.is_set()

    async def room(self) -> None:
        if self.free is not None:
            await self.free.wait()

    def link(self, link: Link) -> None:
        self.links.append(link)

    def down(self, topics: frozenset[Topic], cause: str) -> None:
        self.downs.append((topics, cause))

    def unproven(self, topics: frozenset[Topic], cause: str) -> None:
        self.down(
            frozenset(
                topic
                for topic in topics
                if not rule_for(TOY.feeds[topic.channel], parse_channel(topic.channel)).provable
            ),
            cause,
        )

    def overlap(self, topics: frozenset[Topic], *, on: bool) -> None:
        self.overlaps.append(on)

    def changes(self) -> list[str]:
        """The outages, bracketed: "up", "down", "down final"."""
        return [link.change + (" final" if link.final else "") for link in self.links if link.change in {"up", "down"}]


def no_waits() -> Iterator[float]:
    while True:
        yield 0.0

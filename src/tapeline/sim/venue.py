"""Any venue's server side, from its `Venue` value and a source: confirms, plays, enforces, misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tapeline.clock import Clock
from tapeline.errors import (
    AuthenticationRefused,
    BadData,
    ConfigError,
    ConnectionLost,
    TimedOut,
)
from tapeline.model.channel import channel
from tapeline.model.topic import Topic
from tapeline.sim.client import Client, Clients
from tapeline.sim.faults import DIAL, REQUEST, Spec
from tapeline.sim.limits import Meter
from tapeline.sim.paper.exchange import Answered, Paper, PaperSettings, Silence
from tapeline.sim.pipe import Line, memory_pipe
from tapeline.sim.playback import Player, Say
from tapeline.sim.rest_side import RestSide
from tapeline.sim.source import Source
from tapeline.venues.orders import OrderRequest
from tapeline.venues.spec import Other, Ping, Request, Subscribe, Venue
from tapeline.wire.pipe import Pipe, Response

POLICY = 1008  # the WebSocket code for a broken rule
# A venue's `Limits` are what we keep, a little under what it allows: what we enforce must not punish jitter.
MORE_MESSAGES, MORE_LIFE_S = 1.0, 1800.0
FETCH_MOST_S = 60.0


def _silent(_what: str, **_facts: object) -> None:
    """Nobody is told."""


class SimulatedVenue:
    """A venue in a box. `async with sim.open():` runs it; `dial` and `fetch` are its network, `serve` takes any `Line`.

    `speed` is a factor, or None for top speed. `say(what, **facts)` hears what happens, for a log. With `paper` it has
    accounts and takes orders: a paper exchange.
    """

    def __init__(
        self, venue: Venue, source: Source, *, clock: Clock, speed: float | None = 1.0, faults: Sequence[Spec] = (),
        say: Say = _silent, paper: PaperSettings | None = None,
    ) -> None:  # fmt: skip
        if venue.server is None:
            raise ConfigError(f"venue {venue.name!r} has no server side yet: it cannot be simulated")
        self.venue, self._server, self._limits = venue, venue.server, venue.limits
        self._source, self._clock, self._say = source, clock, say
        self.clients = Clients()
        self.player = Player(
            source, self.clients, venue.server, clock=clock, speed=speed, faults=faults, say=say,
            life_s=venue.limits.connection_life_s + MORE_LIFE_S,
        )  # fmt: skip
        self.paper = None if paper is None else Paper(venue, source, self.player, paper)
        self._dials = Meter(self._limits.connections_per_window, self._limits.window_s)
        self.rest = RestSide(venue, source, self.player, self.paper)
        self._tasks: asyncio.TaskGroup | None = None
        self.dialled = 0
        self.impatient = 0  # REST requests that were sent while we had told the client to wait
        self._told_s, self._silent_until_s = 0.0, 0.0

    # ---- life

    @asynccontextmanager
    async def open(self) -> AsyncIterator["SimulatedVenue"]:
        """Run it; on leaving, every connection ends."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks_of_ours = [tasks.create_task(self.player.run(), name=f"{self.venue.name} tape")]
            if self.paper is not None:
                tasks_of_ours.append(tasks.create_task(self.paper.keep_time(), name=f"{self.venue.name} timers"))
            try:
                yield self
            finally:
                self._tasks = None
                for task in tasks_of_ours:
                    task.cancel()
                for client in list(self.clients.all):
                    client.line.close(1001, "going away")

    # ---- the network, in memory

    @asynccontextmanager
    async def dial(self, url: str) -> AsyncIterator[Pipe]:
        """A `Dial`: a connection over memory. Raises ConnectionLost where the venue refuses it."""
        assert self._tasks is not None, "dial inside `async with sim.open()`"
        refused = self.admit()
        if refused is not None:
            after_s = float(refused.headers.get("retry-after", 0)) or None
            raise ConnectionLost(f"could not connect to {url}: HTTP {refused.status}", after_s=after_s)
        pipe, line = memory_pipe()
        parts = urlsplit(url)
        path = parts.path + ("?" + parts.query if parts.query else "")
        self._tasks.create_task(self.serve(line, path), name=f"{self.venue.name} serves {path}")
        try:
            yield pipe
        finally:
            pipe.close()

    async def fetch(self, base_url: str, request: Request) -> Response:
        """A `Fetch`: one REST answer. Raises TimedOut where the venue is too slow, ConnectionLost where it drops."""
        prefix = urlsplit(base_url).path.rstrip("/")
        now = self._clock.now()
        self.impatient += self._told_s < now < self._silent_until_s
        lag_s = self.player.lag_s
        await asyncio.sleep(min(lag_s, FETCH_MOST_S))
        if lag_s >= FETCH_MOST_S:
            raise TimedOut(f"{request.path}: no answer within {FETCH_MOST_S:g} s")
        headers = {name.lower(): value for name, value in request.headers}
        response = await self.answer(
            OrderRequest(
                method=request.method, path=prefix + request.path, query=request.query_text, headers=headers,
                body=request.body,
            )
        )  # fmt: skip
        if isinstance(response, Silence):
            if not response.held:
                raise ConnectionLost(f"{request.path}: the venue closed the connection without an answer")
            await asyncio.sleep(FETCH_MOST_S)
            raise TimedOut(f"{request.path}: no answer within {FETCH_MOST_S:g} s")
        if response.status in {418, 429}:
            self._told_s = self._clock.now()
            wait_s = float(response.headers["retry-after"])
            self._silent_until_s = max(self._silent_until_s, self._told_s + wait_s)
        return response

    # ---- connections

    def admit(self) -> Response | None:
        """One dial: None where it is accepted, else the answer that refuses it."""
        self.dialled += 1
        now = self.player.pace.now()
        if not self._dials.hit(now):
            after = str(max(1, int(self._dials.wait_s(now))))
            return Response(429, {"retry-after": after}, self._server.rest_error(429, "Too many connections"))
        if self.player.fault(DIAL):
            return Response(503, {}, self._server.rest_error(503, "Service unavailable"))
        return None

    async def serve(self, line: Line, path: str) -> None:
        """One connection, until either side ends it."""
        now = self.player.pace.now()
        limits = self._limits
        client = Client(
            line, self._endpoint(path), now, Meter(limits.messages_per_s + MORE_MESSAGES, 1.0),
            Meter(limits.requests_per_hour, 3600.0),
        )  # fmt: skip
        self.clients.add(client)
        line.mute(self.player.mute)
        try:
            if self.paper is not None:
                self.paper.connected(client, path)
            for topic in self._server.url_topics(path):
                self._begin(client, topic)
            while True:
                frame = await line.receive()
                if self.paper is not None:
                    await self.paper.prepare(client, frame)
                broken = self._heard(client, frame)
                if broken:
                    self._say("a rule was broken", rule=broken)
                    line.close(POLICY, broken)
                    return
        except ConnectionLost:
            return
        except AuthenticationRefused as refused:
            line.close(POLICY, str(refused))
        finally:
            self.clients.remove(client)
            if self.paper is not None:
                self.paper.left(client)
            self.player.changed()

    def _endpoint(self, path: str) -> str | None:
        """Which endpoint this path is; None for a path of the venue's that carries nothing.

        Where each has a route of its own (`/public/stream`, `/market/stream`), all behind the route is the same one.
        """
        ends = dict.fromkeys(feed.endpoint for feed in self.venue.feeds.values() if not feed.asked)
        streams = {endpoint: urlsplit(self.venue.urls[endpoint]).path for endpoint in ends}
        bare = path.partition("?")[0].rstrip("/")
        for name, known in streams.items():
            if bare == known.rstrip("/"):
                return name
        routes = {name: known.rpartition("/")[0] + "/" for name, known in streams.items()}
        if len(set(routes.values())) == len(routes):
            found = next((name for name, route in routes.items() if route != "/" and bare.startswith(route)), None)
            if found is not None:
                return found
        return next(iter(streams)) if len(streams) == 1 else None

    def _heard(self, client: Client, frame: bytes) -> str:
        """Act on one frame; the rule it breaks, "" where it keeps them."""
        now = self.player.pace.now()
        if self.paper is not None:  # logins and orders have limits of their own
            answers = self.paper.hear(client, frame)
            if answers is not None:
                self._write(client, answers)
                return ""
        if not client.messages.hit(now):
            return f"more than {self._limits.messages_per_s + MORE_MESSAGES:g} messages a second"
        try:
            request = self._server.read_request(frame)
        except BadData as bad:
            self._write(client, [self._server.refuse(None, "", str(bad))])
            return ""
        match request:
            case Ping():
                self._write(client, [] if self._server.pong is None else [self._server.pong])
            case Other(answers=answers):
                self._write(client, answers)
            case Subscribe():
                return self._requested(client, request, now)
        return ""

    def _requested(self, client: Client, request: Subscribe, now: float) -> str:
        limits = self._limits
        if not client.requests.hit(now):
            return f"more than {limits.requests_per_hour:g} requests an hour"
        if len(request.topics) > limits.topics_per_request:
            return f"more than {limits.topics_per_request} topics in a request"
        if self.player.fault(REQUEST):
            return ""
        if not request.on:
            self.clients.unsubscribe(client, request.topics)
            self._write(client, self._server.acknowledge(request))
            return ""
        if len(set(client.topics) | set(request.topics)) > limits.topics_per_connection:
            return f"more than {limits.topics_per_connection} topics on a connection"
        good = tuple(topic for topic in request.topics if self._server.no_such is None or self._has(client, topic))
        if good or not request.topics or self._server.no_such is None:
            self._write(client, self._server.acknowledge(replace_topics(request, good)))
        for topic in request.topics:
            if topic in good:
                self._begin(client, topic)
            elif self._server.no_such is not None:
                code, text = self._server.no_such
                self._write(client, [self._server.refuse(request.request_id, code, text)])
        return ""

    def _has(self, client: Client, topic: Topic) -> bool:
        """Whether this endpoint carries such a topic of a symbol that the venue lists."""
        try:
            feed = self.venue.feeds.get(channel(topic.channel).kind)
        except ConfigError:
            return False
        if feed is None or feed.endpoint != client.endpoint:
            return False
        return feed.quiet or self._source.knows(topic.native)  # quiet feeds may be named after a whole kind

    def _begin(self, client: Client, topic: Topic) -> None:
        """A confirmed subscription: its first state, then what comes."""
        if self.paper is not None:
            self.paper.begin()
        served_as = self._source.served_as(topic) if self._has(client, topic) else None
        if served_as is not None:
            self._write(client, self._first(topic))
        self.clients.subscribe(client, topic, served_as)
        self.player.changed()

    def _first(self, topic: Topic) -> Sequence[bytes]:
        parsed = channel(topic.channel)
        feed = self.venue.feeds.get(parsed.kind)
        if feed is None or feed.snapshot != "stream" or parsed.kind != "book":
            return ()
        book = self._source.book(topic)
        return () if book is None else [self._server.encode(book, topic.native)]

    def _write(self, client: Client, frames: Sequence[bytes]) -> None:
        if frames:
            client.line.write(frames)

    # ---- REST

    async def answer(self, request: OrderRequest, peer: str = "") -> Answered:
        """The answer to one request, of whatever method; `peer` is the address it came from."""
        return await self.rest.answer(request, peer)


def replace_topics(request: Subscribe, topics: tuple[Topic, ...]) -> Subscribe:
    """The same request for these topics only."""
    return Subscribe(topics, request.request_id, request.on)

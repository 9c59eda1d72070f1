"""A running Tapeline: venues, bus, bars and books behind one object. What is real or simulated is injected."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from tapeline.app.edge import Edge
from tapeline.app.ordering import InOrder
from tapeline.app.problems import Problems
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.config import BarsConfig, ConnectionConfig
from tapeline.errors import ConfigError
from tapeline.market.book import Book, whole
from tapeline.market.bus import Bus, Subscription
from tapeline.market.complete import HOLD_S
from tapeline.model.channel import Channel, channel
from tapeline.model.event import BookSnapshot, Event, Gap, Link, Notice
from tapeline.model.instrument import Instrument, split_id
from tapeline.outlet import Outlet
from tapeline.venues import venue_named
from tapeline.wire.continuity import Point
from tapeline.wire.pace import SharedBudget
from tapeline.wire.pipe import Dial, Fetch, Response
from tapeline.wire.wants import Outcome

SUBSCRIBE_WITHIN_S = 30.0
OWN = ("alert", "link", "notice")  # channels of what is told anyway, and never subscribed to at a venue
Order = Literal["arrival", "complete"]
_log = structlog.get_logger("tapeline")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside: network, time, chance, tape. `dial` gets the connection settings of the stream."""

    dial: Callable[[ConnectionConfig], Dial]
    fetch: Fetch
    clock: Clock
    chance: Callable[[], float]
    record: Callable[[str, str, bytes, int, str], None] | None = None
    answered: Callable[[str, str, Response, int], None] | None = None
    budget: Callable[[str, str], SharedBudget] | None = None  # (venue, REST URL) -> what its other users here spend


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one channel of a subscription: live | refused | timed_out, with the venue's code and text."""

    instrument: str
    channel: str
    state: str
    code: str = ""
    text: str = ""


class Instance:
    """Streams and what is made of them. Use it as `async with instance.running(): ...`."""

    def __init__(
        self, world: World, *, bars: BarsConfig | None = None,
        points: Mapping[tuple[str, str], Point] | None = None,
        instruments: Callable[[Iterable[Instrument]], None] = lambda _all: None, since_ns: int | None = None,
    ) -> None:  # fmt: skip
        self.world = world
        self._bars = bars or BarsConfig()
        self._points = points or {}
        self._since_ns = since_ns  # since when what has no point is wanted
        self._keep_instruments = instruments
        self.problems = Problems(world.clock)
        self.bus = Bus(failed=self._failed, now=world.clock.now)
        self.desks: dict[tuple[str, str, str, ConnectionConfig], VenueDesk] = {}
        self.unreached: set[str] = set()  # venues whose instrument list never came
        self.repairs = False  # whether somebody fills holes
        self.started_at_ns = world.clock.wall_ns()
        self.links: list[Link] = []  # the last changes, newest last
        self._tasks: asyncio.TaskGroup | None = None
        self._serving: list[asyncio.Task[None]] = []
        self._blocking: list[Outlet] = []
        self.outlets: list[tuple[Subscription, Outlet]] = []  # streams, with what each is of
        self._book_states: dict[tuple[str, str], list[Callable[[BookSnapshot | Gap], object]]] = {}
        self.bus.subscribe(self._linked, channel="link", types=(Link,), name="tapeline.links")
        self.bus.subscribe(self._noticed, channel="notice", types=(Notice,), name="tapeline.notices")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Instance"]:
        """Serve every desk, those of later subscriptions too, until the block is left.

        An exception of the block comes out as it is, not wrapped in a group.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._serving = [
                    tasks.create_task(desk.run(), name=f"desk {key[0]}") for key, desk in self.desks.items()
                ]
                try:
                    yield self
                finally:
                    self._tasks = None
                    for task in self._serving:
                        task.cancel()
        except BaseExceptionGroup as group:
            raise _only(group) from None

    async def desk(
        self, venue_name: str, *, ws_url: str | None = None, rest_url: str | None = None,
        settings: ConnectionConfig | None = None,
    ) -> VenueDesk:  # fmt: skip
        """The desk of a venue at an address with these settings, its instrument list loaded."""
        address = (venue_name, ws_url or "", rest_url or "")
        if settings is None:  # whatever is there already will do
            for known, desk in self.desks.items():
                if known[:3] == address:
                    return desk
            settings = ConnectionConfig()
        key = (*address, settings)
        if key in self.desks:
            return self.desks[key]
        world = self.world
        edge = Edge(
            dial=world.dial, fetch=world.fetch, clock=world.clock, chance=world.chance, record=world.record,
            answered=world.answered, problem=self.problems.note, blocking=self._blocking, budget=world.budget,
            book=self._book_state,
        )  # fmt: skip
        desk = VenueDesk(
            venue_named(venue_name), ws_url=ws_url, rest_url=rest_url, settings=settings,
            bars=self._bars, edge=edge, bus=self.bus, points=self._points, since_ns=self._since_ns,
        )  # fmt: skip
        await desk.load_instruments()
        self._keep_instruments(desk.symbols.by_native.values())
        if key not in self.desks:  # another task may have loaded the same venue meanwhile
            self.desks[key] = desk
            if self._tasks is not None:
                self._serving.append(self._tasks.create_task(desk.run(), name=f"desk {venue_name}"))
        return self.desks[key]

    async def subscribe(
        self, instrument: str, channels: Iterable[str], *, within_s: float = SUBSCRIBE_WITHIN_S, **address: Any
    ) -> list[Answer]:
        """Keep channels of an instrument (`venue:symbol`); answers one by one once the venue has, in the same order.

        A channel that is refused does not stop the others. Raises ConfigError or UnknownInstrument.
        """
        venue_name, symbol = split_id(instrument)
        desk = await self.desk(venue_name, **address)
        found = desk.symbols.find(symbol)
        if instrument != found.id:  # whoever listens already may have used the venue's own name, too
            self.bus.rename(instrument, found.id)
        wanted = [channel(text) for text in channels]
        topics = desk.want(found, wanted)
        outcomes = await desk.answers(topics, within_s)
        return [_answer(found.id, of, outcome) for of, outcome in zip(wanted, outcomes, strict=True)]

    async def unsubscribe(self, instrument: str, channels: Iterable[str], **address: Any) -> None:
        """Undo one `subscribe`; the last user of a topic unsubscribes it at the venue."""
        venue_name, symbol = split_id(instrument)
        desk = await self.desk(venue_name, **address)
        desk.unwant(desk.symbols.find(symbol), [channel(text) for text in channels])

    def on(
        self, callback: Callable[[Any], object], *, instrument: str | None = None, of: str | None = None,
        order: Order = "arrival", hold_s: float = HOLD_S,
    ) -> Subscription:  # fmt: skip
        """Call back for every event of a channel and an instrument; None is all. Keep the handle to `close()` it.

        An instrument may go by the venue's own name, as in `subscribe`; its events have the unified one.
        Channels are those of `subscribe`, and `alert`, `link` and `notice`, which come without being asked for.
        `order="complete"`: trades behind a hole wait at most `hold_s` for it to be filled. Raises ConfigError where
        nothing would fill it.
        """
        of = of if of is None or of in OWN else str(channel(of))
        instrument = instrument if instrument is None else self._unified(instrument)
        if order == "complete":
            self._check_complete(instrument, of)
            callback = InOrder(callback, self.world.clock, hold_s, failed=self._failed_late).put
        return self.bus.subscribe(callback, channel=of, instrument=instrument)

    def _unified(self, name: str) -> str:
        venue, symbol = split_id(name)
        of = (desk.symbols.by_native.get(symbol) for desk in self.desks.values() if desk.venue.name == venue)
        return next((found.id for found in of if found is not None), name)

    def outlet(
        self, outlet: Outlet, *, instrument: str | None = None, of: str | None = None, order: Order = "arrival",
        hold_s: float = HOLD_S,
    ) -> Subscription:  # fmt: skip
        """Let events flow to a slow reader. Raises ConfigError where it would conflate trades; `order` as in `on`.

        Closing the outlet ends the subscription, too.
        """
        outlet.check(of)
        handle = self.on(outlet.put, instrument=instrument, of=of, order=order, hold_s=hold_s)
        outlet.on_close(handle.close)
        self.outlets.append((handle, outlet))
        outlet.on_close(lambda: self.outlets.remove((handle, outlet)))
        if outlet.policy == "block":
            self._blocking.append(outlet)
            outlet.on_close(lambda: self._blocking.remove(outlet))
        return handle

    def on_book_state(
        self, callback: Callable[[BookSnapshot | Gap], object], *, instrument: str, of: str = "book"
    ) -> None:  # fmt: skip
        """Call back with the whole of a maintained book: now, where it is right, and whenever it is again.

        And with an open Gap at once when its stream is gone. The bus has neither: what is asked by REST is not on it.
        For whoever keeps a book of his own from its events, in an order of his own, to the end of this instance.
        """
        of = str(channel(of))
        self._book_states.setdefault((instrument, of), []).append(callback)
        for desk in self.desks.values():
            if desk.books.has(instrument, of) and (held := desk.books.book(instrument, of)).synchronised:
                callback(whole(held, held.at_ns))
                break

    def book(self, instrument: str, of: str = "book") -> Book:
        """The maintained book. Raises ConfigError where none is kept."""
        for desk in self.desks.values():
            if desk.books.has(instrument, of):
                return desk.books.book(instrument, of)
        raise ConfigError(f"no {of} of {instrument} is kept: subscribe to it first")

    def points(self) -> dict[tuple[str, str], Point]:
        """The last good point of every series."""
        return {
            (track.instrument, track.channel): track.point
            for desk in self.desks.values()
            for track in desk.merge
            if track.point is not None
        }

    def open_gaps(self) -> list[Gap]:
        """Holes that nothing has ended yet."""
        return [gap for desk in self.desks.values() for gap in desk.open_gaps()]

    @property
    def given_up(self) -> bool:
        """Whether every connection of every venue has used up its attempts, or has no venue to go to."""
        return bool(self.desks or self.unreached) and all(desk.given_up for desk in self.desks.values())

    def _failed_late(self, event: Event, error: Exception) -> None:
        """A callback's exception on an event that had waited for a hole to be filled, or was behind one."""
        venue, _ = split_id(event.instrument or "")
        self.problems.note(venue, "", "subscriber", f"{event.channel} {event.instrument}: {error!r}", b"")

    def _check_complete(self, instrument: str | None, of: str | None) -> None:
        if of not in {"trades", "aggtrades"} or instrument is None:
            raise ConfigError(
                f'order="complete" is for trades or aggtrades of one instrument, not {of} of {instrument}'
            )
        venue = venue_named(split_id(instrument)[0])
        if not self.repairs or of not in venue.feeds or not venue.feeds[of].repair:
            why = f"{venue.name} has no history of {of}" if self.repairs else "repair is off"
            raise ConfigError(f'{of} of {instrument}: order="complete" waits for repairs, and {why}')

    def _failed(self, handle: Subscription, event: Event, error: Exception) -> None:
        venue, _ = split_id(event.instrument or "")
        text = f"{handle.name} on {event.channel} {event.instrument}: {error!r}"
        self.problems.note(venue, "", "subscriber", text, b"")

    def _book_state(self, event: BookSnapshot | Gap) -> None:
        for callback in self._book_states.get((event.instrument, event.channel), ()):
            callback(event)

    def _linked(self, link: Link) -> None:
        self.links.append(link)
        del self.links[:-200]
        if link.change == "state":
            return
        tell = _log.info if link.change == "up" else _log.warning
        tell(
            f"link {link.change}", venue=link.venue, connection=link.connection, reason=link.reason,
            topics=len(link.topics), attempts=link.attempts, final=link.final,
        )  # fmt: skip

    def _noticed(self, notice: Notice) -> None:
        _log.warning("notice", venue=notice.venue, code=notice.code, text=notice.text)


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one exception inside, however deep and often; the group itself where there are several."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup) and len(set(map(id, found.exceptions))) == 1:
        found = found.exceptions[0]
    return found


def _answer(instrument: str, of: Channel, outcome: Outcome) -> Answer:
    return Answer(instrument, str(of), outcome.state, outcome.code, outcome.text)

"""A store against its venues, on demand: every bar it holds, and the bars its trades make, against the venue's own."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tapeline.app.audit.examining import Examined, Subject, counts, examine, overlapping, unchecked
from tapeline.app.history.asking import HistoryDesk, Outside
from tapeline.clock import SystemClock
from tapeline.config import Config, place_of
from tapeline.errors import (
    BadData,
    ConfigError,
    NotHeld,
    RateLimited,
    Refused,
    Retry,
    StoreLocked,
    StoreUnusable,
    UnknownInstrument,
)
from tapeline.market.coverage import Coverage
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.model.instrument import Instrument, split_id
from tapeline.model.interval import interval
from tapeline.store.reader import Store, open_store
from tapeline.store.writer import StoreWriter
from tapeline.sync.audit import Mismatch, Unchecked, settled_before
from tapeline.sync.history import bar_pieces, bars_walk
from tapeline.venues import venue_named
from tapeline.venues.spec import Answer, Ask, Priority

AT_ONCE = 4  # series of one venue under way
STOP_WITHIN_S = 10.0
TRADES = ("trades", "aggtrades")
TRADES_BY = "1m"  # the bars that trades are compared with
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to verify: these instruments (none: all that are held), this channel ("": all), this time.

    `config` says where the venues are; `rest_url` goes before it.
    """

    instruments: tuple[str, ...] = ()
    channel: str = ""
    from_ns: int | None = None
    to_ns: int | None = None
    rest_url: str | None = None
    config: Config = field(default_factory=Config)


@dataclass(slots=True, kw_only=True)
class Checked:
    """One series: how many bars are equal, which are not, what could not be compared, and what went wrong."""

    instrument: str
    channel: str
    equal: int = 0
    known: int = 0  # of these, with a difference that the venue has declared
    mismatches: list[Mismatch] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    trouble: str = ""

    @property
    def state(self) -> str:
        """What came out: equal | mismatch | unchecked."""
        if self.mismatches:
            return "mismatch"
        return "equal" if self.equal and not self.trouble else "unchecked"


class Verification:
    """Reads a store, asks its venues. `facts` is what the ledger may be told at the end."""

    def __init__(self, folder: Path, wish: Wish, outside: Outside) -> None:
        self._folder, self._wish, self._outside = folder, wish, outside
        self.series: list[Checked] = []
        self.facts: list[Fact] = []

    async def run(self) -> None:
        """Until all is compared. Raises NotHeld, UnknownInstrument and ConfigError for what cannot be meant."""
        with open_store(self._folder) as store:
            chosen = self._chosen(store)
            venues = sorted({split_id(who)[0] for who, _ in chosen})
            if self._wish.rest_url is not None and len(venues) > 1:
                raise ConfigError(f"a REST address is one venue's, and these are of {', '.join(venues)}")
            self.series = [Checked(instrument=who, channel=of) for who, of in chosen]
            async with asyncio.TaskGroup() as tasks:
                for venue in venues:
                    tasks.create_task(self._venue(store, venue), name=f"verify {venue}")

    def note(self) -> str:
        """Tell the ledger what was found; why it could not be told, "" where it was."""
        if not self.facts:
            return ""
        writer = StoreWriter(self._folder, clock=SystemClock())  # it writes on a thread, in real time
        try:
            writer.start()
        except StoreLocked:
            return "an instance writes this store"
        except StoreUnusable as error:  # read-only, most likely: what was compared is no less so
            return str(error)
        for fact in self.facts:
            writer.offer(fact)
        writer.stop(STOP_WITHIN_S)
        counts = writer.statistics()
        return counts.last_error if counts.dropped or counts.queue_rows else ""

    # ---- what is compared ------------------------------------------------------------------------------------

    def _chosen(self, store: Store) -> list[tuple[str, str]]:
        every = [(who, of) for who, of in store.series() if who and _comparable(of)]
        wish = self._wish
        for who in wish.instruments:
            if not any(who == known for known, _ in every):
                store.coverage(who, wish.channel or "bars:1m")  # it says what is known, and what is near
                raise NotHeld(f"the store holds no bars and no trades of {who}: there is nothing to compare")
        named = [(who, of) for who, of in every if not wish.instruments or who in wish.instruments]
        chosen = [(who, of) for who, of in named if wish.channel in {"", of}]
        if not chosen:
            held = ", ".join(sorted({of for _, of in named})) or "no bars and no trades"
            raise NotHeld(f"nothing to compare: the store holds {held}")
        return chosen

    async def _venue(self, store: Store, name: str) -> None:
        mine = [each for each in self.series if split_id(each.instrument)[0] == name]
        place = place_of(self._wish.config, name, rest_url=self._wish.rest_url)
        desk = HistoryDesk(venue_named(name), self._outside, place)
        try:
            await desk.open()
        except (Retry, Refused, BadData) as error:
            for each in mine:
                each.trouble = str(error)
            return
        room = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for who in dict.fromkeys(each.instrument for each in mine):
                for by in dict.fromkeys(_compared_by(each.channel) for each in mine if each.instrument == who):
                    group = [each for each in mine if each.instrument == who and _compared_by(each.channel) == by]
                    tasks.create_task(self._group(room, store, desk, by, group), name=f"verify {who} {by}")

    async def _group(
        self, room: asyncio.Semaphore, store: Store, desk: HistoryDesk, by: str, group: Sequence[Checked]
    ) -> None:
        """All series of an instrument that the same bars of the venue are compared with."""
        feed = desk.venue.feeds.get("bars")
        if "bars" not in desk.venue.rest or feed is None or by not in feed.intervals:
            for each in group:
                each.trouble = f"{desk.venue.name} has no bars of {by} to compare with"
            return
        async with room:
            try:
                found = desk.symbols.find(split_id(group[0].instrument)[1])
                await self._compare(store, desk, found, by, group)
                await self._overlap(store, desk, found, group)
            except (Retry, Refused, BadData, UnknownInstrument) as error:
                for each in group:
                    each.trouble = str(error)

    async def _compare(
        self, store: Store, desk: HistoryDesk, found: Instrument, by: str, group: Sequence[Checked]
    ) -> None:
        channels = tuple(each.channel for each in group)
        subject = Subject(venue=desk.venue, instrument=found, interval=by, channels=channels)
        for piece in bar_pieces(subject.call, by, self._span(store, subject, desk.now_ns())):
            walk = bars_walk(subject.call, found.native, by, piece)
            theirs: list[Bar] = []
            while (ask := walk.next()) is not None:
                answers = await _answers(desk, ask, found)
                walk.took(answers)
                theirs += [each for each in answers if isinstance(each, Bar)]
            examined = examine(
                store, subject, piece, theirs, covered=_ledger(store, found.id),
                known_at_ns=self._outside.clock.wall_ns(),
            )  # fmt: skip
            self._take(examined, group)

    async def _overlap(self, store: Store, desk: HistoryDesk, found: Instrument, group: Sequence[Checked]) -> None:
        for each in group:
            call, feed = desk.venue.rest.get(each.channel), desk.venue.feeds.get(each.channel)
            if each.channel not in TRADES or call is None or feed is None or (feed.evidence and feed.repair):
                continue
            answers = await _answers(desk, Ask(each.channel, found.native, limit=call.page), found)
            newest = [answer for answer in answers if isinstance(answer, Trade)]
            before = _ledger(store, found.id)(each.channel)
            self.facts += overlapping(store, feed, newest, before, self._outside.clock.wall_ns())

    def _span(self, store: Store, subject: Subject, now_ns: int) -> Span:
        """Whole bars of the venue: all that is held of these channels, within what was asked for."""
        step, wish = interval(subject.interval), self._wish
        extents = [found for of in subject.channels if (found := store.extent(subject.instrument.id, of)) is not None]
        if not extents:
            return 0, 0
        from_ns = step.floor(min(first for first, _ in extents))
        to_ns = step.next(step.floor(max(last for _, last in extents)))
        if wish.from_ns is not None and wish.from_ns > from_ns:
            from_ns = step.floor(wish.from_ns)
            from_ns = from_ns if from_ns == wish.from_ns else step.next(from_ns)
        latest_ns = settled_before(now_ns, subject.quirks)
        if wish.to_ns is not None:
            latest_ns = min(latest_ns, wish.to_ns)
        return from_ns, max(from_ns, min(to_ns, step.floor(latest_ns)))

    def _take(self, examined: Examined, group: Sequence[Checked]) -> None:
        self.facts += examined.facts
        for each in group:
            verdicts = [found for found in examined.verdicts if found.channel == each.channel]
            equal, known, _ = counts(verdicts)
            each.equal += equal
            each.known += known
            each.mismatches += [found for found in verdicts if isinstance(found, Mismatch)]
            each.unchecked += unchecked(verdicts)


async def _answers(desk: HistoryDesk, ask: Ask, instrument: Instrument) -> Sequence[Answer]:
    """The answer, after whatever wait the venue asks for. Raises Retry, Refused or BadData where there is none."""
    while True:
        try:
            return await desk.rest.call(ask, {instrument.native: instrument.id}, priority=Priority.AUDIT)
        except RateLimited as limited:
            await asyncio.sleep(max(1.0, limited.after_s or 0.0))


def _ledger(store: Store, instrument: str) -> Callable[[str], Coverage]:
    return lambda of: store.covering(instrument, of)


def _comparable(of: str) -> bool:
    return of in TRADES or of.startswith("bars:")


def _compared_by(of: str) -> str:
    return TRADES_BY if of in TRADES else parse_channel(of).interval

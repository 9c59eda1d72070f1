"""History over REST into a store: many series at once, within the budget, each piece noted as it lands."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from tapeline.app.history.asking import HistoryDesk, Outside
from tapeline.config import Config, place_of
from tapeline.errors import ConfigError, Refused
from tapeline.model.channel import channel
from tapeline.model.fact import Span as Known
from tapeline.model.fact import Wanted
from tapeline.model.instrument import Instrument, split_id
from tapeline.model.interval import interval
from tapeline.store.writer import Writer
from tapeline.sync.history import (
    FirstBar,
    FirstTrade,
    Span,
    bar_pieces,
    bars_walk,
    before,
    id_before,
    joined,
    reach,
    trade_pieces,
    trades_walk,
)
from tapeline.sync.walk import Finding, Walk
from tapeline.venues import venue_named
from tapeline.venues.spec import Answer, Ask, RestCall

WORKERS = 24  # requests of one venue on their way at once
MOST_QUEUED = 20_000  # rows that wait for the disk; beyond, nothing more is asked for
ROOM_EVERY_S = 0.02
NO_OLDER = "the venue has no older ones"
_log = structlog.get_logger("tapeline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to fill in: channels as in topics (`bars:1m`, `trades`, `aggtrades`) of instruments (`venue:symbol`).

    `config` says where the venues are and with which patience they are asked; `rest_url` goes before it.
    """

    instruments: tuple[str, ...]
    channels: tuple[str, ...]
    trades: bool = False  # those of each venue that take no key, see `trade_series`
    from_ns: int
    to_ns: int | None = None  # None: up to now
    rest_url: str | None = None
    config: Config = field(default_factory=Config)


@dataclass(slots=True, eq=False)
class Series:
    """One series on its way. `state` is waiting | walking | done | refused."""

    instrument: Instrument
    channel: str
    span: Span
    state: str = "waiting"
    rows: int = 0
    failed: int = 0  # windows that were given up: what they hold is still missing
    trouble: str = ""  # the last, in words
    findings: list[Finding] = field(default_factory=list)
    known: Sequence[Known] = ()  # lost or in dispute before: not asked for again
    whole_ns: int = 0  # of all pieces
    unasked_ns: int = 0  # of those that nobody has begun
    walking: list[tuple[Walk, int]] = field(default_factory=list)  # pieces under way, and how long they are
    pieces: int = 0
    ids: dict[int, int | None] = field(default_factory=dict)  # the last trade before a time

    @property
    def part(self) -> float:
        """How much is done, 0 to 1."""
        if self.state in {"done", "refused"}:
            return 1.0
        if not self.whole_ns:
            return 0.0
        left = self.unasked_ns + sum((1.0 - walk.part) * length for walk, length in self.walking)
        return min(1.0, max(0.0, 1.0 - left / self.whole_ns))


Note = Callable[[Series, Finding, int], None]
"""(series, what was found, when we knew it in UTC nanoseconds): for the ledger."""
Missing = Callable[[str, str, Span], Sequence[Span]]
"""(instrument, channel, span) -> the parts that are not held or known to be lost."""


class Backfill:
    """Fills in what is wanted. `missing` and `note` are the ledger's; `writer` must have been started."""

    def __init__(
        self, plan: Plan, outside: Outside, writer: Writer, *, missing: Missing, note: Note, workers: int = WORKERS
    ) -> None:
        self._plan, self._outside, self._writer = plan, outside, writer
        self._missing, self._note = missing, note
        self._workers = workers
        self.desks: dict[str, HistoryDesk] = {}
        self.series: list[Series] = []

    async def run(self) -> None:
        """Until all is there that the venues have. Raises ConfigError and UnknownInstrument at once."""
        await self._open()
        async with asyncio.TaskGroup() as tasks:
            for desk in self.desks.values():
                tasks.create_task(self._fill(desk), name=f"{desk.venue.name} backfill")

    @property
    def rows(self) -> int:
        """New rows so far."""
        return sum(each.rows for each in self.series)

    @property
    def part(self) -> float:
        """How much is done of all, 0 to 1."""
        return sum(each.part for each in self.series) / len(self.series) if self.series else 0.0

    @property
    def incomplete(self) -> bool:
        """Whether something is missing still that the venue may have, or is in dispute.

        Before its series are named, as where it is stopped at once, nothing is known to be there.
        """
        return not self.series or any(
            each.failed
            or each.state != "done"
            or "disputed" in {*(found.state for found in each.findings), *(known.state for known in each.known)}
            for each in self.series
        )

    # ---- what is to be done ----------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Read the venues' instruments and clocks, and name every series."""
        for name in dict.fromkeys(split_id(each)[0] for each in self._plan.instruments):
            place = place_of(self._plan.config, name, rest_url=self._plan.rest_url)
            desk = self.desks[name] = HistoryDesk(venue_named(name), self._outside, place)
            for of in self._channels(name):
                _call_of(desk, of)
        await asyncio.gather(*(desk.open() for desk in self.desks.values()))
        for text in dict.fromkeys(self._plan.instruments):
            venue, symbol = split_id(text)
            desk = self.desks[venue]
            found = desk.symbols.find(symbol)
            self._writer.offer(found)
            for of in self._channels(venue):
                span = self._span(desk, of)
                self.series.append(Series(found, of, span))
                self._writer.offer(Wanted(found.id, of, *span, "backfill"))

    def _channels(self, venue: str) -> Sequence[str]:
        trades = [trade_series(venue)] if self._plan.trades else []
        return list(dict.fromkeys([*self._plan.channels, *trades]))

    def _span(self, desk: HistoryDesk, of: str) -> Span:
        now_ns = desk.now_ns()
        to_ns = now_ns if self._plan.to_ns is None else min(now_ns, self._plan.to_ns)
        from_ns = self._plan.from_ns
        parsed = channel(of)
        if parsed.kind == "bars":
            step = interval(parsed.interval)
            to_ns = step.floor(to_ns)
            from_ns = step.floor(from_ns) if step.floor(from_ns) == from_ns else step.next(step.floor(from_ns))
        if from_ns >= to_ns:
            raise ConfigError(f"{of}: nothing lies between --from and --to (which is now, where it is not given)")
        return from_ns, to_ns

    # ---- one venue -------------------------------------------------------------------------------------------

    async def _fill(self, desk: HistoryDesk) -> None:
        """Workers take jobs until there are none; a job may add others."""
        jobs: asyncio.Queue[Callable[[], object]] = asyncio.Queue()
        for each in self.series:
            if each.instrument.venue == desk.venue.name:
                jobs.put_nowait(partial(self._prepare, desk, each, jobs))

        async def work() -> None:
            while True:
                job = await jobs.get()
                try:
                    await job()  # type: ignore[misc]  # each is a coroutine function
                finally:
                    jobs.task_done()

        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(work(), name=f"worker {number}") for number in range(self._workers)]
            workers.append(tasks.create_task(desk.watch_clock(), name="clock"))
            await jobs.join()
            for worker in workers:
                worker.cancel()

    async def _prepare(self, desk: HistoryDesk, series: Series, jobs: asyncio.Queue[Callable[[], object]]) -> None:
        """What is missing of a series, in pieces."""
        call = _call_of(desk, series.channel)
        series.state = "walking"
        whole = self._missing(series.instrument.id, series.channel, series.span)
        try:
            pieces = [piece for span in whole for piece in await self._pieces(desk, series, call, span)]
        except Refused as refused:
            self._refused(series, refused)
            return
        series.whole_ns = series.unasked_ns = sum(to_ns - from_ns for from_ns, to_ns in pieces)
        series.pieces = len(pieces)
        if not pieces:
            series.state = "done"
        for piece in pieces:
            jobs.put_nowait(partial(self._piece, desk, series, call, piece))

    async def _pieces(self, desk: HistoryDesk, series: Series, call: RestCall, span: Span) -> Sequence[Span]:
        lost, span = reach(call, span, desk.now_ns())
        if lost is not None:
            self._found(series, lost)
        parsed = channel(series.channel)
        if span[0] >= span[1]:
            return ()
        if parsed.kind == "bars":
            span = await self._from_first_bar(desk, series, call, span)
            return bar_pieces(call, parsed.interval, span)
        if not call.locate:
            return trade_pieces(call, span, None)
        first, last = [await self._id_before(desk, series, call, at_ns) for at_ns in span]
        if first is None and last is not None:
            begins = FirstTrade(span)
            while (at_ns := begins.next()) is not None:
                begins.took(await self._id_before(desk, series, call, at_ns))
            first = await self._id_before(desk, series, call, begins.span[1])
            self._found(series, Finding(span[0], begins.span[0], "unrecoverable", "", NO_OLDER))
            span = (begins.span[0], span[1])
        if last is None:
            self._found(series, Finding(*span, "unrecoverable", "", NO_OLDER))
            return ()
        return trade_pieces(call, span, last - (first or 0))

    async def _from_first_bar(self, desk: HistoryDesk, series: Series, call: RestCall, span: Span) -> Span:
        """The span without the years before the listing, where it is long enough to be worth two requests."""
        step = interval(channel(series.channel).interval)
        if span[1] - span[0] <= 2 * call.page * (step.length_ns or 1) or not step.length_ns:
            return span
        first = FirstBar(series.instrument.native, span, call.page)
        while (ask := first.next()) is not None:
            answers = await self._surely(desk, series, ask)
            if isinstance(answers, str):
                series.trouble = answers
                return span
            first.took(answers)
        begins_ns = span[1] if first.found_ns is None else step.floor(first.found_ns)
        if begins_ns <= span[0]:
            return span
        begins_ns = min(begins_ns, span[1])
        self._found(series, Finding(span[0], begins_ns, "unrecoverable", "", NO_OLDER))
        return begins_ns, span[1]

    async def _id_before(self, desk: HistoryDesk, series: Series, call: RestCall, at_ns: int) -> int | None:
        if at_ns not in series.ids:
            answers = await self._surely(desk, series, before(call, series.instrument.native, at_ns))
            if isinstance(answers, str):
                raise Refused(f"{series.instrument.id}: the trade before {at_ns} could not be found: {answers}")
            series.ids[at_ns] = id_before(call, series.channel, answers)
        return series.ids[at_ns]

    async def _surely(self, desk: HistoryDesk, series: Series, ask: Ask) -> Sequence[Answer] | str:
        """An answer by which all that is older may be given up: where it holds nothing, the one to asking again."""
        answers = await desk.answers(ask, series.instrument)
        return answers or await desk.answers(ask, series.instrument)

    # ---- one piece -------------------------------------------------------------------------------------------

    async def _piece(self, desk: HistoryDesk, series: Series, call: RestCall, piece: Span) -> None:
        length_ns = piece[1] - piece[0]
        series.unasked_ns -= length_ns
        if series.state != "refused":
            try:
                walk = await self._walk(desk, series, call, piece)
                series.walking.append((walk, length_ns))
                try:
                    await self._go(desk, series, walk)
                finally:
                    series.walking.remove((walk, length_ns))
            except Refused as refused:
                self._refused(series, refused)
        series.pieces -= 1
        if not series.pieces and series.state == "walking":
            series.state = "done"

    async def _walk(self, desk: HistoryDesk, series: Series, call: RestCall, piece: Span) -> Walk:
        parsed, native = channel(series.channel), series.instrument.native
        if parsed.kind == "bars":
            return bars_walk(call, native, parsed.interval, piece)
        ids: tuple[int | None, int | None] = (None, None)
        if call.locate:
            ids = (
                await self._id_before(desk, series, call, piece[0]),
                await self._id_before(desk, series, call, piece[1]),
            )
        return trades_walk(series.channel, call, native, piece, ids)

    async def _go(self, desk: HistoryDesk, series: Series, walk: Walk) -> None:
        """Walk to the end. What was found out is noted after the rows it speaks of, even where it is cut short."""
        try:
            while (ask := walk.next()) is not None:
                await self._wait_room()
                answers = await desk.answers(ask, series.instrument)
                if isinstance(answers, str):
                    series.failed += 1
                    series.trouble = answers
                    walk.failed(answers)
                    continue
                rows = walk.took(answers)
                series.rows += len(rows)
                for row in rows:
                    self._writer.offer(row)
        finally:
            for finding in joined(walk.findings()):
                self._found(series, finding)

    async def _wait_room(self) -> None:
        while self._writer.statistics().queue_rows > MOST_QUEUED:  # noqa: ASYNC110  # the writer is a thread
            await asyncio.sleep(ROOM_EVERY_S)

    def _found(self, series: Series, finding: Finding) -> None:
        if finding.from_ns >= finding.to_ns:
            return  # what nothing lies in needs no word
        series.findings.append(finding)
        self._note(series, finding, self._outside.clock.wall_ns())

    def _refused(self, series: Series, refused: Refused) -> None:
        series.state, series.trouble = "refused", str(refused)
        _log.warning("backfill", instrument=series.instrument.id, channel=series.channel, refused=str(refused))


def trade_series(venue: str) -> str:
    """The trades of a venue that can be had without a key: `trades`, or `aggtrades` where only those."""
    calls = venue_named(venue).rest
    return "trades" if "trades" in calls and calls["trades"].walk else "aggtrades"


def _call_of(desk: HistoryDesk, of: str) -> RestCall:
    """The REST call of a channel. Raises ConfigError where the venue has no history of it."""
    parsed = channel(of)
    call = desk.venue.rest.get(parsed.kind)
    if parsed.built_from or call is None or not call.walk:
        has = sorted(name for name, each in desk.venue.rest.items() if each.walk)
        raise ConfigError(
            f"{desk.venue.name} has no history of {of} that takes no key: it has {', '.join(has)}"
            + (" (built bars are made from trades)" if parsed.built_from else "")
        )
    feed = desk.venue.feeds.get(parsed.kind)
    if parsed.kind == "bars" and feed is not None and not feed.offers(parsed):
        raise ConfigError(f"{desk.venue.name} has no bars of {parsed.interval}: it has {', '.join(feed.intervals)}")
    return call

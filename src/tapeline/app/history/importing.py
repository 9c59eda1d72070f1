"""Imported rows into a store: each once, whatever is there already; what is refused is set aside, the rest goes on."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import msgspec

from tapeline.clock import Clock
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.model.instrument import Instrument, split_id
from tapeline.store.intake.evidence import Runs, worth_noting
from tapeline.store.intake.row import Found, Refused
from tapeline.store.ledger import Ledger
from tapeline.store.lock import StoreLock
from tapeline.store.queries import bar_of
from tapeline.store.series import BAR_COLUMNS, Row, SeriesStore
from tapeline.venues import venues

BATCH = 5000
_BARS = f"SELECT {', '.join((*BAR_COLUMNS, 'exact'))} FROM bars WHERE series = ? AND open_at_ns BETWEEN ? AND ?"  # noqa: S608  # our names
_VALUES = ("open", "high", "low", "close", "volume")


class Imported(msgspec.Struct):
    """What came of it. `differ` are held otherwise: what is held stays (of trades, both readings are on record)."""

    new: int = 0
    held: int = 0
    differ: int = 0
    refused: int = 0


class Importing:
    """A store being imported into. Raises StoreLocked while an instance writes it."""

    def __init__(self, folder: Path, clock: Clock, on_refused: Callable[[Refused], None] = lambda _row: None) -> None:
        self._folder, self._clock, self._on_refused = folder, clock, on_refused
        self.result = Imported()
        self._equals: Counter[object] = Counter()
        self._equals_at: int | None = None
        self._runs: dict[tuple[str, str], Runs | None] = {}
        self._facts: list[Fact] = []

    def run(self, rows: Iterable[Found]) -> Imported:
        """Take all rows, in batches; doing so twice changes nothing."""
        lock = StoreLock(self._folder)
        lock.acquire()
        try:
            store = SeriesStore(self._folder, self._clock)
            try:
                self._take(store, rows)
            finally:
                store.close()
        finally:
            lock.release()
        return self.result

    def _take(self, store: SeriesStore, rows: Iterable[Found]) -> None:
        batch: list[Row] = []
        known = {of for (of,) in store.connection.execute("SELECT instrument FROM instruments")}
        for row in rows:
            if isinstance(row, Refused):
                self._refuse(store, row)
            elif isinstance(row, Fact):
                self._facts.append(row)
            elif isinstance(row, Trade | Bar):
                batch.append(self._named(row) if isinstance(row, Trade) else row)
                self._prove(row)
            elif not isinstance(row, Instrument) or row.id not in known:  # versions of our own are never rewritten
                batch.append(row)
            if len(batch) >= BATCH:
                self._write(store, batch)
                batch = []
        self._write(store, batch)
        self._note(store)

    def _prove(self, row: Trade | Bar) -> None:
        key = row.instrument, row.channel
        if key not in self._runs:
            by = _proves(*key)
            self._runs[key] = Runs(by) if by else None
        runs = self._runs[key]
        if runs is not None:
            runs.add(row)

    def _note(self, store: SeriesStore) -> None:
        """What the rows prove, and what an archive knew of them, into the ledger; nothing that it says already.

        From the first row of a series to its last, all is wanted: a hole between them is listed, and can be fetched.
        """
        ledger = Ledger(store.connection)
        for (instrument, channel), runs in self._runs.items():
            if runs is not None:
                self._facts += runs.facts(partial(_stamp_of, store, _series(store, instrument, channel)))
                span = runs.around_holes()
                if span is not None:
                    store.write([Wanted(instrument, channel, *span, "import")])
        for fact in self._facts:
            noted = worth_noting(fact, ledger.coverage(fact.instrument, fact.channel))
            if noted is not None:
                store.write([noted])

    def _write(self, store: SeriesStore, batch: Sequence[Row]) -> None:
        """One transaction. The last good point of a series stays where our own instance has left it."""
        points = store.connection.execute("SELECT series, at_ns, received_ns, seq FROM points").fetchall()
        for (kind, instrument, channel), group in groupby(batch, key=_key):
            if kind is Bar:
                self._count_bars(store, instrument, channel, [row for row in group if isinstance(row, Bar)])
            elif kind is Trade:
                self._count_trades(store, instrument, channel, [row for row in group if isinstance(row, Trade)])
        disputes = store.disputes
        store.write(batch)
        self.result.differ += store.disputes - disputes
        store.connection.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", points)

    def _count_bars(self, store: SeriesStore, instrument: str, channel: str, bars: list[Bar]) -> None:
        low, high = min(bar.open_at_ns for bar in bars), max(bar.open_at_ns for bar in bars)
        rows = store.connection.execute(_BARS, (_series(store, instrument, channel), low, high))
        held = {bar.open_at_ns: bar for bar in (bar_of(instrument, channel, row) for row in rows)}
        for bar in bars:
            there = held.get(bar.open_at_ns)
            if there is None or bar.revision > there.revision:
                self.result.new += 1
                held[bar.open_at_ns] = bar
            elif all(getattr(there, name) == getattr(bar, name) for name in _VALUES):
                self.result.held += 1
            else:
                self.result.differ += 1

    def _count_trades(self, store: SeriesStore, instrument: str, channel: str, trades: list[Trade]) -> None:
        series = _series(store, instrument, channel)
        text = "SELECT 1 FROM trades WHERE series = ? AND seq = ? AND id = ?"
        taken: set[tuple[int, str]] = set()
        for trade in trades:
            place = store.place(trade)
            there = place in taken or store.connection.execute(text, (series, *place)).fetchone() is not None
            taken.add(place)
            self.result.new += not there
            self.result.held += there

    def _refuse(self, store: SeriesStore, row: Refused) -> None:
        """Set aside with why, once."""
        self.result.refused += 1
        self._on_refused(row)
        reason = f"{row.file}:{row.line}: {row.reason}"
        store.connection.execute(
            "INSERT INTO poison (type, body, reason) SELECT 'import', ?, ? "
            "WHERE NOT EXISTS (SELECT 1 FROM poison WHERE type = 'import' AND body = ? AND reason = ?)",
            (row.text, reason, row.text, reason),
        )

    def _named(self, trade: Trade) -> Trade:
        """A trade without an id is told from its equals by its place among them."""
        if trade.id:
            return trade
        if trade.at_ns != self._equals_at:
            self._equals.clear()
            self._equals_at = trade.at_ns
        what = (trade.instrument, trade.channel, trade.price, trade.size, trade.side)
        self._equals[what] += 1
        place = self._equals[what]
        if place == 1:
            return trade
        return msgspec.structs.replace(trade, id=f"~{trade.price}-{trade.size}-{trade.side}#{place}")


def _key(row: Row) -> tuple[type, str, str]:
    return (type(row), row.instrument, row.channel) if isinstance(row, Bar | Trade | Gap) else (type(row), "", "")


def _proves(instrument: str, channel: str) -> str:
    """How rows of a series prove that none is missing; "" where they cannot."""
    of = parse_channel(channel)
    if of.kind == "bars":
        return "" if of.built_from else "bars"
    venue = venues().get(split_id(instrument)[0])
    feed = venue.feeds.get(of.kind) if venue is not None else None
    return feed.continuity if feed is not None else ""


def _stamp_of(store: SeriesStore, series: int | None, seq: int) -> int | None:
    row = store.connection.execute("SELECT at_ns FROM trades WHERE series = ? AND seq = ?", (series, seq)).fetchone()
    return None if row is None else row[0]


def _series(store: SeriesStore, instrument: str, channel: str) -> int | None:
    found = store.connection.execute(
        "SELECT series FROM series WHERE instrument = ? AND channel = ?", (instrument, channel)
    ).fetchone()
    return None if found is None else int(found[0])

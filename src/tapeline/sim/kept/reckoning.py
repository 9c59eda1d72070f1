"""A store against the truth of the world it was kept in: every difference is a sentence.

What has to hold at the end of every day, whatever happened on it: each trade and each bar that is not held is listed as
a hole; no hole is listed that misses nothing, or that reaches over what is held (its two end instants are its slack);
nothing is held twice; what is held is what happened; a built bar that is not `partial` is what its trades make.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from tapeline.errors import NotHeld, UnknownInstrument
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import HELD, Hole
from tapeline.model.interval import INTERVALS
from tapeline.model.number import EXACT
from tapeline.sim.pit import Pit
from tapeline.sim.witness import some
from tapeline.store.reader import Store

LOST = "unrecoverable"
BAR_FIELDS = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the store is held against. `whole`: everything the venue still has must be there by now."""

    pits: Sequence[Pit]
    trades: str  # the channel of trades that is kept: trades, or aggtrades
    bars: str  # the interval of the venue's bars
    built: Sequence[str]  # intervals that are built of the trades
    until_ns: int  # what happened before this is there, or listed
    whole: bool
    revised: Sequence[Bar] = field(default=())  # bars that the venue told otherwise, later: they are in dispute
    anew: bool = False  # the venue has numbered its trades anew: nobody can say then whether any are missing

    @property
    def spare(self) -> frozenset[str]:
        """States that a hole may be listed in though nothing of it is missing."""
        return frozenset({"disputed"} if self.revised else ()) | frozenset({"disputed", LOST} if self.anew else ())


def reckoned(store: Store, truth: Truth) -> list[str]:
    """Every way in which the store differs from what happened; empty where all is well."""
    found: list[str] = []
    for pit in truth.pits:
        found += some(_trades(store, truth, pit))
        found += some(_bars(store, truth, pit))
        for interval in truth.built:
            found += some(_built(store, truth, pit, interval))
    return found


def _trades(store: Store, truth: Truth, pit: Pit) -> Iterator[str]:
    name, of = pit.instrument.id, truth.trades
    wanted = store.wanted_of(name, of)
    if not wanted:
        yield f"{name} {of}: nothing of it was ever kept"
        return
    (from_ns, to_ns), *others = wanted
    if others or to_ns < truth.until_ns:
        yield f"{name} {of}: wanted is {wanted}, and should reach to {truth.until_ns}"
    rows = list(store.trades(name, channel=of))
    told = pit.aggregates if of == "aggtrades" else pit.between
    happened = list(told(min([from_ns, *(row.at_ns or from_ns for row in rows)]), to_ns + 1))
    held = set[int]()  # by place in `happened`
    yield from _matched(name, rows, happened, held, to_ns)
    holes = store.holes(name, of)
    for place, trade in enumerate(happened):
        at_ns = trade.at_ns or 0
        if place in held or not from_ns <= at_ns < to_ns:
            continue
        if not any(hole.from_ns <= at_ns < hole.to_ns for hole in holes):
            yield f"{name} {of}: trade {trade.seq} at {at_ns} is not held, and no hole says so"
    times = [trade.at_ns or 0 for trade in happened]
    lost = [at_ns for place, at_ns in enumerate(times) if place not in held]
    kept = [at_ns for place, at_ns in enumerate(times) if place in held]
    yield from _needed(f"{name} {of}", truth, holes, lost, kept)
    for span in store.coverage(name, of):
        if span.state in HELD and any(span.from_ns <= at_ns < span.to_ns for at_ns in lost):
            yield f"{name} {of}: {span} is claimed, but not all of it is held"


def _matched(
    name: str, rows: Sequence[Trade], happened: Sequence[Trade], held: set[int], until_ns: int
) -> Iterator[str]:
    """Each row is one trade that happened; `held` gets their places."""
    places: dict[tuple[int | None, int | None], int] = {
        (trade.seq, trade.at_ns): place for place, trade in enumerate(happened)
    }
    for row in rows:
        numbers = _numbers(row)
        found = [place for number in numbers if (place := places.get((number, row.at_ns))) is not None]
        if len(found) < len(numbers):
            if (row.at_ns or 0) <= until_ns:
                yield f"{name}: {row} is held, and never happened"
        elif any(place in held for place in found):
            yield f"{name}: {row} is held twice"
        else:
            held.update(found)
            true = [happened[place] for place in found]
            size = reduce(EXACT.add, (trade.size for trade in true))
            if (row.price, row.size, row.side) != (true[0].price, size, true[0].side):
                yield f"{name}: {row} is held, it was {', '.join(map(repr, true))}"


def _numbers(row: Trade) -> Sequence[int | None]:
    """Those of the trades that a row stands for: several where a stream has merged them."""
    if row.channel == "trades" and row.first_id is not None and row.last_id is not None:
        return range(row.first_id, row.last_id + 1)
    return [row.seq]


def _needed(
    name: str, truth: Truth, holes: Sequence[Hole], lost: Sequence[int], kept: Sequence[int]
) -> Iterator[str]:  # fmt: skip
    """Holes that miss nothing, reach over what is held, or should have been filled."""
    for hole in holes:
        missed = [at_ns for at_ns in lost if hole.from_ns <= at_ns < hole.to_ns]
        unsure = hole.cause == "late_start" and not truth.whole  # before anybody has asked, nobody knows
        if not missed and hole.state not in truth.spare and not unsure:
            yield f"{name}: {hole} is listed, but nothing of it is missing"
        inside = sum(hole.from_ns < at_ns < hole.to_ns - 1 for at_ns in kept)
        if inside and hole.state not in truth.spare:
            yield f"{name}: {hole} reaches over {inside} that are held"
        if truth.whole and hole.state == "missing":
            yield f"{name}: {hole} is still missing, and the venue has it"


def _bars(store: Store, truth: Truth, pit: Pit) -> Iterator[str]:
    name, length = pit.instrument.id, INTERVALS[truth.bars]
    of = f"bars:{truth.bars}"
    wanted = store.wanted_of(name, of)
    rows = held_bars(store, name, truth.bars)
    if not wanted or not rows:
        yield f"{name} {of}: nothing of it was ever kept"
        return
    (from_ns, to_ns), *others = wanted
    if others or length.next(to_ns) < truth.until_ns:
        yield f"{name} {of}: wanted is {wanted}, and should reach to {truth.until_ns}"
    happened = {bar.open_at_ns: bar for bar in pit.candles(truth.bars, min(from_ns, *rows), to_ns, to_ns) if bar.closed}
    yield from _as_told(f"{name} {of}", truth, rows, happened, to_ns)
    holes = store.holes(name, of)
    lost = [at_ns for at_ns in happened if at_ns >= from_ns and at_ns not in rows]
    for at_ns in lost:
        if not any(hole.from_ns <= at_ns < hole.to_ns for hole in holes):
            yield f"{name} {of}: the bar at {at_ns} is not held, and no hole says so"
    yield from _needed(f"{name} {of}", truth, holes, lost, list(rows))
    for span in store.coverage(name, of):
        if span.state in HELD and any(span.from_ns <= at_ns < span.to_ns for at_ns in lost):
            yield f"{name} {of}: {span} is claimed, but not all of it is held"


def _as_told(
    name: str, truth: Truth, rows: Mapping[int, Bar], happened: Mapping[int, Bar], until_ns: int
) -> Iterator[str]:  # fmt: skip
    """Each row is a bar of the venue's as it was, or as it was told at some later time."""
    for open_ns, row in rows.items():
        true = happened.get(open_ns)
        if true is None:
            if open_ns < until_ns:
                yield f"{name}: {row} is held, and never was"
        elif wrong := _differs(row, true):
            place = (row.instrument, row.interval, open_ns)
            later = [bar for bar in truth.revised if (bar.instrument, bar.interval, bar.open_at_ns) == place]
            if all(_differs(row, bar) for bar in later):
                yield f"{name}: {wrong}"


def _built(store: Store, truth: Truth, pit: Pit, interval: str) -> Iterator[str]:
    name, length = pit.instrument.id, INTERVALS[interval]
    of = f"bars:{interval}@{truth.trades}"
    wanted = store.wanted_of(name, truth.trades)
    if not wanted:
        return
    from_ns = wanted[0][0]
    until_ns = length.floor(truth.until_ns)
    start_ns = length.floor(from_ns)
    rows = held_bars(store, name, f"{interval}@{truth.trades}")
    happened = {bar.open_at_ns: bar for bar in pit.candles(interval, start_ns, until_ns, until_ns)}
    holes = store.holes(name, truth.trades)
    for open_ns, true in happened.items():
        end_ns = length.next(open_ns)
        touched = open_ns < from_ns or any(hole.from_ns < end_ns and open_ns < hole.to_ns for hole in holes)
        row = rows.get(open_ns)
        if row is None:
            if not touched:
                yield f"{name} {of}: there is no bar at {open_ns}"
        elif row.certificate != "partial":
            if wrong := _differs(row, true):
                yield f"{name} {of}: {row.certificate}, but {wrong}"
        elif truth.whole and not touched:
            yield f"{name} {of}: the bar at {open_ns} is partial (revision {row.revision}), and all of it is held"
    for open_ns, row in rows.items():
        if open_ns < until_ns and open_ns not in happened:
            yield f"{name} {of}: {row} is held, and never was"


def held_bars(store: Store, name: str, interval: str) -> dict[int, Bar]:
    """The bars of a series by open time; none where there is no such series."""
    try:
        rows = list(store.bars(name, interval))
    except (NotHeld, UnknownInstrument):
        return {}
    return {row.open_at_ns: row for row in rows}


def _differs(row: Bar, true: Bar) -> str:
    """How a bar that is held is not what it was; "" where it is."""
    for name in BAR_FIELDS:
        said, was = getattr(row, name), getattr(true, name)
        if said is not None and said != was:
            return (
                f"{name} of the bar at {row.open_at_ns} (revision {row.revision}, {row.source}) is {said}, it was {was}"
            )
    return ""

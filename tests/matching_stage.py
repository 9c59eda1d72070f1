"""A market and orders at its touch, for our matcher and another's: what came of each, and what came near it."""

import copy
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tapeline.model.event import BookDelta, BookSnapshot, Event, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS, SECOND_NS
from tapeline.model.topic import Topic
from tapeline.sim.market import Market
from tapeline.sim.pit import BEAT_NS
from tapeline.trading.paper.depth import Depth
from tapeline.trading.paper.matching import Matcher
from tapeline.trading.paper.outcome import Hit, Matching
from tapeline.trading.paper.ticket import Ticket
from tapeline.venues.spec import Ask, Control, Venue

KINDS = ("trade buy", "trade sell", "state buy", "state sell", "level buy", "level sell")
ROW = [("kind", "i1"), ("at_ns", "i8"), ("price", "f8"), ("size", "f8")]
LIVES_NS = 10 * SECOND_NS
START_NS = 1_700_006_400_000_000_000
SIZES = (Decimal("0.01"), Decimal("0.5"), Decimal(5))
THROUGH, CAME = "a trade went through the price", "the other side of the book came to the price"


@dataclass
class Probe:
    """One order of the comparison. `near` is what happened to its price while some of it was left."""

    number: int
    side: str
    price: Decimal
    size: Decimal
    from_ns: int
    filled: Decimal = Decimal(0)
    near: set[str] = field(default_factory=set)


def listed(venue: Venue) -> Instrument:
    """BTCUSDT, as the venue's samples list it."""
    assert venue.server is not None
    return next(each for each in venue.server.sample_instruments if each.native == "BTCUSDT")


def recorded(venue: Venue, tapes: Sequence[Path], rest: Path | None = None) -> list[Event]:
    """Book and trades of a session in the venue's time, each in the order it came; what a book does not need is out."""
    instrument = listed(venue)
    decode = venue.decoder(venue.name, {instrument.native: instrument})
    found: list[Event] = []
    for line in chain.from_iterable(gzip.decompress(tape.read_bytes()).splitlines() for tape in tapes):
        row = msgspec.json.decode(line)
        if row["dir"] == "in":
            found += [each for each in decode(row["raw"].encode(), 1) if not isinstance(each, Control)]
    events: list[Event] = [
        each for each in found if isinstance(each, Trade | BookDelta) and each.instrument == instrument.id
    ]
    events.sort(key=_at_ns)
    return events if rest is None else _from_state(events, _state(venue, instrument, rest))


def synthetic(venue: Venue, seed: int) -> list[Event]:
    """A day of a synthetic market."""
    instrument, market = listed(venue), Market(venue, seed, START_NS)
    book, trades = Topic("book", instrument.native), Topic("trades", instrument.native)
    (state,) = market.rows(Ask("depth", instrument.native, limit=1000), START_NS) or ()
    assert isinstance(state, BookSnapshot)
    events: list[Event] = [msgspec.structs.replace(state, channel="book")]
    for beat in range(START_NS // BEAT_NS + 1, (START_NS + DAY_NS) // BEAT_NS):
        market.skip_to(beat * BEAT_NS)
        events += market.events(trades, beat)
        events += market.events(book, beat)
    return events


def probes(events: Sequence[Event], every_ns: int) -> Iterator[Probe]:
    """Orders at the best bid and the best ask every so often, in three sizes."""
    depth, number = Depth(), 0
    due_ns, last_ns = _at_ns(events[0]) + every_ns, _at_ns(events[-1])
    for event in events:
        while _at_ns(event) > due_ns and due_ns + LIVES_NS < last_ns:
            bid, ask = depth.bids.best, depth.asks.best
            assert bid is not None
            assert ask is not None
            for side, price in (("buy", bid), ("sell", ask)):
                for size in SIZES:
                    number += 1
                    yield Probe(number, side, price, size, due_ns)
            due_ns += every_ns
        _shown(depth, event)


def by_us(instrument: Instrument, events: Sequence[Event], orders: Sequence[Probe], settings: Matching) -> None:
    """Fill each order in a market of its own, so that they share nothing; it lives for `LIVES_NS`."""
    template = Matcher(instrument, settings)
    live: list[tuple[Probe, Matcher, Ticket]] = []
    waiting = sorted(orders, key=lambda probe: probe.from_ns)[::-1]
    for event in events:
        now_ns = _at_ns(event)
        while waiting and waiting[-1].from_ns < now_ns:
            probe = waiting.pop()
            matcher = copy.deepcopy(template)
            ticket = Ticket(str(probe.number), probe.number, probe.side, probe.size, probe.price)
            matcher.rest(ticket)
            live.append((probe, matcher, ticket))
        live = [each for each in live if each[0].from_ns + LIVES_NS >= now_ns and each[2].left]
        for probe, matcher, _ in live:
            for outcome in matcher.market(event):
                assert isinstance(outcome, Hit)
                probe.filled += outcome.size
            probe.near |= _near(event, probe, matcher.depth)
        assert not list(template.market(event))


def rows_of(events: Sequence[Event]) -> "np.ndarray[Any, Any]":
    """Every trade and level as `ROW`, in order: what a program without our types can read."""
    rows: list[tuple[int, int, float, float]] = []
    for event in events:
        if isinstance(event, Trade):
            kind = KINDS.index(f"trade {event.side}")
            rows.append((kind, _at_ns(event), float(event.price), float(event.size)))
        elif isinstance(event, BookDelta | BookSnapshot):
            what = "state" if isinstance(event, BookSnapshot) else "level"
            for side, levels in (("buy", event.bids), ("sell", event.asks)):
                kind = KINDS.index(f"{what} {side}")
                rows += [(kind, _at_ns(event), float(price), float(size)) for price, size in levels]
    return np.array(rows, dtype=ROW)


def _near(event: Event, probe: Probe, depth: Depth) -> set[str]:
    if isinstance(event, Trade):
        through = event.price < probe.price if probe.side == "buy" else event.price > probe.price
        return {THROUGH} if through else set()
    best = depth.side(probe.side).best
    came = best is not None and (best <= probe.price if probe.side == "buy" else best >= probe.price)
    return {CAME} if came else set()


def _state(venue: Venue, instrument: Instrument, rest: Path) -> BookSnapshot:
    rows = map(msgspec.json.decode, gzip.decompress(rest.read_bytes()).splitlines())
    body = next(row["body"] for row in rows if "depth" in row["url"])
    ask, ids = Ask("depth", instrument.native), {instrument.native: instrument.id}
    state = venue.rest["depth"].parse(body.encode(), ask, ids, 1)[0]
    assert isinstance(state, BookSnapshot)
    return state


def _from_state(events: Sequence[Event], state: BookSnapshot) -> list[Event]:
    """From the first change after it on; what the book does not take is left out."""
    first = next(
        at for at, event in enumerate(events)
        if isinstance(event, BookDelta) and (event.last_seq or 0) > (state.last_seq or 0)
    )  # fmt: skip
    start = msgspec.structs.replace(state, channel=events[first].channel, at_ns=_at_ns(events[first]))
    depth = Depth()
    depth.snapshot(start)
    return [start, *(each for each in events[first:] if not isinstance(each, BookDelta) or depth.delta(each))]


def _shown(depth: Depth, event: Event) -> None:
    if isinstance(event, BookSnapshot):
        depth.snapshot(event)
    elif isinstance(event, BookDelta):
        depth.delta(event)


def _at_ns(event: Event) -> int:
    return event.at_ns or 0

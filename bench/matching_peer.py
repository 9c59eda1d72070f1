"""Our matching beside hftbacktest's on a recorded session: the same orders into both, and where they differ.

    python bench/matching_peer.py binance CAPTURE.ws.jsonl.gz ... CAPTURE.rest.jsonl.gz
    python bench/matching_peer.py binance 7        # a synthetic day, of this seed

hftbacktest is no dependency of the project: `pip install hftbacktest` beside it. Orders join the queue at the best bid and the best
ask every two seconds (of the synthetic day every minute) and are cancelled after ten; both know the same book and trades, without
latency. What came of it is in docs/explanation/matching.md.
"""

import copy
import gzip
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.order import EXPIRED, FILLED, GTX, LIMIT, REJECTED
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)

from tapeline.model.event import BookDelta, BookSnapshot, Event, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS
from tapeline.model.topic import Topic
from tapeline.sim.market import Market
from tapeline.sim.pit import BEAT_NS
from tapeline.trading.paper.depth import Depth
from tapeline.trading.paper.matching import Matcher
from tapeline.trading.paper.outcome import Hit, Matching
from tapeline.trading.paper.ticket import Ticket
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask, Control, Venue

EVERY_NS, LIVES_NS = 2_000_000_000, 10_000_000_000
START_NS = 1_700_006_400_000_000_000
SIZES = (Decimal("0.01"), Decimal("0.5"), Decimal(5))


@dataclass
class Probe:
    """One order of the comparison."""

    number: int
    side: str
    price: Decimal
    size: Decimal
    from_ns: int
    ours: Decimal = Decimal(0)
    whole: Decimal = Decimal(0)  # ours, where a trade through the price fills all
    theirs: Decimal = Decimal(0)  # an order is filled whole or not at all
    parts: Decimal = Decimal(0)  # theirs, where orders are filled in parts
    why: str = ""


def recorded(venue: Venue, instrument: Instrument, tapes: list[Path], rest: Path | None) -> list[Event]:
    """Book and trades of the session in the venue's time, each in the order it came; what a book does not need is left out."""
    decode = venue.decoder(venue.name, {instrument.native: instrument})
    found: list[Event] = []
    for line in chain.from_iterable(gzip.decompress(tape.read_bytes()).splitlines() for tape in tapes):
        row = msgspec.json.decode(line)
        if row["dir"] == "in":
            found += [one for one in decode(row["raw"].encode(), 1) if not isinstance(one, Control)]
    events = [one for one in found if isinstance(one, Trade | BookDelta) and one.instrument == instrument.id]
    events.sort(key=lambda one: one.at_ns or 0)
    if rest is not None:
        body = next(
            row["body"]
            for row in map(msgspec.json.decode, gzip.decompress(rest.read_bytes()).splitlines())
            if "depth" in row["url"]
        )
        state = venue.rest["depth"].parse(
            body.encode(), Ask("depth", instrument.native), {instrument.native: instrument.id}, 1
        )[0]
        assert isinstance(state, BookSnapshot)
        first = next(
            i
            for i, one in enumerate(events)
            if isinstance(one, BookDelta) and (one.last_seq or 0) > (state.last_seq or 0)
        )
        start = msgspec.structs.replace(state, channel="book", at_ns=events[first].at_ns)
        depth = Depth()
        depth.snapshot(start)
        events = [start, *(one for one in events[first:] if not isinstance(one, BookDelta) or depth.delta(one))]
    return events


def synthetic(venue: Venue, instrument: Instrument, seed: int) -> list[Event]:
    """A day of a synthetic market."""
    market = Market(venue, seed, START_NS)
    book, trades = Topic("book", instrument.native), Topic("trades", instrument.native)
    state = market.rows(Ask("depth", instrument.native, limit=1000), START_NS)[0]
    events: list[Event] = [msgspec.structs.replace(state, channel="book")]
    for beat in range(START_NS // BEAT_NS + 1, (START_NS + DAY_NS) // BEAT_NS):
        market.skip_to(beat * BEAT_NS)
        events += market.events(trades, beat)
        events += market.events(book, beat)
    return events


def probes(events: list[Event], every_ns: int) -> Iterator[Probe]:
    """Orders at the touch, on both sides, in two sizes."""
    depth, number = Depth(), 0
    due_ns = (events[0].at_ns or 0) + every_ns
    last_ns = events[-1].at_ns or 0
    for event in events:
        while (event.at_ns or 0) > due_ns and due_ns + LIVES_NS < last_ns:
            bid, ask = depth.bids.best, depth.asks.best
            assert bid is not None
            assert ask is not None
            for side, price in (("buy", bid), ("sell", ask)):
                for size in SIZES:
                    number += 1
                    yield Probe(number, side, price, size, due_ns)
            due_ns += every_ns
        if isinstance(event, BookSnapshot):
            depth.snapshot(event)
        elif isinstance(event, BookDelta):
            depth.delta(event)


def by_us(instrument: Instrument, events: list[Event], orders: list[Probe], settings: Matching, field: str) -> None:
    """Each order in a market of its own: theirs share nothing either."""
    template, live = Matcher(instrument, settings), []
    waiting = sorted(orders, key=lambda one: one.from_ns)
    for event in events:
        now_ns = event.at_ns or 0
        while waiting and waiting[0].from_ns < now_ns:
            probe = waiting.pop(0)
            matcher = copy.deepcopy(template)
            ticket = Ticket(str(probe.number), probe.number, probe.side, probe.size, probe.price)
            matcher.rest(ticket)
            live.append((probe, matcher, ticket))
        live = [one for one in live if one[0].from_ns + LIVES_NS >= now_ns and one[2].left]
        for probe, matcher, _ in live:
            for outcome in matcher.market(event):
                assert isinstance(outcome, Hit)
                setattr(probe, field, getattr(probe, field) + outcome.size)
                if field == "ours" and not probe.why:
                    probe.why = _why(event, probe)
        for outcome in template.market(event):
            raise AssertionError(outcome)


def _why(event: Event, probe: Probe) -> str:
    if isinstance(event, Trade):
        return "at our price" if event.price == probe.price else "through our price"
    return "the book came to us"


def by_them(instrument: Instrument, events: list[Event], orders: list[Probe], *, partial: bool, field: str) -> None:
    """The same by hftbacktest: risk-averse queue, no latency, no fees."""
    rows = as_theirs(events)  # it is read where it lies
    asset = (
        BacktestAsset().data([rows]).linear_asset(1.0).constant_order_latency(0, 0)
        .risk_adverse_queue_model().trading_value_fee_model(0.0, 0.0)
        .tick_size(float(instrument.tick)).lot_size(float(instrument.lot))
    )  # fmt: skip
    asset = asset.partial_fill_exchange() if partial else asset.no_partial_fill_exchange()
    hbt = HashMapMarketDepthBacktest([asset])
    steps = sorted(
        [(one.from_ns, 1, one) for one in orders] + [(one.from_ns + LIVES_NS, 0, one) for one in orders],
        key=lambda step: step[:2],
    )
    hbt.elapse(0)
    for at_ns, begins, probe in steps:
        hbt.elapse(max(0, at_ns - hbt.current_timestamp))
        if begins:
            submit = hbt.submit_buy_order if probe.side == "buy" else hbt.submit_sell_order
            submit(0, probe.number, float(probe.price), float(probe.size), GTX, LIMIT, False)
            hbt.elapse(1)
            continue
        order = hbt.orders(0).get(probe.number)
        if order is not None:
            left = Decimal(str(round(order.leaves_qty, 8)))
            setattr(
                probe,
                field,
                Decimal(0)
                if order.status == REJECTED or order.status == EXPIRED
                else probe.size - left
                if order.status != FILLED
                else probe.size,
            )
            if order.cancellable:
                hbt.cancel(0, probe.number, False)
                hbt.elapse(1)
    hbt.close()
    del rows


def as_theirs(events: list[Event]) -> np.ndarray:
    """Their array: one row a level or trade."""
    rows = []
    for one in events:
        if isinstance(one, Trade):
            rows.append(
                (
                    TRADE_EVENT | (BUY_EVENT if one.side == "buy" else SELL_EVENT),
                    one.at_ns,
                    float(one.price),
                    float(one.size),
                )
            )
            continue
        kind = DEPTH_SNAPSHOT_EVENT if isinstance(one, BookSnapshot) else DEPTH_EVENT
        for flag, side in ((BUY_EVENT, one.bids), (SELL_EVENT, one.asks)):
            rows += [(kind | flag, one.at_ns, float(price), float(size)) for price, size in side]
    made = np.zeros(len(rows), dtype=event_dtype)
    for index, (ev, at_ns, price, size) in enumerate(rows):
        made[index] = (ev | EXCH_EVENT | LOCAL_EVENT, at_ns, at_ns, price, size, 0, 0, 0.0)
    return made


def report(orders: list[Probe]) -> None:
    for size in SIZES:
        chosen = [one for one in orders if one.size == size]
        print(f"size {size}: {len(chosen)} orders")
        for name, ours, theirs in (
            ("as much as was traded, theirs in parts", "ours", "parts"),
            ("whole once reached, theirs whole", "whole", "theirs"),
        ):
            a, b = [getattr(one, ours) for one in chosen], [getattr(one, theirs) for one in chosen]
            same = sum(x == y for x, y in zip(a, b, strict=True))
            touched = sum((x > 0) == (y > 0) for x, y in zip(a, b, strict=True))
            more = sum(x > y for x, y in zip(a, b, strict=True))
            print(
                f"  {name}: {same} fill the same amount, {touched} agree whether anything fills; we fill more in {more}, they in {len(a) - same - more}; filled {sum(a)} and {sum(b)}"
            )
        differ = Counter(
            (one.why or "not filled by us", "more" if one.ours > one.parts else "less")
            for one in chosen
            if one.ours != one.parts
        )
        print("  where amounts differ, our first fill was:", dict(differ))


def main() -> None:
    name, *files = [one for one in sys.argv[1:] if not one.startswith("--")]
    venue = venue_named(name)
    assert venue.server is not None
    instrument = next(one for one in venue.server.sample_instruments if one.native == "BTCUSDT")
    if files[0].isdecimal():
        events, every_ns = synthetic(venue, instrument, int(files[0])), 60_000_000_000
    else:
        rest = next((Path(one) for one in files if ".rest." in one), None)
        events, every_ns = recorded(venue, instrument, [Path(one) for one in files if ".ws." in one], rest), EVERY_NS
    orders = list(probes(events, every_ns))
    print(f"{name}: {len(events)} events, {len(orders)} orders")
    by_us(instrument, events, orders, Matching(), "ours")
    by_us(instrument, events, orders, Matching(whole=True), "whole")
    by_them(instrument, events, orders, partial=True, field="parts")
    by_them(instrument, events, orders, partial=False, field="theirs")
    report(orders)
    if "--list" in sys.argv:
        for one in orders:
            if one.ours != one.parts:
                print(one)


if __name__ == "__main__":
    main()

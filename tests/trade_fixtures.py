"""Synthetic markets for tests of what trades: the same prices every time."""

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from tapeline.model.event import Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.model.instrument import Instrument
from tapeline.store.series import SeriesStore

START_NS = 1_723_075_200_000_000_000  # 2024-08-08
SECOND = 1_000_000_000


def spot(name: str = "BTC/USDT", venue: str = "binance") -> Instrument:
    base, _, quote = name.partition("/")
    return Instrument(
        venue=venue, symbol=name, native=base + quote, kind="spot", base=base, quote=quote, tick=Decimal("0.01"),
        lot=Decimal("0.00001"), min_notional=Decimal(5),
    )  # fmt: skip


def walk(
    count: int, *, instrument: str = "binance:BTC/USDT", seed: int = 1, start: int = 6_000_000, every_ns: int = SECOND,
    swing: int = 6000,
) -> Iterator[Trade]:  # fmt: skip
    """Trades of a price that wanders, one each second."""
    chance = random.Random(seed)
    cents, way = start, 1
    for number in range(count):
        if chance.random() < 0.02:
            way = -way
        cents = max(100, cents + way * chance.randrange(swing // 100) + chance.randrange(-swing // 50, swing // 50 + 1))
        at_ns = START_NS + number * every_ns
        yield Trade(
            instrument, "trades", at_ns, at_ns + 1000, "ws", str(number + 1), number + 1,
            "buy" if chance.random() < 0.5 else "sell", Decimal(cents).scaleb(-2),
            Decimal(chance.randrange(1, 100_000)).scaleb(-5),
        )  # fmt: skip


def stored(folder: Path, count: int, *instruments: Instrument, proven: bool = True, hole: bool = False) -> Path:
    """A store that holds such trades of each instrument, proven by their ids."""
    held = SeriesStore(folder)
    for at, each in enumerate(instruments or (spot(),)):
        held.write([each, *walk(count, instrument=each.id, seed=at + 1)])
        if proven:
            end_ns = START_NS + count * SECOND
            held.write([
                Wanted(each.id, "trades", START_NS, end_ns, "backfill"),
                Fact(each.id, "trades", START_NS, end_ns, "proven", "ids", "rest", "", end_ns),
            ])  # fmt: skip
            if hole:
                middle_ns = START_NS + count // 2 * SECOND
                held.write([
                    Fact(each.id, "trades", middle_ns, middle_ns + 60 * SECOND, "missing", "", "ws", "cut", end_ns + 1,
                         cause="link_down")
                ])  # fmt: skip
    held.close()
    return folder

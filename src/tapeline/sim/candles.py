"""A venue's own klines: bars of exactly the trades that were fed, by event time. Independent of how clients build."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tapeline.model.event import Bar, Trade
from tapeline.model.instrument import Instrument, notional
from tapeline.model.interval import interval
from tapeline.model.number import EXACT, ZERO


class Part:
    """One bar that grows."""

    __slots__ = ("buys", "close", "count", "first", "high", "last", "low", "open", "quote", "volume")

    def __init__(self, price: Decimal) -> None:
        self.open = self.high = self.low = self.close = price
        self.volume = self.quote = self.buys = ZERO
        self.count = 0
        self.first: int | None = None
        self.last: int | None = None

    def add(self, trade: Trade, value: Decimal) -> None:
        """One more trade, worth so much in quote currency."""
        self.high, self.low, self.close = max(self.high, trade.price), min(self.low, trade.price), trade.price
        self.volume = EXACT.add(self.volume, trade.size)
        self.quote = EXACT.add(self.quote, value)
        if trade.side == "buy":
            self.buys = EXACT.add(self.buys, trade.size)
        first, last = _ids(trade)
        self.count += last - first + 1 if first is not None and last is not None else 1
        self.first = first if self.first is None else self.first
        self.last = last if last is not None else self.last

    def merge(self, later: "Part") -> None:
        """Everything of a later bar."""
        self.high, self.low, self.close = max(self.high, later.high), min(self.low, later.low), later.close
        self.volume = EXACT.add(self.volume, later.volume)
        self.quote = EXACT.add(self.quote, later.quote)
        self.buys = EXACT.add(self.buys, later.buys)
        self.count += later.count
        self.first = later.first if self.first is None else self.first
        self.last = later.last if later.last is not None else self.last


def _ids(trade: Trade) -> tuple[int | None, int | None]:
    if trade.first_id is not None and trade.last_id is not None:
        return trade.first_id, trade.last_id
    number = int(trade.id) if trade.id.isdecimal() else None
    return number, number


class Candles:
    """Bars of one instrument and interval, `parts` by open time. Open and close are by arrival of the trades."""

    def __init__(self, name: str, instrument: Instrument | None) -> None:
        self._interval = interval(name)
        self._instrument = instrument
        self.parts: dict[int, Part] = {}
        self.instrument_id = instrument.id if instrument else ""

    def add(self, trade: Trade) -> None:
        """One more trade; one without a stamp belongs to no bar."""
        if trade.at_ns is None:
            return
        start_ns = self._interval.floor(trade.at_ns)
        bar = self.parts.get(start_ns)
        if bar is None:
            bar = self.parts[start_ns] = Part(trade.price)
            self.instrument_id = trade.instrument
        value = EXACT.multiply(trade.price, trade.size)
        bar.add(trade, notional(self._instrument, trade.price, trade.size) if self._instrument else value)

    def merge(self, lower: "Candles") -> None:
        """Add all bars of a shorter interval, which must be later than what is here."""
        for start_ns in sorted(lower.parts):
            mine = self._interval.floor(start_ns)
            if mine not in self.parts:
                self.parts[mine] = Part(lower.parts[start_ns].open)
                self.instrument_id = lower.instrument_id
            self.parts[mine].merge(lower.parts[start_ns])

    def rows(self, now_ns: int) -> Sequence[Bar]:
        """All bars, oldest first; closed where their end is not after `now_ns`."""
        return list(self._rows(now_ns))

    def _rows(self, now_ns: int) -> Iterator[Bar]:
        name = self._interval.name
        for start_ns in sorted(self.parts):
            bar = self.parts[start_ns]
            end_ns = self._interval.next(start_ns)
            yield Bar(
                self.instrument_id, f"bars:{name}", min(end_ns, now_ns), now_ns, "rest", name, start_ns,
                bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote, bar.count, bar.buys,
                bar.first, bar.last, end_ns <= now_ns,
            )  # fmt: skip

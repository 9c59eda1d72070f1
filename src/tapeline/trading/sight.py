"""What the engine has seen of one instrument: prices, bars, its book, and how good its data are. Pure."""

from collections import deque
from decimal import Decimal

from tapeline.errors import Unsynchronised
from tapeline.model.event import Bar, Quote
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT
from tapeline.trading.desk import BookView
from tapeline.trading.risk.standing import Market

BARS_KEPT = 2000
_HALF = Decimal("0.5")


class Sight:
    """One instrument. Times are the engine's `now_ns` when something was heard."""

    __slots__ = (
        "_bars", "book", "heard_ns", "holes_ns", "id", "instrument", "last", "mark", "proven", "quote", "waiting",
    )  # fmt: skip

    def __init__(self, instrument_id: str, instrument: Instrument | None) -> None:
        self.id = instrument_id
        self.instrument = instrument
        self.last: Decimal | None = None  # the last trade's price, or a bar's close
        self.mark: Decimal | None = None
        self.quote: Quote | None = None
        self.book: BookView | None = None
        self.heard_ns: int | None = None  # when a price was last heard
        self.holes_ns: int | None = None  # when a hole was last found or filled
        self.proven: dict[str, tuple[int, int]] = {}  # channel -> the last stretch that is proven to be whole
        self.waiting = 0  # orders that wait for a price of this instrument
        self._bars: dict[str, deque[Bar]] = {}

    def price(self) -> Decimal | None:
        """The middle of the best prices, else the mark or the last price."""
        bid, ask = self.best()
        if bid is not None and ask is not None:
            return EXACT.multiply(EXACT.add(bid, ask), _HALF)
        return self.mark if self.mark is not None else self.last

    def value_price(self) -> Decimal | None:
        """What positions are valued at: the venue's mark, else the last price, else the middle."""
        if self.mark is not None:
            return self.mark
        return self.last if self.last is not None else self.price()

    def best(self) -> tuple[Decimal | None, Decimal | None]:
        """(bid, ask), from the book where it can be trusted, else from the last quote."""
        if self.book is not None and self.book.synchronised:
            try:
                bids, asks = self.book.top(1)
            except Unsynchronised:
                return None, None
            return (bids[0][0] if bids else None), (asks[0][0] if asks else None)
        return (None, None) if self.quote is None else (self.quote.bid, self.quote.ask)

    def market(self, now_ns: int, rate: Decimal | None, clock_offset_s: float) -> Market:
        """The same as risk wants it."""
        bid, ask = self.best()
        return Market(
            price=self.price(),
            bid=bid,
            ask=ask,
            rate=rate,
            age_s=None if self.heard_ns is None else (now_ns - self.heard_ns) / 1e9,
            synchronised=self.book is None or self.book.synchronised,
            repaired_s_ago=None if self.holes_ns is None else (now_ns - self.holes_ns) / 1e9,
            clock_offset_s=clock_offset_s,
        )

    def remember(self, bar: Bar) -> None:
        """Keep a closed bar; a corrected one takes the place of the one before it."""
        kept = self._bars.setdefault(bar.channel, deque(maxlen=BARS_KEPT))
        if kept and bar.open_at_ns <= kept[-1].open_at_ns:
            for place in range(len(kept) - 1, -1, -1):
                if kept[place].open_at_ns == bar.open_at_ns:
                    kept[place] = bar
                    return
                if kept[place].open_at_ns < bar.open_at_ns:
                    break
            return  # older than all that is kept, or one that was missing: what was read stays as it was
        kept.append(bar)

    def bars(self, interval: str, count: int) -> list[Bar]:
        """The last closed bars of an interval, oldest first: the venue's where they are heard, else built ones."""
        for channel in (f"bars:{interval}", f"bars:{interval}@trades", f"bars:{interval}@aggtrades"):
            kept = self._bars.get(channel)
            if kept:
                return [kept[at] for at in range(-min(count, len(kept)), 0)]  # a deque is quick at its ends
        return []

    def hole(self, channel: str, now_ns: int) -> None:
        """Something is missing: nothing up to now is proven until somebody says so again."""
        self.holes_ns = now_ns
        self.proven.pop(channel, None)

    def prove(self, channel: str, from_ns: int, to_ns: int) -> None:
        """This stretch is whole."""
        self.proven[channel] = (from_ns, to_ns)

    def is_proven(self, channel: str, from_ns: int, to_ns: int) -> bool:
        """Whether nothing of [from_ns, to_ns) is missing."""
        stretch = self.proven.get(channel)
        return stretch is not None and stretch[0] <= from_ns and stretch[1] >= to_ns

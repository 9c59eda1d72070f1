"""Sums over trades: what a bar says before it is a bar. Exact, and the same in whatever order parts arrive. Pure."""

from collections.abc import Callable, Sequence
from decimal import Decimal, DecimalException, getcontext, setcontext

from tapeline.model.event import Trade
from tapeline.model.number import EXACT, ZERO

Notional = Callable[[Decimal, Decimal], Decimal]
"""(price, size) -> value in quote currency, exactly."""

# A price, size or notional of 1e26 or more, or finer than 1e-28, is no trade: 60 digits could not hold sums of such.
_BIG = 25
_FINE = -28
_FINEST = Decimal((0, (0,), _FINE))


class Tally:
    """Open, high, low, close and sums of at least one trade. `trades` counts what each aggregate says it holds.

    Open and close are the first and last trade by (venue stamp, seq), by arrival among equals; `first_id` and `last_id`
    are theirs.
    """

    __slots__ = ("close", "close_at_ns", "close_seq", "first_id", "high", "last_id", "low", "open", "open_at_ns",
                 "open_seq", "quote_volume", "received_ns", "taker_buy_volume", "trades", "volume")  # fmt: skip

    def __init__(
        self, ends: tuple[Trade, Trade], high: Decimal, low: Decimal, sums: tuple[Decimal, Decimal, Decimal], count: int
    ) -> None:
        first, last = ends
        self.open, self.open_at_ns, self.open_seq = first.price, first.at_ns or 0, first.seq
        self.close, self.close_at_ns, self.close_seq = last.price, last.at_ns or 0, last.seq
        self.first_id = first.seq if first.first_id is None else first.first_id
        self.last_id = last.seq if last.last_id is None else last.last_id
        self.high, self.low = high, low
        self.volume, self.quote_volume, self.taker_buy_volume = sums
        self.trades = count
        self.received_ns = last.received_ns

    def copy(self) -> "Tally":
        """The same, to be added to by somebody else."""
        other = Tally.__new__(Tally)
        for name in Tally.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def merge(self, later: "Tally") -> None:
        """Add what arrived after this."""
        if _precedes(later.open_at_ns, later.open_seq, self.open_at_ns, self.open_seq):
            self.open, self.open_at_ns, self.open_seq = later.open, later.open_at_ns, later.open_seq
            self.first_id = later.first_id
        if not _precedes(later.close_at_ns, later.close_seq, self.close_at_ns, self.close_seq):
            self.close, self.close_at_ns, self.close_seq = later.close, later.close_at_ns, later.close_seq
            self.last_id = later.last_id
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.volume = EXACT.add(self.volume, later.volume)
        self.quote_volume = EXACT.add(self.quote_volume, later.quote_volume)
        self.taker_buy_volume = EXACT.add(self.taker_buy_volume, later.taker_buy_volume)
        self.trades += later.trades
        self.received_ns = max(self.received_ns, later.received_ns)


def _precedes(at_ns: int, seq: int | None, other_at_ns: int, other_seq: int | None) -> bool:
    if at_ns != other_at_ns:
        return at_ns < other_at_ns
    return seq is not None and other_seq is not None and seq < other_seq


def tally(
    trades: Sequence[Trade], notional: Notional | None = None, *, aggregates: bool = True
) -> tuple[Tally | None, int, int]:
    """(their tally, how many were empty, how many absurd) of trades in order of their stamps, by arrival among equals.

    Empty ones (size zero: venues send markers) and absurd ones (NaN, or of a magnitude that no market has) count for
    nothing; the tally is None where no other is left. `aggregates` False promises that each trade is one.
    """
    try:
        found = _tally(trades, notional)
        if found is not None:
            if aggregates:
                found.trades = sum(map(_count, trades))
            if _sound(found.volume) and _sound(found.quote_volume):
                return found, 0, 0
    except DecimalException:  # a NaN, or more digits than 60: whose, is found out below
        pass
    sound = [trade for trade in trades if not _unusable(trade, notional)]
    filled = [trade for trade in sound if trade.size]
    left = _tally(filled, notional) if filled else None
    if left is not None:
        left.trades = sum(map(_count, filled))
    return left, len(sound) - len(filled), len(trades) - len(sound)


def _tally(trades: Sequence[Trade], notional: Notional | None) -> Tally | None:
    """None where one of them is empty."""
    high = low = trades[0].price
    value = bought = sold = ZERO
    # EXACT for these sums only, and for this thread only: operators take half the time of its methods. One plain loop
    # takes three quarters of what sum(), max() and min() over lists do.
    before = getcontext()
    setcontext(EXACT)
    try:
        for trade in trades:
            price, size = trade.price, trade.size
            if not size:
                return None
            if price > high:
                high = price
            elif price < low:
                low = price
            value += price * size if notional is None else notional(price, size)
            if trade.side == "buy":
                bought += size
            else:
                sold += size
        sums = bought + sold, value, bought
    finally:
        setcontext(before)
    return Tally(_ends(trades), high, low, sums, len(trades))


def _count(trade: Trade) -> int:
    return 1 if trade.first_id is None or trade.last_id is None else trade.last_id - trade.first_id + 1


def _ends(trades: Sequence[Trade]) -> tuple[Trade, Trade]:
    """The first and the last by (stamp, seq), by arrival among equals; the stamps are in order already."""
    first, last = trades[0], trades[-1]
    for trade in trades:
        if trade.at_ns != first.at_ns:
            break
        if trade.seq is not None and first.seq is not None and trade.seq < first.seq:
            first = trade
    for trade in reversed(trades):
        if trade.at_ns != last.at_ns:
            break
        if trade.seq is not None and last.seq is not None and trade.seq > last.seq:
            last = trade
    return first, last


def _sound(value: Decimal) -> bool:
    """Surely not absurd, which takes a fifth of the time to see."""
    return EXACT.add(value, _FINEST).same_quantum(_FINEST) and value.adjusted() <= _BIG


def _absurd(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return not isinstance(exponent, int) or (bool(value) and (exponent < _FINE or value.adjusted() > _BIG))


def _unusable(trade: Trade, notional: Notional | None) -> bool:
    if _absurd(trade.price) or _absurd(trade.size):
        return True
    try:
        value = notional(trade.price, trade.size) if notional else EXACT.multiply(trade.price, trade.size)
    except DecimalException:  # more digits than 60
        return True
    return _absurd(value)

"""One instrument of a synthetic market: price path, trades, bars and book, each a function of (seed, symbol, time).

History costs nothing until it is asked for, and is the same whoever asks. Time is cut into beats of 100 ms; a minute is
generated whole. Pure: time is an argument.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from random import Random

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, Level, Trade
from tapeline.model.instrument import Instrument, notional
from tapeline.model.interval import HOUR_NS, INTERVALS, MINUTE_NS
from tapeline.model.number import EXACT
from tapeline.sim.candles import Candles, Part

BEAT_NS = 100_000_000
BEATS = MINUTE_NS // BEAT_NS  # a minute
_BOUNDS = [min(beat, BEATS - beat, 12) for beat in range(BEATS)]  # how far a walk may stray from its course
KEPT_BARS = 20_000  # of those shorter than an hour
BLOCKS = (("1h", HOUR_NS), ("15m", 15 * MINUTE_NS), ("1m", MINUTE_NS))  # that longer bars are made of
PRICES = {"BTC": 60_000, "ETH": 3_000, "SOL": 150, "BNB": 550, "XRP": 1}
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How busy an instrument is."""

    trades_per_minute: int = 120  # orders that take: each makes `fills` trades at once, of one price and side
    fills: int = 1
    levels: int = 25  # of each side of the book
    refresh_beats: int = 13  # a level's size changes every so many beats
    step_beats: int = 1  # quotes, books and bars are told every so many beats; trades when they happen

    def __post_init__(self) -> None:
        if not (
            0 < self.trades_per_minute <= 20 * BEATS
            and 0 < self.fills <= 50
            and 0 < self.levels <= 500
            and self.refresh_beats > 0
            and self.step_beats > 0
        ):
            raise ConfigError(f"no market can run at {self}")


class Pit:
    """One instrument's trading: its price path, trades, book and bars."""

    def __init__(self, instrument: Instrument, seed: int, rates: Rates) -> None:
        self.instrument = instrument
        self.rates = rates
        digest = blake2b(f"{seed}:{instrument.native}".encode(), digest_size=8).digest()
        self._salt = int.from_bytes(digest, "big")
        self._tick = instrument.tick or Decimal("0.01")
        price = Decimal(PRICES.get(instrument.base, 10 + self._salt % 90)) / PRICES.get(instrument.quote, 1)
        self._middle = int(price / self._tick)
        self._unit = _unit(instrument, price * PRICES.get(instrument.quote, 1))
        self._sizes = [EXACT.multiply(self._unit, Decimal(lots)) for lots in range(5051)]
        self.price = lru_cache(maxsize=4096)(self._price)
        self._text = lru_cache(maxsize=4096)(lambda ticks: str(self.price(ticks)))
        self._sparse = rates.step_beats > 1
        self.path = lru_cache(maxsize=64)(self._path)
        self.anchor = lru_cache(maxsize=64)(self._anchor)
        self._noise = lru_cache(maxsize=64)(self._noise_at)
        minutes = 2000 if self._sparse else 128
        self.trades = lru_cache(maxsize=minutes)(self._trades)
        self._orders = lru_cache(maxsize=minutes)(self._drawn)
        self._merged = lru_cache(maxsize=minutes)(self._merged_of)
        self._aggregated = lru_cache(maxsize=minutes)(self._aggregates_of)
        self.bid = self._sparse_bid if self._sparse else self._walked_bid
        self._hours: dict[int, Candles] = {}
        self._shorter: dict[tuple[str, int], Candles] = {}
        self._anew: list[tuple[int, int]] = []  # (from which number on, how much less a number is), the oldest first

    # ---- price

    def _anchor(self, minute: int) -> int:
        """The best bid, in ticks, at the start of a minute: slow waves and fast ones, each a smooth noise."""
        bid = self._middle
        for weight, period in ((60, 1440), (240, 180), (900, 20), (3000, 3)):
            low, part = divmod(minute, period)
            here, there = self._noise(low, period), self._noise(low + 1, period)
            bid += (here * (period - part) + there * part) * max(self._middle // weight, 2) // (period << 16)
        return max(bid, self.rates.levels + 2)

    def _noise_at(self, place: int, octave: int) -> int:
        """A number in [-32768, 32767] for this place of this wave."""
        return (self._mix(place * 31 + octave) >> 24 & 0xFFFF) - 32768

    def _mix(self, number: int) -> int:
        mixed = (number ^ self._salt) * 0x9E3779B97F4A7C15 & _MASK
        return (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9 & _MASK

    def _path(self, minute: int) -> list[int]:
        """The best bid in ticks at each beat of a minute: a walk from its anchor to the next one's."""
        start, end = self.anchor(minute), self.anchor(minute + 1)
        bits = Random(self._mix(minute)).getrandbits(2 * BEATS)
        drift, walk = end - start, 0
        path = []
        floor = self.rates.levels + 1
        for beat, most in enumerate(_BOUNDS):
            walk += (bits & 1) - (bits >> 1 & 1)
            bits >>= 2
            if walk > most:
                walk = most
            elif walk < -most:
                walk = -most
            ticks = start + drift * beat // BEATS + walk
            path.append(ticks if ticks > floor else floor)  # noqa: FURB136  # a call would double the cost
        return path

    def _walked_bid(self, beat: int) -> int:
        """The best bid in ticks at this beat; the best offer is one tick above."""
        minute, part = divmod(beat, BEATS)
        return self.path(minute)[part]

    def _sparse_bid(self, beat: int) -> int:
        """The same where few beats are ever asked for: no walk, a jitter around the line between the anchors."""
        minute, part = divmod(beat, BEATS)
        start, end = self.anchor(minute), self.anchor(minute + 1)
        return max(start + (end - start) * part // BEATS + (self._mix(beat) >> 24) % 9, self.rates.levels + 1)

    def _price(self, ticks: int) -> Decimal:
        """A price on the grid."""
        return EXACT.multiply(self._tick, Decimal(ticks))

    # ---- trades and bars

    def _trades(self, minute: int) -> list[Trade]:
        """All trades of a minute, oldest first; their ids follow those of the minute before."""
        fills, at, price, sizes = self.rates.fills, minute * MINUTE_NS, self.price, self._sizes
        trades = []
        for offset_ms, bought, ticks, lots, key in self._orders(minute):
            at_ns = at + offset_ms * 1_000_000
            side, at_price = ("buy" if bought else "sell"), price(ticks)
            trades += [
                Trade(
                    self.instrument.id, "trades", at_ns, at_ns, "ws", str(fill), fill, side, at_price,
                    sizes[lots + fill - key], fill, fill,
                )
                for fill in range(key, key + fills)
            ]  # fmt: skip
        return trades

    def _drawn(self, minute: int) -> list[tuple[int, int, int, int, int]]:
        """Of each order that takes: ms into the minute, whether it bought, ticks, lots of its first trade, its id."""
        count, fills = self.rates.trades_per_minute, self.rates.fills
        chance = Random(self._mix(minute) ^ 0x5EED)
        first, bid = minute * BEATS, self.bid
        path = None if self._sparse else self.path(minute)
        # at least 1 ms into its slot, so that no trade falls on a bar's first instant
        slot_ms, orders = 60_000 // count, []
        for number in range(count):
            draw = chance.getrandbits(40)
            bought = draw & 1
            offset_ms = number * 60_000 // count + min(1, slot_ms - 1) + (draw >> 1) % max(slot_ms - 1, 1)
            beat = offset_ms * 1_000_000 // BEAT_NS
            ticks = (bid(first + beat) if path is None else path[beat]) + bought
            lots = 1 + (draw >> 20) % 97 * (1 + (draw >> 30) % 7)
            orders.append((offset_ms, bought, ticks, lots, self._numbered(minute * count + number) * fills))
        return orders

    def _minute(self, minute: int) -> Part:
        """The whole bar of a minute: what its trades come to, reckoned in ticks and lots without making them."""
        fills = self.rates.fills
        more = fills * (fills - 1) // 2  # each further trade of an order is a lot larger than the one before
        all_ticks, keys, bought_lots, sum_lots, value = list[int](), list[int](), 0, 0, 0
        for _, bought, ticks, lots, key in self._orders(minute):
            size = lots * fills + more
            all_ticks.append(ticks)
            keys.append(key)
            sum_lots += size
            bought_lots += size if bought else 0
            value += size * ticks
        part = Part(self.price(all_ticks[0]))
        part.high, part.low, part.close = map(self.price, (max(all_ticks), min(all_ticks), all_ticks[-1]))
        part.volume, part.buys = EXACT.multiply(self._unit, sum_lots), EXACT.multiply(self._unit, bought_lots)
        worth = sum_lots if self.instrument.inverse else value  # the price says nothing of an inverse contract's worth
        part.quote = EXACT.multiply(notional(self.instrument, self._tick, self._unit), worth)
        part.count, part.first, part.last = len(keys) * fills, keys[0], keys[-1] + fills - 1
        return part

    def between(self, from_ns: int, to_ns: int) -> Iterator[Trade]:
        """Trades of [from_ns, to_ns), oldest first."""
        return _within(self.trades, from_ns, to_ns)

    def merged(self, from_ns: int, to_ns: int) -> Iterator[Trade]:
        """The same trades, those of one order as one: numbered by the last of them, as some streams tell them."""
        return _within(self._merged, from_ns, to_ns)

    def aggregates(self, from_ns: int, to_ns: int) -> Iterator[Trade]:
        """The same again, each under a number of its own: aggregated trades."""
        return _within(self._aggregated, from_ns, to_ns)

    def _merged_of(self, minute: int) -> list[Trade]:
        """All orders of a minute: the trades of one have one stamp."""
        fills, trades = self.rates.fills, self.trades(minute)
        orders = []
        for place in range(0, len(trades), fills):
            order = trades[place : place + fills]
            first, last = order[0], order[-1]
            size = first.size
            for trade in order[1:]:
                size = EXACT.add(size, trade.size)
            orders.append(
                Trade(
                    last.instrument, "trades", last.at_ns, last.received_ns, "ws", last.id, last.seq, last.side,
                    last.price, size, first.first_id, last.last_id,
                )
            )  # fmt: skip
        return orders

    def _aggregates_of(self, minute: int) -> list[Trade]:
        fills = self.rates.fills
        return [
            Trade(
                order.instrument, "aggtrades", order.at_ns, order.received_ns, "ws", str(number), number, order.side,
                order.price, order.size, order.first_id, order.last_id,
            )
            for order in self._merged(minute)
            for number in ((order.seq or 0) // fills,)
        ]  # fmt: skip

    def order_minute(self, number: int) -> int:
        """The minute that holds the order of this number; of two with one number, the later one."""
        place = number
        for first, less in self._anew:
            if number + less >= first:
                place = number + less
        return place // self.rates.trades_per_minute

    def trade_minute(self, number: int) -> int:
        """The minute that holds the trade of this id; of two with one id, the later one."""
        return self.order_minute(number // self.rates.fills)

    def number_anew(self, at_ns: int, repeated: int) -> None:
        """Trades from the minute after this time on repeat so many numbers, and count on from there."""
        first = (at_ns // MINUTE_NS + 1) * self.rates.trades_per_minute
        less = -(-repeated // self.rates.fills) + (self._anew[-1][1] if self._anew else 0)
        self._anew.append((first, less))
        for told in (self.trades, self._orders, self._merged, self._aggregated):
            told.cache_clear()
        self._hours.clear()
        self._shorter.clear()

    def _numbered(self, place: int) -> int:
        for first, less in reversed(self._anew):
            if place >= first:
                return place - less
        return place

    def candles(self, name: str, from_ns: int, to_ns: int, now_ns: int) -> Sequence[Bar]:
        """Bars of [from_ns, to_ns), of trades before now; both ends on the interval's grid or cut."""
        result = Candles(name, self.instrument)
        to_ns = min(to_ns, now_ns)
        length_ns = INTERVALS[name].length_ns
        blocks = [(name, ns) for name, ns in BLOCKS if length_ns % ns == 0]  # a month (0) is made of all of them
        at_ns = from_ns
        while at_ns < to_ns:
            minute_end_ns = at_ns - at_ns % MINUTE_NS + MINUTE_NS
            for block, block_ns in blocks:
                if at_ns % block_ns == 0 and at_ns + block_ns <= to_ns:
                    result.merge(self._whole(block, at_ns))
                    at_ns += block_ns
                    break
            else:
                at_ns = self._each(result, at_ns, min(minute_end_ns, to_ns))
        return result.rows(now_ns)

    def _each(self, result: Candles, from_ns: int, to_ns: int) -> int:
        for trade in self.between(from_ns, to_ns):
            result.add(trade)
        return to_ns

    def _whole(self, name: str, open_ns: int) -> Candles:
        """The one finished bar of a block, kept: hours for ever, shorter ones while there are not too many."""
        kept = self._hours.get(open_ns) if name == "1h" else self._shorter.get((name, open_ns))
        if kept is not None:
            return kept
        kept = Candles(name, self.instrument)
        if name == "1m":
            kept.parts[open_ns] = self._minute(open_ns // MINUTE_NS)
        else:
            finer, finer_ns = BLOCKS[[block for block, _ in BLOCKS].index(name) + 1]
            for part_ns in range(open_ns, open_ns + INTERVALS[name].length_ns, finer_ns):
                kept.merge(self._whole(finer, part_ns))
        if name == "1h":
            self._hours[open_ns] = kept
        else:
            if len(self._shorter) >= KEPT_BARS:
                self._shorter.clear()
            self._shorter[name, open_ns] = kept
        return kept

    # ---- book

    def _level(self, ticks: int, beat: int) -> Level:
        epoch = (beat + 7 * ticks) // self.rates.refresh_beats
        lots = 1 + (self._mix(ticks * 0x1000003 + epoch) >> 20) % 5000
        return self._text(ticks), str(self._sizes[lots])

    def _fresh(self, ticks: int, beat: int, beats: int) -> bool:
        return (beat + 7 * ticks) % self.rates.refresh_beats < beats

    def top(self, beat: int, levels: int | None = None) -> tuple[list[Level], list[Level]]:
        """Bids and asks at this beat, best first."""
        bid, most = self.bid(beat), min(levels or self.rates.levels, self.rates.levels)
        bids = [self._level(bid - place, beat) for place in range(most)]
        return bids, [self._level(bid + 1 + place, beat) for place in range(most)]

    def change(self, beat: int, beats: int) -> tuple[list[Level], list[Level]]:
        """What changed between `beats` ago and this beat: bids and asks; a size of 0 deletes."""
        before, now, most = self.bid(beat - beats), self.bid(beat), self.rates.levels
        bids = self._side(range(before - most + 1, before + 1), range(now - most + 1, now + 1), beat, beats)
        return bids, self._side(range(before + 1, before + 1 + most), range(now + 1, now + 1 + most), beat, beats)

    def _side(self, before: range, now: range, beat: int, beats: int) -> list[Level]:
        changed = [self._level(ticks, beat) for ticks in now if ticks not in before or self._fresh(ticks, beat, beats)]
        return changed + [(str(self.price(ticks)), "0") for ticks in before if ticks not in now]

    def mix(self, number: int) -> int:
        """A number for slow facts (funding, open interest) that follows from this one."""
        return self._mix(number)


def _within(minute_of: Callable[[int], list[Trade]], from_ns: int, to_ns: int) -> Iterator[Trade]:
    """What is told of [from_ns, to_ns), minute by minute."""
    for minute in range(from_ns // MINUTE_NS, -(-to_ns // MINUTE_NS)):
        if from_ns <= minute * MINUTE_NS and (minute + 1) * MINUTE_NS <= to_ns:
            yield from minute_of(minute)
            continue
        for trade in minute_of(minute):
            if from_ns <= (trade.at_ns or 0) < to_ns:
                yield trade


def _unit(instrument: Instrument, price: Decimal) -> Decimal:
    """What sizes are multiples of: the lot, times ten until it is worth something."""
    unit = instrument.lot or Decimal("0.001")
    each = Decimal(1) if instrument.inverse else instrument.contract_size * price
    while unit * each < 1:
        unit = unit.scaleb(1)
    return Decimal(format(unit, "f"))

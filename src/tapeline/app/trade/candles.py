"""Candles for a picture: what was played, in so many equal parts of its time. Floats: nothing is reckoned with them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tapeline.app.trade.feed import Timed
from tapeline.model.event import Bar, Quote, Trade

MOST = 400


class Candle(NamedTuple):
    """One part of the time, from `at_ns` on."""

    at_ns: int
    open: float
    high: float
    low: float
    close: float


class Candles:
    """Let events pass `through`; `of` has what their prices made."""

    def __init__(self, from_ns: int, to_ns: int, most: int = MOST) -> None:
        self.length_ns = max(1_000_000_000, -(-(to_ns - from_ns) // most))
        self._from_ns = from_ns
        self._made: dict[str, dict[int, list[float]]] = {}

    def through(self, events: Iterable[Timed]) -> Iterator[Timed]:
        """The same events."""
        for at_ns, event in events:
            if isinstance(event, Trade):
                self._note(event.instrument, at_ns, (float(event.price),))
            elif isinstance(event, Bar):
                prices = (event.open, event.high, event.low, event.close)
                self._note(event.instrument, event.open_at_ns, tuple(map(float, prices)))
            elif isinstance(event, Quote) and event.bid is not None and event.ask is not None:
                self._note(event.instrument, at_ns, ((float(event.bid) + float(event.ask)) / 2,))
            yield at_ns, event

    def instruments(self) -> list[str]:
        """Those that had a price."""
        return list(self._made)

    def of(self, instrument: str) -> list[Candle]:
        """In order of time; a part without a price is left out."""
        made = self._made.get(instrument, {})
        return [Candle(self._from_ns + at * self.length_ns, *made[at]) for at in sorted(made)]

    def _note(self, instrument: str, at_ns: int, prices: tuple[float, ...]) -> None:
        parts = self._made.setdefault(instrument, {})
        at = max(0, (at_ns - self._from_ns) // self.length_ns)
        part = parts.get(at)
        if part is None:
            parts[at] = [prices[0], max(prices), min(prices), prices[-1]]
            return
        part[1], part[2], part[3] = max(part[1], *prices), min(part[2], *prices), prices[-1]

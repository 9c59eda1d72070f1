"""What a store and an archive answer alike: the reads that are made of other reads, and what is proven of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Literal, Self

from tapeline.errors import TapelineError
from tapeline.market.coverage import Coverage
from tapeline.market.resample import Doubt
from tapeline.model.channel import Channel
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import Interval
from tapeline.model.interval import interval as interval_named
from tapeline.store.asked import (
    Instant,
    Size,
    bars_channel,
    between,
    early,
    instrument_named,
    nanoseconds,
    refuse_early,
    trades_channel,
)
from tapeline.store.derive import aligned, basis, by_activity, derived
from tapeline.store.proof import Proof, demand, proof_of
from tapeline.store.rows import Made, Rows


class Reads(ABC):
    """The calls of a `Store` and of a `Lake` that need only their rows, their ledger and their lists."""

    @abstractmethod
    def series(self) -> list[tuple[str, str]]:
        """(instrument, channel) of everything held."""

    @abstractmethod
    def instruments(self) -> list[Instrument]:
        """Every instrument, its newest version."""

    @abstractmethod
    def gaps(self, instrument: str | None = None, channel: str | None = None) -> list[Gap]:
        """Holes on record."""

    @abstractmethod
    def bars(
        self, instrument: str, interval: str, start: Instant = None, end: Instant = None, *, at: Instant = None
    ) -> Rows[Bar]:
        """Bars that are held."""

    @abstractmethod
    def trades(
        self, instrument: str, start: Instant = None, end: Instant = None, *, channel: str = "", at: Instant = None
    ) -> Rows[Trade]:
        """Trades that are held."""

    @abstractmethod
    def coarser(
        self, instrument: str, of: Channel, to: Interval, within: tuple[int, int], doubt: Doubt | None
    ) -> Iterator[Bar]:
        """Bars of `to` from those that are held of a channel."""

    @abstractmethod
    def held_bars(self, instrument: str) -> list[tuple[str, str]]:
        """(interval, what they are built from) of every series of bars."""

    @abstractmethod
    def extent(self, instrument: str, channel: str) -> tuple[int, int] | None:
        """Stamps of the first and the last row of a series. Raises UnknownInstrument, or NotHeld."""

    @abstractmethod
    def covering(self, instrument: str, channel: str) -> Coverage:
        """What is known of a series."""

    @abstractmethod
    def wanted_of(self, instrument: str, channel: str) -> list[tuple[int, int]]:
        """What of a series is to be held, as half-open ranges."""

    @abstractmethod
    def close(self) -> None:
        """Close it; doing so twice changes nothing."""

    @abstractmethod
    def _closed(self) -> TapelineError | None:
        """What to raise once it is closed."""

    @abstractmethod
    def _not_held(self, instrument: str, of: str) -> TapelineError:
        """What to raise for a series that there is not."""

    def __enter__(self) -> Self:
        """Itself. Raises StoreClosed where it was closed before."""
        closed = self._closed()
        if closed is not None:
            raise closed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def resample(
        self, instrument: str, interval: str, start: Instant = None, end: Instant = None, *, at: Instant = None,
        require: Literal["", "proven"] = "",
    ) -> Rows[Bar]:  # fmt: skip
        """Bars of any interval that start in the range: the stored ones, else from finer bars, else from trades.

        `5m` is made of the venue's bars, and of ours only where it has none; `5m@trades` of ours. The worst
        certificate of the parts is the whole's: missing minutes and holes make it partial. Raises as `bars` does.
        """
        of = parse_channel(bars_channel(interval))
        to, within = interval_named(of.interval), between(start, end)
        if not any(who == instrument_named(instrument) for who, _ in self.series()):
            raise self._not_held(instrument, "")
        source = basis(self, instrument, to, of.built_from, within)
        self._refuse_early(instrument, str(source), within)
        known = None if at is None else nanoseconds(at)
        proof = self._proof(instrument, str(source), aligned(to, within), require)
        return Rows("bars", Made(lambda: self._derived(instrument, source, to, within, known)), proof)

    def tick_bars(
        self, instrument: str, size: int, start: Instant = None, end: Instant = None, *, channel: str = ""
    ) -> Rows[Bar]:
        """A bar for every `size` trades; aggregates count what they hold."""
        return self._activity(instrument, "ticks", size, between(start, end), channel)

    def volume_bars(
        self, instrument: str, size: Size, start: Instant = None, end: Instant = None, *, channel: str = ""
    ) -> Rows[Bar]:
        """A bar whenever `size` has traded, in the venue's unit."""
        return self._activity(instrument, "volume", size, between(start, end), channel)

    def value_bars(
        self, instrument: str, size: Size, start: Instant = None, end: Instant = None, *, channel: str = ""
    ) -> Rows[Bar]:
        """A bar whenever a value of `size` has traded, in quote currency."""
        return self._activity(instrument, "value", size, between(start, end), channel)

    def trade_channel(self, instrument: str) -> str:
        """The trade channel that is held: trades before aggtrades."""
        held = {of for who, of in self.series() if who == instrument}
        return "aggtrades" if "aggtrades" in held and "trades" not in held else "trades"

    def _channel_of_trades(self, instrument: str, channel: str) -> str:
        return trades_channel(channel or self.trade_channel(instrument))

    def _within(self, instrument: str, of: str, start: Instant, end: Instant) -> tuple[int, int]:
        within = between(start, end)
        self._refuse_early(instrument, of, within)
        return within

    def _refuse_early(self, instrument: str, of: str, within: tuple[int, int]) -> None:
        at = early(within)
        if at is not None:
            refuse_early(at, self.extent(instrument, of))

    def _derived(
        self, instrument: str, of: Channel, to: Interval, within: tuple[int, int], at: int | None
    ) -> Iterator[Bar]:
        return derived(self, instrument, of, to, within=within, at=at)

    def _activity(self, instrument: str, by: str, size: Size, within: tuple[int, int], channel: str) -> Rows[Bar]:
        of = self._channel_of_trades(instrument, channel)
        self._refuse_early(instrument, of, within)
        self.trades(instrument, channel=of)  # raises where there are none
        return Rows("bars", Made(lambda: by_activity(self, instrument, by, size, within=within, channel=of)))

    def _proof(self, instrument: str, of: str, within: tuple[int, int], require: str) -> Callable[[], Proof]:
        prove = partial(proof_of, self, instrument, of, within)
        if require:
            demand(require, prove(), instrument, of)
        return prove

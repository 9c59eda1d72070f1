"""Bars we build: a builder for each (instrument, trades channel), closed by the watermark of its connection."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from tapeline.config import BarsConfig
from tapeline.market.bars import BarBuilder
from tapeline.market.bus import Bus, Subscription
from tapeline.market.watermark import Watermark
from tapeline.model.channel import Channel
from tapeline.model.event import Bar, Event, Gap, Trade
from tapeline.model.instrument import Instrument, notional
from tapeline.model.interval import SECOND_NS, interval

Range = tuple[int, int]
FINEST_NS = SECOND_NS  # bars close on whole seconds, so a watermark matters only when it crosses one


class BarDesk:
    """The builders fed by one connection's trades. `wanted` may be called again as intervals are added."""

    def __init__(
        self, bus: Bus, settings: BarsConfig, now_ns: Callable[[], int],
        lacking_since_ns: Callable[[str, str], int | None] = lambda _instrument, _channel: None,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._settings = settings
        self._now_ns = now_ns
        self._lacking_since_ns = lacking_since_ns  # of (instrument, channel): trades after it may still be on their way
        self._builders: dict[tuple[str, str], BarBuilder] = {}
        self._subscriptions: dict[tuple[str, str], Subscription] = {}
        self._intervals: dict[tuple[str, str], tuple[str, ...]] = {}
        self.watermark = Watermark(int(settings.lateness_s * SECOND_NS))
        self._second = 0
        self._aside = False  # what is published just now is a repair, and comes by `repair` in one piece

    def build(self, instrument: Instrument, of: Channel) -> None:
        """Build these bars from now on; the one we join inside is partial."""
        key = (instrument.id, of.built_from)
        names = self._intervals.get(key, ())
        if of.interval in names:
            return
        self._intervals[key] = (*names, of.interval)
        if key in self._subscriptions:
            self._subscriptions[key].close()
        builder = BarBuilder(
            instrument.id, [interval(name) for name in self._intervals[key]], origin=of.built_from,
            notional=None if instrument.size_unit == "base" else partial(notional, instrument),
            empty=self._settings.empty, late_limit_ns=int(self._settings.late_limit_s * SECOND_NS),
        )  # fmt: skip
        self.adopt(key, builder, self._intervals[key])

    def drop(self, instrument: str, channel: str) -> None:
        """Build nothing from this channel of the instrument any more."""
        key = (instrument, channel)
        if key in self._builders:
            del self._builders[key], self._intervals[key]
            self._subscriptions.pop(key).close()

    def hand_over(self, instrument: str, channel: str, to: "BarDesk") -> None:
        """Let another desk's watermark close the bars of this instrument from now on; what is open goes along."""
        key = (instrument, channel)
        builder = self._builders.pop(key, None)
        if builder is None:
            return
        self._subscriptions.pop(key).close()
        to.adopt(key, builder, self._intervals.pop(key))

    def adopt(self, key: tuple[str, str], builder: BarBuilder, intervals: tuple[str, ...]) -> None:
        """Take over a builder: by (instrument, channel), with the names of what it builds."""
        instrument, channel = key
        self._intervals[key], self._builders[key] = intervals, builder
        self._subscriptions[key] = self._bus.subscribe(
            partial(self._take, builder), channel=channel, instrument=instrument, types=(Trade, Gap),
            name=f"bars {instrument}@{channel}",
        )  # fmt: skip

    def builder(self, instrument: str, channel: str) -> BarBuilder | None:
        """The builder of this instrument's bars from this channel."""
        return self._builders.get((instrument, channel))

    def intervals(self, instrument: str, channel: str) -> Sequence[str]:
        """What is built of this instrument from this channel."""
        return self._intervals.get((instrument, channel), ())

    def publish_repaired(self, trades: Sequence[Trade]) -> None:
        """Let everybody have these but the builders: one by one each would re-issue its bar."""
        self._aside = True
        try:
            self._bus.publish_all(trades)
        finally:
            self._aside = False

    def repair(self, instrument: str, channel: str, trades: Sequence[Trade], proven: Sequence[Range]) -> None:
        """Trades that were missing, in order, and the times that are whole by them."""
        builder = self._builders.get((instrument, channel))
        if builder is not None:
            self._publish(builder.repair(trades, self._now_ns(), proven))

    def advance(self) -> None:
        """Close what the watermark has passed; cheap unless it crossed a second."""
        at_ns = self.watermark.value_ns
        if at_ns is None or at_ns // FINEST_NS == self._second:
            return
        self._second = at_ns // FINEST_NS
        now_ns = self._now_ns()
        for key, builder in self._builders.items():
            lacking_ns = self._lacking_since_ns(*key)
            self._publish(builder.advance(at_ns if lacking_ns is None else min(at_ns, lacking_ns), now_ns))

    def builders(self) -> Iterable[BarBuilder]:
        """All of them, for status."""
        return self._builders.values()

    def _take(self, builder: BarBuilder, event: Event) -> None:
        if self._aside:
            return
        if isinstance(event, Trade):
            bars = builder.add(event, event.received_ns)
        else:
            assert isinstance(event, Gap), f"a bar builder is subscribed to trades and gaps, not to {event!r}"
            bars = builder.hole(event.after_ns, event.before_ns, event.received_ns)
        if bars:
            self._publish(bars)

    def _publish(self, bars: Sequence[Bar]) -> None:
        for bar in bars:
            self._bus.publish(bar)

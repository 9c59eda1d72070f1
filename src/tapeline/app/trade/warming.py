"""What strategies are given before the first event: stored bars; and, while they run, what is proven of their data."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tapeline.app.bookkeeping import Bookkeeping
from tapeline.errors import NotHeld, UnknownInstrument
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar
from tapeline.model.fact import HELD
from tapeline.store.reader import open_store
from tapeline.trading.input import Proven

BARS = 500
_NS = 1_000_000_000


def stored_bars(folder: Path, feeds: Mapping[str, Sequence[str]]) -> list[Bar]:
    """The last bars a store holds of what strategies hear, oldest first; nothing where it holds none."""
    found: list[Bar] = []
    try:
        with open_store(folder) as store:
            for instrument, channels in feeds.items():
                for of in channels:
                    if parse_channel(of).kind == "bars":
                        try:
                            found += list(store.bars(instrument, of.removeprefix("bars:"), last=BARS))
                        except (NotHeld, UnknownInstrument):
                            continue
    except NotHeld:
        return []
    return sorted(found, key=lambda bar: bar.open_at_ns)


def proven_now(ledger: Bookkeeping, feeds: Mapping[str, Sequence[str]], now_ns: int) -> Iterator[Proven]:
    """The newest stretch of each series of trades of which nothing is missing; of a channel without proof, nothing."""
    ledger.write()
    for instrument, channels in feeds.items():
        for of in channels:
            wire = str(parse_channel(of).wire)
            if wire not in {"trades", "aggtrades"}:
                continue
            spans = ledger.coverage(instrument, wire).spans(now_ns - 86_400 * _NS, None)
            stretch: tuple[int, int] | None = None
            for span in spans:
                if span.state not in HELD:
                    stretch = None
                elif stretch is not None and stretch[1] == span.from_ns:
                    stretch = (stretch[0], span.to_ns)
                else:
                    stretch = (span.from_ns, span.to_ns)
            if stretch is not None:
                yield Proven(instrument, wire, stretch[0], stretch[1], now_ns)

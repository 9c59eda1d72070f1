"""A span of time as the venue's REST takes it, for market data and for accounts alike. Pure."""

from tapeline.venues.orders import OrderAsk
from tapeline.venues.spec import Ask

MS_NS = 1_000_000


def window(ask: Ask | OrderAsk) -> tuple[tuple[str, str], ...]:
    """[from_ns, to_ns) in the venue's milliseconds, of which both ends are inclusive. An end may be left out."""
    pairs = []
    if ask.from_ns is not None:
        pairs.append(("startTime", str(-(-ask.from_ns // MS_NS))))
    if ask.to_ns is not None:
        pairs.append(("endTime", str(-(-ask.to_ns // MS_NS) - 1)))
    return tuple(pairs)

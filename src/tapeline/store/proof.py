"""How much of a read is proven: the ledger's spans for its range, and what of the range is missing."""

from typing import NamedTuple, Protocol

from tapeline.errors import ConfigError, NotProven
from tapeline.market.coverage import Coverage, Range
from tapeline.market.holes import BEGINNING, END, Holes
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Gap
from tapeline.model.fact import Span
from tapeline.model.interval import interval as interval_named
from tapeline.model.stamp import iso
from tapeline.store.asked import FIRST, LAST

MANY = 1 << 20  # holes: more than any store has
_SHOWN = 3


class Proof(NamedTuple):
    """What is known of a range, and the half-open ranges in it that are not held."""

    coverage: list[Span]
    missing: list[Range]


class Known(Protocol):
    """What a proof is made from."""

    def extent(self, instrument: str, channel: str) -> tuple[int, int] | None:
        """Stamps of the first and the last row of a series."""
        ...

    def covering(self, instrument: str, channel: str) -> Coverage:
        """What is known of a series."""
        ...

    def wanted_of(self, instrument: str, channel: str) -> list[Range]:
        """What of it is to be held."""
        ...

    def gaps(self, instrument: str | None = None, channel: str | None = None) -> list[Gap]:
        """Holes on record."""
        ...


def proof_of(known: Known, instrument: str, channel: str, within: Range) -> Proof:
    """The proof of a range of event time; where it has no end of its own, of all that is wanted, else of all there is.

    Raises nothing where nothing is known: then all of it is missing.
    """
    low, high = within
    covering = known.covering(instrument, channel)
    if low == FIRST or high == LAST:
        wanted = known.wanted_of(instrument, channel) or _held(known, instrument, channel)
        low = min((each[0] for each in wanted), default=0) if low == FIRST else low
        high = max((each[1] for each in wanted), default=0) if high == LAST else high
    if low >= high:
        return Proof([], [])
    return Proof(covering.spans(low, high), covering.missing((low, high)))


def demand(require: str, proof: Proof, instrument: str, channel: str) -> None:
    """Raises NotProven, with the ranges that are missing, where `require` is "proven"; ConfigError for another word."""
    if require not in {"", "proven"}:
        raise ConfigError(f"require={require!r}: proven, or nothing")
    if require and proof.missing:
        told = ", ".join(f"{_time(low)} to {_time(high)}" for low, high in proof.missing[:_SHOWN])
        more = len(proof.missing) - _SHOWN
        raise NotProven(
            f"{instrument} {channel}: not proven from {told}" + (f", and {more} more" if more > 0 else ""),
            missing=tuple(proof.missing),
        )


def holes_of(known: Known, instrument: str, channel: str) -> Holes:
    """Where something of a series is missing: what the ledger says, and the gaps on record that it does not hold.

    What lies between two ranges that were fetched or imported apart is missing, too: nobody has asked for it. Bars
    that we build have the holes of their trades, and those that are their own.
    """
    found = Holes(MANY)
    covering, wanted = known.covering(instrument, channel), known.wanted_of(instrument, channel)
    told = [(span.from_ns, span.to_ns) for span in covering.holes(*wanted)]
    for from_ns, to_ns in [*told, *covering.unasked(*wanted)]:
        found.mark(from_ns, to_ns - 1)
    for gap in known.gaps(instrument, parse_channel(channel).built_from or channel):
        after_ns = BEGINNING if gap.after_ns is None else gap.after_ns
        before_ns = END if gap.before_ns is None else gap.before_ns
        low, high = min(after_ns, before_ns), max(after_ns, before_ns)
        for start, end in covering.missing((low, high + 1)):
            found.mark(start, end - 1)
    return found


def repaired_of(known: Known, instrument: str, channel: str) -> list[Range]:
    """What of a series was missing once, and is held now."""
    spans = known.covering(instrument, channel).spans()
    return [(span.from_ns, span.to_ns) for span in spans if span.state == "repaired"]


def _held(known: Known, instrument: str, channel: str) -> list[Range]:
    """What a series spans by its own rows; between two trades, since others may share the stamps of the outer ones."""
    extent = known.extent(instrument, channel)
    if extent is None:
        return []
    first, last = extent
    if not channel.startswith("bars:"):
        return [(first + 1, last)] if first < last else []
    return [(first, interval_named(channel.removeprefix("bars:").partition("@")[0]).next(last))]


def _time(at_ns: int) -> str:
    return iso(at_ns) if 0 <= at_ns < 1 << 62 else str(at_ns)

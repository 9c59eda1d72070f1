"""Our reading of a bar or a book against the venue's: field by field with `==`, never within a tolerance. Pure.

A difference that the venue itself has declared (`Feed.quirks`) is told as known; any other is a mismatch. Both readings
are kept, and neither is changed.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tapeline.market.coverage import Coverage
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, BookSnapshot, Level
from tapeline.model.fact import Fact
from tapeline.model.interval import SECOND_NS, interval
from tapeline.model.number import EXACT, plain
from tapeline.venues.spec import Quirk

FIELDS = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")
SETTLED_S = 60.0  # a bar is compared only so long after its end, by when every venue has made up its mind
AUDITED = "disputed"  # the cause of what an audit found, and of what settles it


class Difference(msgspec.Struct, frozen=True):
    """One field of two readings, as text. `known` is why it is no error, "" where it is one."""

    field: str
    ours: str
    theirs: str
    known: str = ""


class Match(msgspec.Struct, frozen=True, tag="match"):
    """Equal, but for what the venue has declared."""

    instrument: str
    channel: str
    from_ns: int
    to_ns: int
    differences: tuple[Difference, ...] = ()


class Mismatch(msgspec.Struct, frozen=True, tag="mismatch"):
    """Not equal; None for the side that has nothing at all."""

    instrument: str
    channel: str
    from_ns: int
    to_ns: int
    differences: tuple[Difference, ...]
    ours: Bar | BookSnapshot | None
    theirs: Bar | BookSnapshot | None

    @property
    def why(self) -> str:
        """Both readings in words."""
        return "audit: " + "; ".join(
            f"{each.field} ours {each.ours}, theirs {each.theirs}" + (f" ({each.known})" if each.known else "")
            for each in self.differences
        )


class Unchecked(msgspec.Struct, frozen=True, tag="unchecked"):
    """[from_ns, to_ns) could not be compared."""

    instrument: str
    channel: str
    from_ns: int
    to_ns: int
    why: str


Verdict = Match | Mismatch | Unchecked
Where = tuple[str, str, int, int]  # instrument, channel, from, to


def audit_bars(
    instrument: str, name: str, span: tuple[int, int], ours: Iterable[Bar], theirs: Iterable[Bar], *,
    held: Coverage, quirks: Sequence[Quirk] = (), sparse: bool = False,
) -> Iterator[Verdict]:  # fmt: skip
    """A verdict for every bar of [from_ns, to_ns), whole bars, in order; neighbours that are unchecked come as one.

    `held` is what the ledger says of the channel: where we claim to miss nothing and have no bar, the venue must have
    none either. `sparse`: the venue leaves out bars without trades.
    """
    mine, yours = ({bar.open_at_ns: bar for bar in bars} for bars in (ours, theirs))
    of, waiting = parse_channel(name), None
    step, open_ns = interval(of.interval), span[0]
    while open_ns < span[1]:
        end_ns = step.next(open_ns)
        where = (instrument, name, open_ns, end_ns)
        found = _verdict(where, mine.get(open_ns), yours.get(open_ns), held=held, quirks=quirks, sparse=sparse)
        open_ns = end_ns
        if isinstance(found, Unchecked):
            if waiting is not None and waiting.why == found.why:
                found = msgspec.structs.replace(found, from_ns=waiting.from_ns)
            elif waiting is not None:
                yield waiting
            waiting = found
            continue
        if waiting is not None:
            yield waiting
            waiting = None
        yield found
    if waiting is not None:
        yield waiting


def compare_bars(ours: Bar, theirs: Bar, quirks: Sequence[Quirk] = ()) -> Match | Mismatch:
    """Two readings of one bar. A field that one of them does not tell is not compared."""
    end_ns = interval(ours.interval).next(ours.open_at_ns)
    where = (ours.instrument, ours.channel, ours.open_at_ns, end_ns)
    differences = tuple(
        Difference(name, _text(mine), _text(yours), _known(name, ours, theirs, quirks))
        for name in FIELDS
        if (mine := getattr(ours, name)) is not None and (yours := getattr(theirs, name)) is not None and mine != yours
    )
    if all(each.known for each in differences):
        return Match(*where, differences)
    return Mismatch(*where, differences, ours, theirs)


def compare_books(ours: BookSnapshot, theirs: BookSnapshot, levels: int) -> Match | Mismatch:
    """Two readings of one book at the same sequence: the best `levels` of each side, as exact numbers."""
    assert ours.last_seq == theirs.last_seq, f"two books at {ours.last_seq} and {theirs.last_seq} cannot be compared"
    at_ns = theirs.at_ns or theirs.received_ns
    where = (ours.instrument, ours.channel, at_ns, at_ns + 1)
    differences = [
        *_side("bid", ours.bids[:levels], theirs.bids[:levels]),
        *_side("ask", ours.asks[:levels], theirs.asks[:levels]),
    ]
    return Mismatch(*where, tuple(differences), ours, theirs) if differences else Match(*where)


def settled_before(now_ns: int, quirks: Sequence[Quirk]) -> int:
    """Bars that end by then are final: no venue, and not this one by its own word, changes them any more."""
    reopens_s = max((quirk.within_s for quirk in quirks if quirk.kind == "reopens"), default=0.0)
    return now_ns - int(max(SETTLED_S, reopens_s) * SECOND_NS)


def disputed(mismatch: Mismatch, known_at_ns: int) -> Fact:
    """A mismatch for the ledger: both readings, and whose is right nobody says.

    A bar of the venue's that was held and is gone (its row was deleted) is missing, and can be fetched again.
    """
    of = parse_channel(mismatch.channel)
    gone = mismatch.ours is None and of.kind == "bars" and not of.built_from
    return Fact(
        mismatch.instrument, mismatch.channel, mismatch.from_ns, mismatch.to_ns, "missing" if gone else "disputed", "",
        "rest", mismatch.why, known_at_ns, cause=AUDITED,
    )  # fmt: skip


def agreed(matches: Iterable[Match], before: Coverage, known_at_ns: int) -> list[Fact]:
    """Bars that were in dispute by an earlier audit and are equal now: the venue has changed its mind."""
    found = []
    for match in matches:
        spans = before.spans(match.from_ns, match.to_ns)
        if any(span.state == "disputed" and span.why.startswith("audit: ") for span in spans):
            found.append(
                Fact(
                    match.instrument, match.channel, match.from_ns, match.to_ns, "proven", "bars", "rest",
                    "audited again: equal", known_at_ns, cause=AUDITED,
                )
            )  # fmt: skip
    return found


# ---- inside ----------------------------------------------------------------------------------------------------


def _verdict(
    where: Where, ours: Bar | None, theirs: Bar | None, *, held: Coverage, quirks: Sequence[Quirk], sparse: bool
) -> Verdict:
    if theirs is not None and not theirs.closed:
        return Unchecked(*where, "the venue's bar is open yet")
    if ours is not None and ours.certificate == "partial":
        return Unchecked(*where, "our bar is partial")
    if theirs is None:
        return _ours_only(where, ours) if sparse else Unchecked(*where, "the venue's answer leaves it out")
    return _theirs_only(where, theirs, held) if ours is None else compare_bars(ours, theirs, quirks)


def _ours_only(where: Where, ours: Bar | None) -> Match | Mismatch:
    """A venue that leaves out bars without trades has left this one out."""
    if ours is None or not ours.volume:
        return Match(*where)
    return Mismatch(*where, (Difference("bar", _words(ours), "none"),), ours, None)


def _theirs_only(where: Where, theirs: Bar, held: Coverage) -> Verdict:
    if not theirs.volume and not theirs.trades and parse_channel(where[1]).built_from:
        return Match(*where)  # no trade, no bar
    if held.missing((where[2], where[3])):
        return Unchecked(*where, "we do not hold it")
    return Mismatch(*where, (Difference("bar", "none", _words(theirs)),), None, theirs)


def _known(name: str, ours: Bar, theirs: Bar, quirks: Sequence[Quirk]) -> str:
    """Why this field of these two may differ, as the venue has declared; "" where it has not."""
    mine, yours = getattr(ours, name), getattr(theirs, name)
    for quirk in quirks:
        if name not in quirk.fields or ours.origin not in quirk.of:
            continue
        if quirk.kind == "more" and yours > mine:
            return quirk.why
        if quirk.kind == "rounds" and quirk.step is not None:
            apart = EXACT.abs(EXACT.subtract(mine, yours))
            if apart <= EXACT.multiply(quirk.step, max(ours.trades or 0, theirs.trades or 0, 1)):
                return quirk.why
    return ""


def _side(side: str, ours: Sequence[Level], theirs: Sequence[Level]) -> Iterator[Difference]:
    mine, yours = ([tuple(map(_number, level)) for level in levels] for levels in (ours, theirs))
    for place in range(max(len(mine), len(yours))):
        one = mine[place] if place < len(mine) else None
        other = yours[place] if place < len(yours) else None
        if one != other:
            yield Difference(f"{side} {place + 1}", _level(one), _level(other))


def _number(text: str) -> str:
    return plain(EXACT.create_decimal(text))


def _level(level: tuple[str, ...] | None) -> str:
    return "none" if level is None else f"{level[1]} at {level[0]}"


def _text(value: object) -> str:
    return str(value) if isinstance(value, int) else plain(value)  # type: ignore[arg-type]  # counts or Decimals


def _words(bar: Bar) -> str:
    prices = "/".join(plain(price) for price in (bar.open, bar.high, bar.low, bar.close))
    return f"{prices} volume {plain(bar.volume)}"

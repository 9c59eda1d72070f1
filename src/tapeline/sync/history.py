"""Which walk goes through which history, how far back it reaches, and in which pieces several can walk at once. Pure.

What a venue says of its calls (`RestCall.walk`, `locate`, `window_s`, `keeps_s`, `page`) is all that is needed: a new
venue has no line here.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec.structs import replace

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS, interval
from tapeline.sync.listed_walk import ListedWalk
from tapeline.sync.time_walk import TimeWalk
from tapeline.sync.walk import BarsWalk, Finding, IdsWalk, Walk
from tapeline.venues.spec import Answer, Ask, RestCall

PAGES = 20  # of a piece
Span = tuple[int, int]


def bars_walk(call: RestCall, native: str, name: str, span: Span) -> Walk:
    """Through bars. Raises ConfigError where the venue has no history of them."""
    if call.walk != "bars":
        raise ConfigError(f"bars of {native}: this venue has no history of them")
    return BarsWalk(native, name, span, call.page, sparse=call.sparse)


def trades_walk(name: str, call: RestCall, native: str, span: Span, ids: tuple[int | None, int | None]) -> Walk:
    """Through trades of a span; `ids` are of the last trades before its ends, see `before`.

    As they are listed by time, where the venue does: only so is it seen that it has begun to number anew. Raises
    ConfigError where the venue has no history of them that takes no key.
    """
    start, last = ids
    first = None if start is None else start + 1
    if call.walk and call.locate:
        return ListedWalk(name, call, native, span, (first, last), held=False)
    if call.walk == "time":
        window_ns = None if call.window_s == float("inf") else int(call.window_s * 1e9)
        return TimeWalk(name, native, span, call.page, window_ns=window_ns, after_id=start)
    if call.walk not in {"ids", "back"}:
        raise ConfigError(f"{name} of {native}: this venue has no history of them without a key")
    down = call.walk == "back" or first is None  # where the first is not known, from the last one down to it
    return IdsWalk(name, native, (first, -1 if last is None else last), span, call.page, newest_first=down)


def before(call: RestCall, native: str, at_ns: int) -> Ask:
    """Asks for the last trade before a time."""
    return Ask(call.locate, native, to_ns=at_ns, limit=1)


def id_before(call: RestCall, name: str, answers: Sequence[Answer]) -> int | None:
    """The number, in the series `name`, of the last trade in an answer to `before`; None where there is none."""
    trades = [each for each in answers if isinstance(each, Trade)]
    if not trades:
        return None
    newest = trades[-1]
    return newest.last_id if call.locate != name else newest.seq


def reach(call: RestCall, span: Span, now_ns: int) -> tuple[Finding | None, Span]:
    """What of a span is older than the venue's history, as a finding; and the rest of it, which may be empty."""
    from_ns, to_ns = span
    if call.keeps_s == float("inf"):
        return None, span
    oldest_ns = now_ns - int(call.keeps_s * 1e9)
    if from_ns >= oldest_ns:
        return None, span
    cut_ns = min(to_ns, oldest_ns)
    why = f"the venue keeps {call.keeps_s / 3600:g} hours of it"
    return Finding(from_ns, cut_ns, "unrecoverable", "", why), (cut_ns, to_ns)


def bar_pieces(call: RestCall, name: str, span: Span) -> Sequence[Span]:
    """A span of bars in pieces of `PAGES` pages."""
    step, (from_ns, to_ns) = interval(name), span
    length_ns = (step.length_ns or 28 * DAY_NS) * call.page * PAGES
    found = []
    while from_ns < to_ns:
        end_ns = min(to_ns, step.floor(from_ns + length_ns))
        found.append((from_ns, end_ns))
        from_ns = end_ns
    return found


def trade_pieces(call: RestCall, span: Span, count: int | None) -> Sequence[Span]:
    """A span that holds so many trades in pieces of about `PAGES` pages, none under a minute.

    A negative `count` comes of a venue that has numbered anew between its ends: nobody knows how many there are, and a
    piece is an hour.
    """
    from_ns, to_ns = span
    if from_ns >= to_ns:
        return ()
    count = count or 0
    least = -(-count // (call.page * PAGES)) if count >= 0 else (to_ns - from_ns) // HOUR_NS
    pieces = max(1, min(least, (to_ns - from_ns) // MINUTE_NS))
    edges = [from_ns + (to_ns - from_ns) * number // pieces for number in range(pieces)] + [to_ns]
    return list(pairwise(edges))


def joined(findings: Sequence[Finding]) -> list[Finding]:
    """Neighbours that are proven by numbers which follow each other, as one: a walk knows one of each page."""
    found: list[Finding] = []
    for each in findings:
        last = found[-1] if found else None
        if last is not None and _goes_on(last, each):
            found[-1] = replace(last, to_ns=each.to_ns, last_seq=each.last_seq)
        else:
            found.append(each)
    return found


def _goes_on(one: Finding, other: Finding) -> bool:
    if one.last_seq is None or other.first_seq is None or one.to_ns != other.from_ns:
        return False
    proven = one.state == other.state == "proven"
    return proven and (one.evidence, one.why) == (other.evidence, other.why) and one.last_seq + 1 == other.first_seq


class FirstTrade:
    """Finds to the minute when a venue's trades begin, between a time before which there are none and one after some.

    So the years before a listing cost twenty requests. `span` is where the first trade lies.
    """

    def __init__(self, span: Span) -> None:
        self.span = span

    def next(self) -> int | None:
        """The time to ask for the last trade before, see `before`; None at the end."""
        none_ns, some_ns = self.span
        return None if some_ns - none_ns <= MINUTE_NS else (none_ns + some_ns) // 2

    def took(self, found: int | None) -> None:
        """Its number, None where there is none."""
        none_ns, some_ns = self.span
        middle_ns = (none_ns + some_ns) // 2
        self.span = (middle_ns, some_ns) if found is None else (none_ns, middle_ns)


class FirstBar:
    """Finds the day in which a venue's bars begin: by its months, then by the days of the first of them.

    So years before a listing cost two requests. `found_ns` is None where there are no bars in the span at all.
    """

    def __init__(self, native: str, span: Span, page: int) -> None:
        self._native, self._span, self._page = native, span, page
        self._names = ["1M", "1d"]
        self.found_ns: int | None = None

    def next(self) -> Ask | None:
        """What to ask; None at the end."""
        if not self._names:
            return None
        step = interval(self._names[0])
        from_ns = step.floor(self._span[0])
        to_ns = self._span[1]
        if step.length_ns:  # the days of one month
            to_ns = min(to_ns, interval("1M").next(interval("1M").floor(self._span[0])))
        return Ask("bars", self._native, step.name, from_ns, to_ns, limit=self._page)

    def took(self, answers: Sequence[Answer]) -> None:
        """The answer to `next`."""
        opens = [each.open_at_ns for each in answers if isinstance(each, Bar)]
        self._names.pop(0)
        if not opens:
            self._names = []
            return
        self.found_ns = max(self._span[0], min(opens))
        self._span = (self.found_ns, self._span[1])

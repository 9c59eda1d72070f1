"""From facts to what is held: spans of one series that never overlap, in order. Pure.

Every fact has a rank: what the live stream shows ranks below what was asked, imported or audited, and among equals the
later fact outranks the earlier. Where a fact that says nothing of the cause outranks one that does, the cause stays.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tapeline.model.fact import CLOSED, HELD, Fact, Span, Stretch

Range = tuple[int, int]
Rank = tuple[bool, int]
NOT_FETCHED = "not_fetched"  # the cause where something is wanted and no fact says anything
AT_ONCE = frozenset({"", NOT_FETCHED, "late_start", "disputed"})  # causes of holes that are found all in one


class _Piece:
    """A stretch that one fact owns: `fact` is how it was when this was painted, it may have grown since."""

    __slots__ = ("cause", "fact", "from_ns", "rank", "to_ns")

    def __init__(self, from_ns: int, to_ns: int, fact: Fact, rank: Rank, cause: str) -> None:
        self.from_ns, self.to_ns, self.fact, self.rank, self.cause = from_ns, to_ns, fact, rank, cause


class Coverage:
    """What is known of one series. Ranges are half-open pairs (from_ns, to_ns)."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._facts: dict[Rank, Fact] = {}
        self._growing: dict[tuple[int, int, str, str], Rank] = {}
        self._starts: list[int] = []  # of the pieces, for bisecting
        self._pieces: list[_Piece] = []
        self._stale = False  # a fact has shrunk: what it covered comes to light again
        self._order = 0
        for fact in facts:
            self.add(fact)

    def add(self, fact: Fact) -> None:
        """Append a fact, or grow the one it continues (see `Fact.run`)."""
        assert fact.from_ns <= fact.to_ns, f"a fact cannot end before it starts: {fact}"
        key, from_ns = (fact.run, fact.from_ns, fact.state, fact.evidence), fact.from_ns
        rank = self._growing.get(key) if fact.run else None
        if rank is None:
            self._order += 1
            rank = (not fact.run, self._order)
            if fact.run:
                self._growing[key] = rank
        else:
            before = self._facts[rank]
            if fact.to_ns < before.to_ns or (fact.source, fact.why, fact.cause) != _words(before):
                self._stale = True
            from_ns = max(from_ns, before.to_ns - 1)  # up to there it owns what it can already
        self._facts[rank] = fact
        if not self._stale:
            self._paint(fact, rank, from_ns)

    def spans(self, from_ns: int | None = None, to_ns: int | None = None) -> list[Span]:
        """All that is known, in order without overlaps; of what no span speaks, nothing is known."""
        found: list[Span] = []
        before: _Piece | None = None
        for piece in self._between(from_ns, to_ns):
            fact, apart = piece.fact, before is not None and _seen_apart(before, piece)
            start = piece.from_ns if from_ns is None else max(piece.from_ns, from_ns)
            end = piece.to_ns if to_ns is None else min(piece.to_ns, to_ns)
            if found and found[-1].to_ns == start and not apart and _equal(found[-1], fact, piece.cause):
                start = found.pop().from_ns
            before = piece
            found.append(Span(start, end, fact.state, fact.evidence, fact.source, fact.why, piece.cause))
        return found

    @property
    def proven(self) -> list[Range]:
        """Where nothing is missing, repaired or never broken."""
        return _union((piece.from_ns, piece.to_ns) for piece in self._between(None, None) if piece.fact.state in HELD)

    def missing(self, *wanted: Range) -> list[Range]:
        """What of these ranges is not held: what to fetch, what is lost and what is in dispute."""
        return self._without(wanted, HELD)

    def to_fetch(self, *wanted: Range) -> list[Range]:
        """What of these ranges is not held and can be asked for."""
        return self._without(wanted, HELD | CLOSED)

    def stretches(self, *wanted: Range) -> list[Stretch]:
        """What to fetch of these ranges, each hole by itself, with the ids it misses where they are known."""
        found = []
        for from_ns, to_ns in self.to_fetch(*wanted):
            at_ns = from_ns
            for piece in self._between(from_ns, to_ns):
                low, high = max(piece.from_ns, from_ns), min(piece.to_ns, to_ns)
                found += [self._stretch(*each) for each in ((at_ns, low), (low, high)) if each[0] < each[1]]
                at_ns = high
            if at_ns < to_ns:
                found.append(self._stretch(at_ns, to_ns))
        return found

    def holes(self, *wanted: Range) -> list[Span]:
        """All that is known not to be held, and whatever else of these ranges is not: `missing`."""
        known = [span for span in self.spans() if span.state not in HELD]
        silent = _minus(_union(wanted), ((piece.from_ns, piece.to_ns) for piece in self._between(None, None)))
        known += [Span(*each, "missing", "", "", "nobody has asked for it yet", NOT_FETCHED) for each in silent]
        return sorted(known, key=lambda span: span.from_ns)

    def unasked(self, *wanted: Range) -> list[Range]:
        """What lies between two stretches that were wanted or are spoken of, and is neither: nothing is known of it."""
        known = _union([*wanted, *((piece.from_ns, piece.to_ns) for piece in self._between(None, None))])
        return [(before[1], after[0]) for before, after in pairwise(known)]

    def repaired_since(self, known_at_ns: int) -> list[Range]:
        """What was repaired then or later."""
        return [
            (fact.from_ns, fact.to_ns)
            for fact in self._facts.values()
            if fact.state == "repaired" and fact.known_at_ns >= known_at_ns
        ]

    def outranked(self) -> list[Fact]:
        """Facts that change nothing any more: all of what they speak of is held, by others."""
        owners = {piece.rank for piece in self._between(None, None)}
        found = []
        for rank, fact in self._facts.items():
            if rank not in owners and not self.missing((fact.from_ns, fact.to_ns)):
                found.append(fact)
        return found

    # ---- inside ----------------------------------------------------------------------------------------------

    def _between(self, from_ns: int | None, to_ns: int | None) -> Iterator[_Piece]:
        """The pieces that reach into a range, in order."""
        if self._stale:
            self._rebuild()
        first = 0 if from_ns is None else max(0, bisect_right(self._starts, from_ns) - 1)
        for at in range(first, len(self._pieces)):
            piece = self._pieces[at]
            if to_ns is not None and piece.from_ns >= to_ns:
                return
            if from_ns is None or piece.to_ns > from_ns:
                yield piece

    def _stretch(self, from_ns: int, to_ns: int) -> Stretch:
        """A hole says itself what it misses; what is held beside it says it too, where it ends there of its own."""
        firsts, lasts, cause = list[int | None](), list[int | None](), NOT_FETCHED
        for piece in self._between(from_ns - 1, to_ns + 1):
            fact = self._facts[piece.rank]  # as far as it has grown by now, which the piece may not have seen
            if piece.to_ns == from_ns == fact.to_ns and fact.state in HELD:
                firsts.append(None if fact.last_seq is None else fact.last_seq + 1)
            elif piece.from_ns == to_ns == fact.from_ns and fact.state in HELD:
                lasts.append(None if fact.first_seq is None else fact.first_seq - 1)
            elif piece.from_ns <= from_ns and piece.to_ns >= to_ns:
                firsts.append(fact.first_seq)
                lasts.append(fact.last_seq)
                cause = piece.cause
        first = max((number for number in firsts if number is not None), default=None)
        last = min((number for number in lasts if number is not None), default=None)
        if first is not None and last is not None and first > last + 1:
            first = last = None  # numbers begin anew inside it: they do not say which are missing
        return Stretch(from_ns, to_ns, first, last, cause)

    def _without(self, wanted: Iterable[Range], states: frozenset[str]) -> list[Range]:
        left: list[Range] = []
        for from_ns, to_ns in _union(wanted):
            pieces = self._between(from_ns, to_ns)
            left += _minus([(from_ns, to_ns)], ((p.from_ns, p.to_ns) for p in pieces if p.fact.state in states))
        return left

    def _paint(self, fact: Fact, rank: Rank, from_ns: int) -> None:
        """Let a fact own what nothing of a higher rank does, from there on."""
        to_ns = fact.to_ns
        if from_ns == to_ns:
            return
        first = max(0, bisect_right(self._starts, from_ns) - 1)
        if first < len(self._pieces) and self._pieces[first].to_ns <= from_ns:
            first += 1
        last, at_ns = first, from_ns
        fresh: list[_Piece] = []
        while last < len(self._pieces) and self._pieces[last].from_ns < to_ns:
            piece = self._pieces[last]
            last += 1
            low, high = max(piece.from_ns, from_ns), min(piece.to_ns, to_ns)
            if piece.from_ns < from_ns:
                fresh.append(_Piece(piece.from_ns, from_ns, piece.fact, piece.rank, piece.cause))
            if at_ns < low:
                fresh.append(_Piece(at_ns, low, fact, rank, fact.cause))
            if piece.rank > rank:
                fresh.append(_Piece(low, high, piece.fact, piece.rank, piece.cause))
            else:
                inherited = "" if fact.state in HELD else piece.cause
                fresh.append(_Piece(low, high, fact, rank, fact.cause or inherited))
            if piece.to_ns > to_ns:
                fresh.append(_Piece(to_ns, piece.to_ns, piece.fact, piece.rank, piece.cause))
            at_ns = high
        if at_ns < to_ns:
            fresh.append(_Piece(at_ns, to_ns, fact, rank, fact.cause))
        fresh = _joined(fresh)
        self._pieces[first:last] = fresh
        self._starts[first:last] = [piece.from_ns for piece in fresh]

    def _rebuild(self) -> None:
        self._stale = False
        self._pieces, self._starts = [], []
        for rank, fact in self._facts.items():
            self._paint(fact, rank, fact.from_ns)


def _words(fact: Fact) -> tuple[str, str, str]:
    return fact.source, fact.why, fact.cause


def _equal(span: Span, fact: Fact, cause: str) -> bool:
    return (span.state, span.evidence, span.source, span.why, span.cause) == (
        fact.state, fact.evidence, fact.source, fact.why, cause,
    )  # fmt: skip


def _seen_apart(one: _Piece, other: _Piece) -> bool:
    """Whether a stream brought something between these two holes: an instant which both of them take for an end."""
    return other.fact.state not in HELD and other.cause not in AT_ONCE and one.rank != other.rank


def _joined(pieces: list[_Piece]) -> list[_Piece]:
    """Neighbours that the same fact owns, in one: a fact that grows leaves one piece, not one a growth."""
    out: list[_Piece] = []
    for piece in pieces:
        if out and out[-1].to_ns == piece.from_ns and (out[-1].rank, out[-1].cause) == (piece.rank, piece.cause):
            out[-1].to_ns, out[-1].fact = piece.to_ns, piece.fact
        else:
            out.append(piece)
    return out


def _union(ranges: Iterable[Range]) -> list[Range]:
    out: list[Range] = []
    for from_ns, to_ns in sorted(ranges):
        if from_ns >= to_ns:
            continue
        if out and from_ns <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], to_ns))
        else:
            out.append((from_ns, to_ns))
    return out


def _minus(ranges: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """Both in order, neither overlapping itself."""
    out: list[Range] = []
    holes = list(taken)
    at = 0
    for start, to_ns in ranges:
        from_ns = start
        while at < len(holes) and holes[at][1] <= from_ns:
            at += 1
        spot = at
        while spot < len(holes) and holes[spot][0] < to_ns:
            if holes[spot][0] > from_ns:
                out.append((from_ns, holes[spot][0]))
            from_ns = max(from_ns, holes[spot][1])
            spot += 1
        if from_ns < to_ns:
            out.append((from_ns, to_ns))
    return out

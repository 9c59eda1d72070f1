"""The walk over trades by time: what a venue lists of a span, and by number whatever its list leaves out. Pure.

That numbers follow each other proves that nothing is missing within one numbering, and a venue may begin to number anew
at any time, also inside a hole: the trades before have the numbers of those after, and both ends of the hole look as if
nothing had happened. Only a list by time shows all of them. So the list comes first, the newest page first; each
numbering that is found in it is then whole by its own numbers, and a number counts only with the stamp it is listed at.
"""

from bisect import bisect_right
from collections.abc import Sequence

from msgspec.structs import replace

from tapeline.model.event import Trade
from tapeline.model.interval import SECOND_NS
from tapeline.sync.numbering import DISORDER_NS, covered, numberings, stamp
from tapeline.sync.walk import Finding, IdsWalk, Row
from tapeline.venues.spec import Answer, Ask, RestCall

SAME_NS = SECOND_NS  # stamps of one trade in two lists may be so far apart
LEFT_OUT = "the venue's list, asked twice, is shorter than it should be where its numbers begin anew"
SPARE = 3  # rows beyond those expected: the two at both ends, and one older than all
_Key = tuple[int, int]  # number, stamp


class ListedWalk:
    """Trades of [from_ns, to_ns), the newest first, by `call` and by the call that lists them by time, its `locate`.

    `ids` are the first and the last that are missing, where they are known. `held`: the trades beside these are the two
    ends of the span, and do not come out.
    """

    def __init__(
        self, name: str, call: RestCall, native: str, span: tuple[int, int],
        ids: tuple[int | None, int | None] = (None, None), *, held: bool = True,
    ) -> None:  # fmt: skip
        assert call.locate, "a venue without a list by time"
        self._name, self._native, self._page = name, native, call.page
        self._own, self._held = call.locate == name, held  # whether the list has the very trades
        (self._from_ns, self._to_ns), (self._first, self._last) = span, ids
        limit = call.page
        if ids[0] is not None and ids[1] is not None:
            limit = min(limit, max(0, ids[1] - ids[0] + 1) + SPARE)
        self._list = Ask(call.locate, native, to_ns=span[1], limit=limit)
        self._window_ns = call.window_s * SECOND_NS if call.walk == "time" else 0.0  # how far it can list onwards
        self._checked = False
        self._begins_ns = span[0]  # of what was before nothing can be known
        self._before: dict[_Key, Trade] = {}  # the page, where it was short: it is asked for twice
        self._again = self._listed = False
        self._done = span[0] >= span[1]
        self._open = _Piece(span[1], ids[1])
        self._pieces: list[_Piece] = []  # that wait for what only their numbers bring, the newest first
        self._findings: list[Finding] = []
        self._oldest_ns, self._short = span[1], False  # of the page before, and whether it stayed short
        self._seams = list[tuple[int, int]]()  # where numbers begin anew on a page that leaves out others
        self._unsure = list[tuple[int, int]]()  # of the last page, should there be older ones
        self._below_ns, self._torn = span[1], False  # from here on it was listed before, by such a page

    def next(self) -> Ask | None:
        """See `Walk`."""
        if self._pieces:
            return self._pieces[0].walk.next()
        return None if self._done else self._list

    def took(self, answers: Sequence[Answer]) -> Sequence[Row]:
        """See `Walk`."""
        trades = [each for each in answers if isinstance(each, Trade) and each.seq is not None]
        if self._pieces:
            fresh = self._pieces[0].took(trades)
        else:
            listed = [trade if self._own else replace(trade, channel=self._name) for trade in trades]
            fresh = self._took_check(listed) if self._checked else self._took_list(listed)
        self._go_on()
        return fresh

    def given(self, trades: Sequence[Trade]) -> None:
        """These are held already, found while numbers are asked for. Where no list shows them, nothing is given up."""
        for piece in self._pieces:
            piece.given(trades)

    def failed(self, why: str) -> None:
        """See `Walk`. Of what was not listed nothing is known."""
        if self._pieces:
            self._pieces[0].walk.failed(why)
            self._go_on()
        else:
            self._done = True

    def findings(self) -> Sequence[Finding]:
        """See `Walk`."""
        found = [*self._findings, *(self._found_in(self._pieces[0]) if self._pieces else ())]
        for from_ns, to_ns in self._seams:
            found = [*_without(from_ns, to_ns, found), Finding(from_ns, to_ns, "disputed", "", LEFT_OUT)]
        return sorted(found, key=lambda each: each.from_ns)

    @property
    def part(self) -> float:
        """See `Walk`."""
        if self._done and not self._pieces:
            return 1.0
        return min(1.0, max(0.0, (self._to_ns - self._open.to_ns) / max(1, self._to_ns - self._from_ns)))

    # ---- the list

    def _took_list(self, trades: Sequence[Trade]) -> Sequence[Row]:
        """A page of it: the rows that are new. One that is short may be a slip, and is asked for once more."""
        short = len(trades) < (self._list.limit or 1)
        page = {_key(trade): trade for trade in trades} | self._before
        if short and not self._again:
            self._again, self._before = True, page
            return ()
        self._again, self._before = False, {}
        rows = [trade for trade in page.values() if stamp(trade) < self._to_ns]
        self._listed = self._listed or bool(rows)
        oldest_ns = min(map(stamp, rows), default=self._from_ns)
        taken: Sequence[Trade] = rows
        if oldest_ns >= self._from_ns and oldest_ns + 1 != self._list.to_ns and not self._begins_in(rows):
            taken = [trade for trade in rows if stamp(trade) > oldest_ns]  # of that instant there may be more
        fresh = list[Row]()
        self._turn_page(oldest_ns, short=len(page) < (self._list.limit or 1))
        for stretch in reversed(numberings(taken)):
            fresh += self._joined(stretch)
            if stamp(stretch[0]) < self._from_ns:
                break  # what is older still is none of ours
        if oldest_ns < self._from_ns or self._open.root is not None or (short and not rows):
            self._end(older=bool(rows))
        else:
            self._go_back(oldest_ns)
        return fresh

    def _joined(self, stretch: Sequence[Trade]) -> Sequence[Row]:
        """The next older stretch of the list goes on in the numbering of the one before, or has one of its own."""
        inside = [trade for trade in stretch if stamp(trade) >= self._from_ns]
        highest, piece = covered(stretch[-1])[1], self._open
        if piece.low is not None and highest >= piece.low:
            if not inside:
                return ()
            self._turned(stamp(stretch[-1]), piece.low_ns)
            self._close(min(piece.from_ns, piece.to_ns))
            piece = self._open
            piece.top = highest
        elif inside and (piece.top is None or (piece.low is None and not self._ends_in(inside))):
            piece.top = highest
        piece.take(inside)
        older = [covered(trade)[1] for trade in stretch if stamp(trade) < self._from_ns]
        if older or self._begins_in(inside):
            piece.root = max(older, default=0) + 1 if self._first is None else self._first
        if not self._own:
            return ()
        fresh = [trade for trade in inside if not self._is_end(trade)]
        piece.held += fresh
        return fresh

    def _turn_page(self, oldest_ns: int, *, short: bool) -> None:
        """A page that stayed short, though there are older ones, leaves out some of its time."""
        if oldest_ns < self._oldest_ns:
            self._seams += self._unsure
        self._unsure = []
        self._below_ns, self._torn = self._oldest_ns, self._short and oldest_ns < self._oldest_ns
        self._oldest_ns, self._short = oldest_ns, short

    def _turned(self, from_ns: int, to_ns: int) -> None:
        """Numbers begin anew between these two: what no number can show, the list alone does, if it is whole."""
        seam = max(from_ns, self._from_ns), min(to_ns + 1, self._to_ns)
        if from_ns >= self._below_ns:  # on the page before
            self._seams += [seam] if self._torn else []
        elif self._short:
            self._unsure.append(seam)

    def _ends_in(self, trades: Sequence[Trade]) -> bool:
        """Whether none of these has a number beyond those that are missing, but the trade that ended the hole."""
        last = self._last
        if last is None or covered(trades[-1])[1] <= last:
            return True
        return any(covered(trade)[0] == last + 1 and stamp(trade) == self._to_ns - 1 for trade in trades)

    def _begins_in(self, trades: Sequence[Trade]) -> bool:
        """Whether the last trade before the hole is among these."""
        due = self._first if self._held else None
        return due is not None and any(
            covered(trade)[1] == due - 1 and stamp(trade) == self._from_ns for trade in trades
        )  # fmt: skip

    def _is_end(self, trade: Trade) -> bool:
        """Whether it is held at one of the two ends."""
        if not self._held:
            return False
        first, last = covered(trade)
        before = self._first is not None and last < self._first and stamp(trade) == self._from_ns
        return before or (self._last is not None and first > self._last and stamp(trade) == self._to_ns - 1)

    def _go_back(self, oldest_ns: int) -> None:
        """What has been listed is a piece; the next page goes on below it, with the instant at which it ends."""
        whole = oldest_ns + 1 == self._list.to_ns  # of one instant: what more there was, its numbers show
        self._list = replace(self._list, to_ns=oldest_ns if whole else oldest_ns + 1, limit=self._page)
        if whole or self._open.low is None:
            return
        low, low_ns = self._open.low, self._open.low_ns
        self._close(oldest_ns + 1)
        if low is not None:
            self._open.top, self._open.low, self._open.above_ns = low - 1, low, low_ns

    def _end(self, *, older: bool) -> None:
        """The list goes no further back."""
        self._done, piece = True, self._open
        first = piece.root if piece.root is not None or piece.low is not None else self._first
        if first is None and self._first is not None and piece.low is not None and piece.low > self._first:
            first = self._first
        if first is not None:
            piece.low = first
        if first is not None or older:
            self._close(self._from_ns)
        elif not self._checked and piece.from_ns - self._from_ns < self._window_ns:
            self._done, self._checked = False, True
            self._list = replace(self._list, from_ns=self._from_ns, to_ns=piece.from_ns + 1)
        else:
            self._begin_at(min(piece.from_ns + 1, piece.to_ns))

    def _begin_at(self, at_ns: int) -> None:
        """The list begins with the instant before; whether there were others in it, or any before, nobody knows."""
        self._done, self._begins_ns = True, at_ns
        self._findings.append(Finding(self._from_ns, at_ns, "unrecoverable", "", "the venue has no older ones"))
        self._close(min(at_ns, self._open.from_ns))

    def _took_check(self, trades: Sequence[Trade]) -> Sequence[Row]:
        """Listed onwards from where the span begins: the oldest one that is known is the first, or it is not."""
        self._done, piece = True, self._open
        if trades and min(map(stamp, trades)) == piece.from_ns:
            self._close(self._from_ns)
        else:
            self._begin_at(piece.from_ns + 1)
        return ()

    # ---- what the numbers bring

    def _close(self, from_ns: int) -> None:
        """All of a piece has been listed: what its numbers say is missing yet is asked for. Another one begins."""
        piece, self._open = self._open, _Piece(from_ns)
        if from_ns < piece.to_ns:
            piece.begin(self._name, self._native, from_ns, self._page, listed=self._listed)
            self._pieces.append(piece)

    def _go_on(self) -> None:
        """Be done with every piece of which nothing is left to ask."""
        while self._pieces and self._pieces[0].walk.next() is None:
            piece = self._pieces.pop(0)
            found = self._found_in(piece)
            if piece.misses_between and found:  # it is of this piece, or of the one above
                found = [*found[:-1], replace(found[-1], to_ns=piece.above_ns + 1)]
                self._findings = _from(piece.above_ns + 1, self._findings)
            self._findings += found

    def _found_in(self, piece: "_Piece") -> Sequence[Finding]:
        return _from(self._begins_ns, piece.findings())


class _Piece:
    """A stretch of time before `to_ns`, in which one numbering goes up to `top`."""

    def __init__(self, to_ns: int, top: int | None = None) -> None:
        self.to_ns, self.top = to_ns, top
        self.low: int | None = None  # the lowest number that was listed, or of what is above
        self.above_ns = to_ns  # the stamp of `low`, where that was listed above
        self.root: int | None = None  # the first of these numbers that is not before the span
        self.from_ns = 1 << 63  # the oldest stamp that was listed
        self.held = list[Trade]()
        self.walk: IdsWalk
        self._span, self._asked = (0, to_ns), range(0)  # its time, and its numbers
        self._shown = self._answered = False  # whether the list has its trades; whether it said anything
        self._keeps = False  # whether some of it turned out to be held
        self._inside = False  # a number brought a trade of this time that the list has not
        self._firsts = list[int]()  # of what was listed, in order
        self._listed = list[tuple[int, int]]()  # beside them: (last, stamp)
        self._others: dict[int, str] = {}  # numbers that were given to a trade of another time

    @property
    def low_ns(self) -> int:
        """The stamp of `low`."""
        return self._listed[0][1] if self._listed else self.above_ns

    @property
    def misses_between(self) -> bool:
        """Whether a number is missing that lies between all that was listed of it and the piece above."""
        top = self.walk.top
        listed = self._listed[-1][0] if self._listed else 0
        return self.to_ns < self.above_ns and top > listed and not self.walk.held(top)

    def take(self, trades: Sequence[Trade]) -> None:
        """Listed, below what was listed before."""
        if not trades:
            return
        self.low = covered(trades[0])[0]
        self.from_ns = min(map(stamp, trades))
        self._firsts[:0] = [covered(trade)[0] for trade in trades]
        self._listed[:0] = [(covered(trade)[1], stamp(trade)) for trade in trades]

    def begin(self, name: str, native: str, from_ns: int, page: int, *, listed: bool) -> None:
        """Go through its numbers; those of trades that the list has brought are held."""
        low = self.low if self.low is not None else (self.top or 0) + 1
        top = max(low - 1, self.top if self.top is not None else low - 1)
        self._answered, self._shown = listed, listed and (bool(self._firsts) or low > top)
        self._span, self._asked = (from_ns, self.to_ns), range(low, top + 1)
        self.walk = IdsWalk(name, native, (low, top), self._span, page, newest_first=True)
        self.walk.given(self.held)

    def given(self, trades: Sequence[Trade]) -> None:
        """What of these is of its time is held."""
        from_ns, to_ns = self._span
        self._keeps |= self.walk.given([each for each in trades if from_ns <= stamp(each) < to_ns])

    def took(self, trades: Sequence[Trade]) -> Sequence[Row]:
        """Of an answer, what is of this time; or of the piece above, whose list left it out."""
        ours = [trade for trade in trades if self._is_ours(trade)]
        self._inside |= any(self._span[0] <= stamp(trade) < self._span[1] for trade in ours)
        until_ns = self._span[1] + DISORDER_NS
        late = [trade for trade in ours if stamp(trade) >= until_ns]
        fresh = [trade for trade in late if self.walk.given([replace(trade, at_ns=self.to_ns - 1)])]
        return [*self.walk.took([trade for trade in ours if stamp(trade) < until_ns]), *fresh]

    def findings(self) -> Sequence[Finding]:
        """What its numbers say. Where no list shows them they prove nothing, but of trades that are of another time."""
        found = self.walk.findings()
        if self._answered and not self._shown and not self._inside and [each.state for each in found] == ["proven"]:
            return [replace(found[0], first_seq=None, last_seq=None)]
        if not self._shown:  # what it gives up reaches over what it keeps: the list has to be asked once more
            return [] if self._keeps else [each for each in found if each.state != "proven"]
        _, why = min(
            self._others.items(), default=(0, "numbers do not follow each other as the stamps of their trades do")
        )
        if self._claims_missing(found):
            return [] if self.walk.next() is not None else [Finding(*self._span, "disputed", "", why)]
        if not self._others:
            return found
        return [replace(each, state="disputed", why=why) if each.state == "unrecoverable" else each for each in found]

    def _claims_missing(self, findings: Sequence[Finding]) -> bool:
        """Whether one of these proves an instant at which a trade was listed that no number has brought."""
        proven = [(each.from_ns, each.to_ns) for each in findings if each.state == "proven"]
        for first, (last, at_ns) in zip(self._firsts, self._listed, strict=True):
            lacks = any(number in self._asked and not self.walk.held(number) for number in range(first, last + 1))
            if lacks and any(from_ns <= at_ns < to_ns for from_ns, to_ns in proven):
                return True
        return False

    def _is_ours(self, trade: Trade) -> bool:
        number, at_ns = covered(trade)[0], stamp(trade)
        place = bisect_right(self._firsts, number) - 1
        if place >= 0 and number <= self._listed[place][0]:
            listed_ns = self._listed[place][1]
            if abs(at_ns - listed_ns) <= SAME_NS:
                return True
            apart = f"{abs(at_ns - listed_ns) / SECOND_NS:.0f} s {'later' if at_ns > listed_ns else 'earlier'}"
            self._others[number] = f"the venue gives number {number} to two trades, the other one {apart}"
            return False
        return self._span[0] - DISORDER_NS <= at_ns < max(self._span[1], self.above_ns + 1) + DISORDER_NS


def _from(at_ns: int, findings: Sequence[Finding]) -> list[Finding]:
    """What of these is said of the time from there on."""
    return [replace(each, from_ns=max(at_ns, each.from_ns)) for each in findings if each.to_ns > at_ns]


def _without(from_ns: int, to_ns: int, findings: Sequence[Finding]) -> list[Finding]:
    """What of these is said of the time before and after."""
    found = list[Finding]()
    for each in findings:
        if each.to_ns <= from_ns or each.from_ns >= to_ns:
            found.append(each)
            continue
        if each.from_ns < from_ns:
            found.append(replace(each, to_ns=from_ns, last_seq=None))
        if each.to_ns > to_ns:
            found.append(replace(each, from_ns=to_ns, first_seq=None))
    return found


def _key(trade: Trade) -> _Key:
    return covered(trade)[0], stamp(trade)

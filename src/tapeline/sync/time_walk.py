"""The walk over aggregated trades: by windows of time where few trade, on from the last id where many do. Pure."""

from collections.abc import Sequence

import msgspec

from tapeline.model.event import Trade
from tapeline.sync.places import Run
from tapeline.sync.walk import Finding, Row, spans
from tapeline.venues.spec import Answer, Ask


class TimeWalk:
    """Trades of [from_ns, to_ns), whose ids are contiguous, oldest first.

    A window of time with fewer than a page is done; a full one is gone on with by id. What an id jumps over is asked
    for by id, once. The end is confirmed by asking for what follows the last id; the start by `after_id`, the last
    trade before it, where that is known.
    """

    def __init__(
        self, call: str, native: str, span: tuple[int, int], page: int, *, window_ns: int | None = None,
        after_id: int | None = None,
    ) -> None:  # fmt: skip
        self._call, self._native, self._page = call, native, page
        self._from_ns, self._to_ns = span
        self._window_ns, self._after_id = window_ns, after_id
        self._at_ns = self._from_ns
        self._next_id: int | None = None  # None: by time
        self._runs: list[Run] = []
        self._reasons: list[tuple[int, int, str, str]] = []
        self._hole_asked = self._doubted = self._confirming = self._done = False
        self._failed = False

    def next(self) -> Ask | None:
        """See `Walk`."""
        if self._done or self._from_ns >= self._to_ns:
            return None
        ask = Ask(self._call, self._native, limit=self._page)
        if self._next_id is not None:
            return msgspec.structs.replace(ask, from_id=self._next_id)
        return msgspec.structs.replace(ask, from_ns=self._at_ns, to_ns=self._window_end)

    def took(self, answers: Sequence[Answer]) -> Sequence[Row]:
        """See `Walk`."""
        page = {each.seq: each for each in answers if isinstance(each, Trade) and each.seq is not None}
        rows = [page[seq] for seq in sorted(page)]
        doubtful = {
            each.seq for each in answers
            if isinstance(each, Trade) and each.seq is not None and _content(each) != _content(page[each.seq])
        }  # fmt: skip
        if doubtful and not self._doubted:
            self._doubted = True
            return ()
        self._doubted = False
        self._reasons += [(seq, seq + 1, "disputed", "two readings of one id") for seq in sorted(doubtful)]
        past = any((row.at_ns or 0) >= self._to_ns for row in rows)
        last = self._last_id
        inside = [
            row for row in rows
            if self._from_ns <= (row.at_ns or 0) < self._to_ns and (last is None or (row.seq or 0) > last)
            and row.seq not in doubtful
        ]  # fmt: skip
        kept = self._hold(inside)
        if len(kept) == len(inside):
            self._advance(full=len(page) >= self._page, past=past, fresh=bool(kept))
        else:
            self._confirming = False  # the next question is for a hole, not for the end
        return kept

    def failed(self, why: str) -> None:
        """See `Walk`."""
        del why
        self._failed = self._done = True

    def findings(self) -> Sequence[Finding]:
        """See `Walk`."""
        if self._from_ns >= self._to_ns:
            return ()
        if not self._runs:
            if self._failed or not self._done:
                return ()
            state, why = ("disputed", self._reasons[0][3]) if self._reasons else ("proven", "asked twice: no trades")
            return [Finding(self._from_ns, self._to_ns, state, "", why)]
        first = self._runs[0].first if self._after_id is None else self._after_id + 1
        end = self._runs[-1].end
        if self._failed or not self._done or any(b > end for _, b, _, _ in self._reasons):
            end += 1  # what follows is not known
        return spans(self._runs, self._reasons, (first, end), (self._from_ns, self._to_ns))

    @property
    def part(self) -> float:
        """See `Walk`."""
        at_ns = max(self._at_ns, self._runs[-1].last_ns if self._runs else self._from_ns)
        return 1.0 if self._done else min(1.0, (at_ns - self._from_ns) / max(1, self._to_ns - self._from_ns))

    @property
    def _window_end(self) -> int:
        return self._to_ns if self._window_ns is None else min(self._to_ns, self._at_ns + self._window_ns)

    @property
    def _last_id(self) -> int | None:
        return self._runs[-1].end - 1 if self._runs else self._after_id

    def _hold(self, rows: Sequence[Trade]) -> Sequence[Trade]:
        """Take rows up to the first id that jumps, which is then asked for; a second time it is a hole."""
        for number, row in enumerate(rows):
            seq, at_ns = row.seq or 0, row.at_ns or 0
            due = self._after_last()
            if due is not None and seq > due:
                if not self._hole_asked or number:
                    self._hole_asked, self._next_id = True, due
                    return rows[:number]
                self._reasons.append((due, seq, "unrecoverable", "asked twice: the venue does not have it"))
            self._hole_asked = False
            if self._runs and seq == due:
                self._runs[-1].end, self._runs[-1].last_ns = seq + 1, at_ns
            else:
                self._runs.append(Run(seq, seq + 1, at_ns, at_ns))
        return rows

    def _advance(self, *, full: bool, past: bool, fresh: bool) -> None:
        """Where to go on after an answer that was taken whole."""
        if past:
            self._done = True
        elif full and fresh:
            self._next_id, self._confirming = self._after_last(), False
        elif self._next_id is None and self._window_end < self._to_ns:
            self._at_ns = self._window_end
        elif self._confirming and not fresh:
            self._done = True
        else:
            self._at_ns = self._at_ns if self._next_id is None else self._to_ns
            self._next_id, self._confirming = self._after_last(), True

    def _after_last(self) -> int | None:
        last = self._last_id
        return None if last is None else last + 1


def _content(trade: Trade) -> Trade:
    return msgspec.structs.replace(trade, received_ns=0)

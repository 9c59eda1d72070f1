"""A venue's history and a way to walk over it: what the tests of the walks share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tapeline.model.event import Bar, Trade
from tapeline.model.interval import MINUTE_NS, SECOND_NS, interval
from tapeline.sync.walk import Row, Walk
from tapeline.venues.spec import Ask

START_NS = 1_700_000_040_000_000_000  # a full minute
Told = tuple[int, float]  # number, second
Mischief = Callable[[int, list[Row]], Sequence[Row] | None]  # number of the request, its rows; None: no answer


def bar(number: int, *, name: str = "1m", closed: bool = True, close: str = "2") -> Bar:
    open_ns, step = interval(name).floor(START_NS), interval(name)
    for _ in range(number) if not step.length_ns else ():
        open_ns = step.next(open_ns)
    open_ns += number * step.length_ns
    two = Decimal(2)
    return Bar("v:X", f"bars:{name}", None, 7, "rest", name, open_ns, two, two, two, Decimal(close), two, None, 1, None,
               None, None, closed, "", int(closed))  # fmt: skip


def trade(seq: int, at_s: float | None = None, *, price: str = "10", received_ns: int = 7) -> Trade:
    at_ns = START_NS + int((seq if at_s is None else at_s) * SECOND_NS)
    return Trade(
        "v:X", "trades", at_ns, received_ns, "rest", str(seq), seq, "buy", Decimal(price), Decimal(1), seq, seq
    )


def minutes(first: int, end: int) -> tuple[int, int]:
    return START_NS + first * MINUTE_NS, START_NS + end * MINUTE_NS


def seconds(first: float, end: float) -> tuple[int, int]:
    return START_NS + int(first * SECOND_NS), START_NS + int(end * SECOND_NS)


def answer(history: Sequence[Row], ask: Ask) -> list[Row]:
    """What a good venue says: from an id or a time on, the oldest first; with only an end the newest before it."""

    def at_ns(row: Row) -> int:
        return row.open_at_ns if isinstance(row, Bar) else row.at_ns or 0

    rows = [row for row in history if ask.from_ns is None or at_ns(row) >= ask.from_ns]
    rows = [row for row in rows if ask.to_ns is None or at_ns(row) < ask.to_ns]
    if ask.from_id is not None:
        rows = [row for row in rows if isinstance(row, Trade) and (row.seq or 0) >= ask.from_id]
    if ask.from_id is None and ask.from_ns is None:
        return rows[-(ask.limit or 1) :]
    return rows[: ask.limit]


def gone_through(
    walk: Walk, history: Sequence[Row], mischief: Mischief = lambda _number, rows: rows
) -> tuple[list[Row], list[Ask]]:
    """All that a walk gives out, and all that it asked."""
    found, asked = list[Row](), list[Ask]()
    while (ask := walk.next()) is not None:
        assert walk.next() == ask
        assert 0 <= walk.part <= 1
        asked.append(ask)
        assert len(asked) < 2000, "a walk without an end"
        rows = mischief(len(asked) - 1, answer(history, ask))
        if rows is None:
            walk.failed("HTTP 500")
        else:
            found += walk.took(rows)
    return found, asked


@dataclass
class Venue:
    """What a venue answers: by time in order, by number the later of two trades with one number."""

    told: Sequence[Told]
    aggregates: int = 1  # so many trades, all of one instant, are one row of the list
    asked: list[Ask] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trades = [trade(seq, at_s, price=str(place + 1)) for place, (seq, at_s) in enumerate(self.told)]

    def answer(self, ask: Ask) -> list[Row]:
        limit = ask.limit or 1
        if ask.from_id is not None:
            latest: dict[int, Row] = {each.seq or 0: each for each in self.trades}
            return [latest[seq] for seq in sorted(latest) if seq >= ask.from_id][:limit]
        rows = [each for each in self.trades if (each.at_ns or 0) < (ask.to_ns or 0)]
        if ask.call == "trades":
            return list(rows[-limit:])
        found: list[Row] = []
        for at in range(0, len(rows), self.aggregates):
            group = rows[at : at + self.aggregates]
            found.append(trade_of(group[-1], group[0].seq, group[-1].seq, len(found)))
        return found[-limit:]


def trade_of(last: Trade, first_id: int | None, last_id: int | None, number: int) -> Trade:
    return Trade(
        last.instrument, "aggtrades", last.at_ns, 7, "rest", str(number), number, last.side, last.price, last.size,
        first_id, last_id,
    )  # fmt: skip


def told_of(each: Trade) -> Told:
    return each.seq or 0, ((each.at_ns or 0) - seconds(0, 0)[0]) / SECOND_NS

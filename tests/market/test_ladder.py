from decimal import Decimal
from typing import Any

from tapeline.market.ladder import Rung, ladder
from tapeline.market.tally import Tally, tally
from tapeline.model.event import Trade
from tapeline.model.interval import DAY_NS, INTERVALS, MINUTE_NS


def one(at_ns: int, price: str) -> Tally:
    found, _, _ = tally([Trade("x:A/B", "trades", at_ns, at_ns, "ws", "1", at_ns, "buy", Decimal(price), Decimal(1))])
    assert found is not None
    return found


def figures(*values: Any) -> tuple[Any, ...]:
    """So that exact numbers can be written as integers here."""
    return values


def feeds(*names: str) -> dict[str, list[str]]:
    rungs = ladder([INTERVALS[name] for name in names], 100)
    assert [rung.root for rung in rungs] == [
        not any(rung in other.above for other in rungs) for rung in rungs
    ]  # every rung is fed by trades or by one other
    return {str(rung.interval): [str(above.interval) for above in rung.above] for rung in rungs}


def put(rung: Rung, at_ns: int, price: str) -> None:
    rung.cell(rung.interval.floor(at_ns)).take(one(at_ns, price), shared=False)


def test_each_interval_is_fed_by_the_coarsest_it_holds_whole() -> None:
    assert feeds("1h", "1m", "5m", "1s", "1m") == {"1s": ["1m"], "1m": ["5m"], "5m": ["1h"], "1h": []}
    assert feeds("3m", "5m", "15m") == {"3m": [], "5m": ["15m"], "15m": []}
    assert feeds("1d", "3d", "1w", "1M") == {"1d": ["3d", "1w", "1M"], "3d": [], "1w": [], "1M": []}
    assert feeds("3d", "1w", "1M") == {"3d": [], "1w": [], "1M": []}  # none begins only where another does
    assert feeds("12h", "1M") == {"12h": ["1M"], "1M": []}


def test_a_closed_bar_feeds_the_coarser_one() -> None:
    fine, coarse = ladder([INTERVALS["1m"], INTERVALS["5m"]], 100)
    put(fine, 10, "100")
    put(fine, MINUTE_NS, "105")  # exactly on the boundary: the next bar
    assert [cell.open_ns for cell in fine.close(MINUTE_NS, carry=False)] == [0]
    assert fine.due_ns(carry=False) == 2 * MINUTE_NS
    assert coarse.open[0].close == 100
    fine.close(2 * MINUTE_NS, carry=False)
    (cell,) = coarse.close(5 * MINUTE_NS, carry=False)
    assert cell.tally is not None
    assert figures(cell.tally.open, cell.tally.high, cell.tally.close, cell.tally.trades) == (100, 105, 105, 2)
    fine_cell = fine.closed[0].tally
    assert fine_cell is not None
    assert fine_cell.trades == 1  # the coarser one did not add to it


def test_empty_bars_carry_the_close_and_are_bounded() -> None:
    (rung,) = ladder([INTERVALS["1m"]], 3)
    put(rung, 10, "100")
    assert [cell.close for cell in rung.close(3 * MINUTE_NS, carry=True)] == [100, 100, 100]
    assert rung.due_ns(carry=True) == 4 * MINUTE_NS
    made = rung.close(100 * MINUTE_NS, carry=True)
    assert [cell.open_ns // MINUTE_NS for cell in made] == [97, 98, 99]
    assert rung.skipped == 94
    assert len(rung.closed) == 3
    (month,) = ladder([INTERVALS["1M"]], 50)
    put(month, 0, "100")
    assert [cell.open_ns // DAY_NS for cell in month.close(100 * DAY_NS, carry=True)] == [0, 31, 59]


def test_what_was_dropped_cannot_be_reopened() -> None:
    (rung,) = ladder([INTERVALS["1m"]], 2)
    for minute in (0, 2, 3, 4):
        put(rung, minute * MINUTE_NS, "100")
    rung.close(5 * MINUTE_NS, carry=False)
    assert list(rung.closed) == [3 * MINUTE_NS, 4 * MINUTE_NS]
    assert rung.reopen(0) is None
    assert rung.reopen(MINUTE_NS) is None  # perhaps it was there: nobody knows any more
    kept = rung.reopen(4 * MINUTE_NS)
    assert kept is rung.closed[4 * MINUTE_NS]
    assert kept.tally is not None


def test_empty_bars_follow_a_corrected_close() -> None:
    (rung,) = ladder([INTERVALS["1m"]], 10)
    put(rung, 10, "100")
    put(rung, 3 * MINUTE_NS, "200")
    rung.close(4 * MINUTE_NS, carry=True)
    first = rung.closed[0]
    first.take(one(50, "90"), shared=True)
    assert [cell.open_ns // MINUTE_NS for cell in rung.carry_on(first)] == [1, 2]
    assert [rung.closed[minute * MINUTE_NS].close for minute in range(4)] == [90, 90, 90, 200]
    assert rung.carry_on(first) == []


def test_a_bar_of_empty_trades_is_no_bar() -> None:
    (rung,) = ladder([INTERVALS["1m"]], 10)
    rung.cell(0)
    assert rung.close(MINUTE_NS, carry=False) == []
    assert rung.closed == {}

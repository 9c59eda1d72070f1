"""Which rows a venue answers with."""

from tapeline.sim.source import window
from tapeline.venues.spec import Ask

ROWS = list(range(10))


def chosen(ask: Ask, most: int = 100) -> list[int]:
    return list(window(ROWS, ask, lambda row: row * 10, lambda row: row, most))


def test_the_oldest_from_a_start_else_the_newest() -> None:
    assert chosen(Ask("x")) == ROWS
    assert chosen(Ask("x", limit=3)) == [7, 8, 9]
    assert chosen(Ask("x", limit=50), most=2) == [8, 9]
    assert chosen(Ask("x", from_ns=30, limit=2)) == [3, 4]
    assert chosen(Ask("x", from_ns=31, to_ns=60)) == [4, 5]
    assert chosen(Ask("x", to_ns=40, limit=2)) == [2, 3]
    assert chosen(Ask("x", from_id=8)) == [8, 9]
    assert chosen(Ask("x", from_ns=1000)) == []

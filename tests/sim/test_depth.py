"""A venue's own book follows the venue's rule, and gives itself up at a hole."""

import toy_venue as toy

from tapeline.model.event import BookDelta, BookSnapshot
from tapeline.sim.depth import Depth

START = BookSnapshot(
    "toy:AB", "book", 1, 2, "rest", [("9", "1"), ("8.50", "2")], [("11", "1"), ("12", "0")], last_seq=5
)


def delta(seq: int, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> BookDelta:
    return BookDelta("toy:AB", "book", 3, 4, "ws", bids, asks, seq, seq, seq - 1)


def test_a_book_from_its_snapshot_on() -> None:
    depth = Depth(toy.judge)
    assert not depth.ready
    assert depth.snapshot("book", "rest", None) is None
    assert not depth.apply(delta(5, [], []))
    depth.load(START)
    assert depth.apply(delta(5, [("9", "99")], []))
    assert depth.apply(delta(6, [("9.0", "0"), ("7", "1")], [("10.5", "3")]))
    book = depth.snapshot("book:2", "ws", 2)
    assert book is not None
    assert (book.bids, book.asks) == ([("8.50", "2"), ("7", "1")], [("10.5", "3"), ("11", "1")])
    assert (book.channel, book.source, book.last_seq, book.at_ns) == ("book:2", "ws", 6, 3)


def test_a_hole_gives_the_state_up_until_the_next_snapshot() -> None:
    depth = Depth(toy.judge)
    depth.load(START)
    assert not depth.apply(delta(8, [], []))
    assert not depth.ready
    depth.load(START)
    assert depth.ready


def test_a_feed_of_whole_books_takes_no_deltas() -> None:
    depth = Depth(None)
    depth.load(START)
    assert not depth.apply(delta(6, [], []))

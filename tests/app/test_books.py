import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tapeline.app.trade.books import EngineBooks
from tapeline.errors import Unsynchronised
from tapeline.model.event import BookDelta, BookSnapshot, Gap

BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"
Staged = Callable[..., None]


def test_one_gap_resynchronises_one_book(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["book"])
        await on.instance.subscribe(ETH, ["book"])
        await asyncio.sleep(120)
        btc, eth = on.instance.book(BTC), on.instance.book(ETH)
        assert btc.synchronised
        assert eth.synchronised
        resyncs = sorted((btc.statistics().snapshots, eth.statistics().snapshots))
        assert resyncs[0] == 1, "the other book went on"
        assert resyncs[1] >= 2

    staged(play, faults=("drop@+30s:book",))


def test_readers_get_an_error_while_the_connection_is_gone(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["book"])
        await asyncio.sleep(25)
        with pytest.raises(Unsynchronised) as told:
            on.instance.book(BTC).best()
        assert told.value.reason == "link_down"
        await asyncio.sleep(120)
        assert on.instance.book(BTC).synchronised

    staged(play, faults=("cut@+20s", "refuse@+20s+30s"))


def test_a_snapshot_that_cannot_be_had_is_asked_for_again(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.desk("binance")
        await on.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(15)
        await on.instance.subscribe(BTC, ["book"])
        await asyncio.sleep(300)
        assert on.instance.book(BTC).synchronised
        assert on.instance.problems.by_kind()["binance"].get("book_snapshot", 0) >= 0

    staged(play, faults=("429@+12s+20s:1",))


def test_a_book_that_is_dropped_is_forgotten(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["book"])
        desk = await on.instance.desk("binance")
        assert desk.books.has(BTC, "book")
        await on.instance.unsubscribe(BTC, ["book"])
        assert not desk.books.has(BTC, "book")
        assert desk.books.books() == []
        await asyncio.sleep(10)

    staged(play)


class Own:
    """A book of one's own, kept as an engine keeps it: from the bus, and from what is told beside it."""

    def __init__(self, instance: Any) -> None:
        self.instance, self.books = instance, EngineBooks()
        self.told: list[str] = []
        self.compared = self.readable = 0
        self.book: Any = None
        instance.on(self.hear, instrument=BTC, of="book")
        instance.on_book_state(self.hear, instrument=BTC)

    def hear(self, event: BookSnapshot | BookDelta | Gap) -> None:
        if isinstance(event, Gap):
            self.told += [event.cause] if event.open else []
            if event.open:
                self.books.lose(BTC, "book", event.cause, event.received_ns)
                assert not self.book.synchronised
            return
        self.told += ["whole"] if isinstance(event, BookSnapshot) else []
        self.book = self.books.apply(event, event.received_ns) or self.book
        kept = self.instance.book(BTC)
        self.compared += 1
        if kept.synchronised and self.book is not None:
            self.readable += 1
            assert (self.book.sequence, self.book.top(20)) == (kept.sequence, kept.top(20))


def test_a_book_of_ones_own_is_the_one_that_is_kept_at_every_event(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["book"])
        await asyncio.sleep(15)
        own = Own(on.instance)  # it begins late: the snapshot was long before
        assert own.told == ["whole"]
        await asyncio.sleep(200)
        assert own.told == ["whole", "whole", "link_down", "whole"], "a hole in the stream, then its end"
        assert own.readable > 0.7 * own.compared > 500

    staged(play, faults=("drop@+30s:book", "cut@+90s", "refuse@+90s+20s"))


def test_a_book_of_ones_own_from_the_beginning(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.desk("binance")
        own = Own(on.instance)
        await on.instance.subscribe(BTC, ["book"])
        await asyncio.sleep(20)
        assert own.told == ["whole"]
        assert own.book.synchronised

    staged(play)


def test_of_the_top_levels_alone_it_is_told_at_once_that_they_are_gone(staged: Staged) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["book:20"])
        books, told = EngineBooks(), list[bool]()

        def hear(event: BookSnapshot | Gap) -> None:
            if isinstance(event, Gap):
                if event.open:
                    books.lose(BTC, "book:20", event.cause, event.received_ns)
            else:
                books.apply(event, event.received_ns)
            told.append(isinstance(event, BookSnapshot))

        on.instance.on(hear, instrument=BTC, of="book:20")
        on.instance.on_book_state(hear, instrument=BTC, of="book:20")
        await asyncio.sleep(25)
        assert told[-1] is False
        kept = books._books[BTC, "book:20"]
        assert not kept.synchronised
        await asyncio.sleep(60)
        assert kept.synchronised, "the next snapshot is the whole of it"

    staged(play, faults=("cut@+20s", "refuse@+20s+20s"))

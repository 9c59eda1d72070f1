import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tapeline.errors import Unsynchronised

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

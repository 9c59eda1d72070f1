"""Lantern keeps the contract, reads its own messages, and lives through a bad day."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from lantern import LANTERN

from tapeline.errors import BadData
from tapeline.model.event import Event, Gap, Trade
from tapeline.testing import Scene, check_venue

FRAME = b'{"what":"trade","pair":"BTC-USDT","id":4711,"side":"sell","price":"100.5","size":"0.25","ms":1723161255342}'


def test_it_keeps_the_contract() -> None:
    check_venue(LANTERN)


def test_a_trade() -> None:
    decode = LANTERN.decoder("lantern", {})
    (trade,) = decode(FRAME, 7)
    assert trade == Trade(
        "lantern:BTC-USDT", "trades", 1_723_161_255_342_000_000, 7, "ws", "4711", 4711, "sell", Decimal("100.5"),
        Decimal("0.25"), 4711, 4711,
    )  # fmt: skip
    with pytest.raises(BadData):
        decode(FRAME[:-9], 7)


def test_a_cut_leaves_one_gap_that_says_what_is_missing(simulated_venue: Callable[..., None]) -> None:
    async def story(scene: Scene) -> None:
        heard: list[Event] = []
        scene.instance.on(heard.append, of="trades")
        (answer,) = await scene.instance.subscribe("lantern:BTC/USDT", ["trades"])
        assert answer.state == "live"
        await asyncio.sleep(60)
        (gap,) = [event for event in heard if isinstance(event, Gap)]
        ids = [int(event.id) for event in heard if isinstance(event, Trade)]
        assert gap.after_seq in ids
        assert gap.before_seq in ids
        assert set(range(ids[0], ids[-1] + 1)) - set(ids) == set(range(gap.after_seq + 1, gap.before_seq))
        assert scene.venue.dialled == 2

    simulated_venue(story, LANTERN, faults=["cut@+20s+5s"])


def test_a_bad_day(world: Callable[..., Any]) -> None:
    assert world(LANTERN, 5, duration_s=3600.0, fault_count=4).violations == ()

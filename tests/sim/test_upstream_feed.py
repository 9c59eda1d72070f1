"""Matching on the real market: orders meet its book while that is known to be right, and nothing while it is not."""

import asyncio
import json

import pytest
from upstream_fixtures import KEY, Relayed, frames, relayed

from tapeline.errors import OrderRefused
from tapeline.model.topic import Topic

BOOK = b'{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}'


@pytest.mark.parametrize("name", ["binance", "binance-usdm", "okx"])
def test_an_order_is_filled_at_the_price_upstream(name: str) -> None:
    async def client(made: Relayed) -> None:
        await asyncio.sleep(0.05)
        await made.told(made.order("a1"))
        prices = made.asks(1, 2, 3)
        fills = await made.fills()
        assert [side for side, _ in fills] == ["buy"] * len(fills)
        assert fills[0][1] in prices
        before = made.venue.clients.wants()
        assert before[Topic("trades", made.instrument.native)] == 1
        await asyncio.sleep(30)
        await made.told(made.order("a2"))
        assert (await made.fills())[-1][1] in made.asks(1, 2, 3)
        assert made.venue.clients.wants() == before

    relayed(name, client)


def test_orders_over_a_websocket_wait_for_the_market_too() -> None:
    async def client(made: Relayed) -> None:
        orders = made.value.orders
        assert orders is not None
        assert orders.entry is not None
        async with made.sim.dial("ws://y/ws-api/v3") as ours:
            await ours.send(b'{"id":"1","method":"order.place","params":{"apiKey":"nobody","signature":"x"}}')
            assert json.loads((await frames(ours, 1))[0])["status"] >= 400
            assert made.venue.clients.wants() == {}
            order, now_ns = made.order("a1"), made.source.start_ns
            await ours.send(orders.entry.frame(order, "2", KEY.credentials(), now_ns))
            assert json.loads((await frames(ours, 1))[0])["result"]["status"] == "FILLED"
            assert (await made.fills())[0][1] in made.asks(1, 2, 3)

    relayed("binance", client)


def test_while_upstream_is_away_nothing_is_filled() -> None:
    async def client(made: Relayed) -> None:
        await made.told(made.order("a1"))
        count = len(await made.fills())
        await asyncio.sleep(22)  # cut at 20 s, for 20 s
        with pytest.raises(OrderRefused, match="liquidity") as refused:
            await made.told(made.order("a2"))
        assert refused.value.reason == "not_fillable"
        await made.told(made.order("crosses", "75000"))  # it rests: nothing is offered
        assert len(await made.fills()) == count
        await asyncio.sleep(60)
        assert len(await made.fills()) > count  # the book is back, and has come to its price
        await made.told(made.order("a3"))
        assert (await made.fills())[-1][1] in made.asks(1, 2, 3)
        assert made.said.count("nothing is filled while the book is not known") == 1

    relayed("binance", client, ["cut@+20s+20s/all"])


def test_a_book_that_is_kept_for_matching_starts_its_first_subscriber() -> None:
    async def client(made: Relayed) -> None:
        await made.told(made.order("a1"))
        async with made.sim.dial("ws://y/ws/v5/public") as ours:
            await ours.send(BOOK)
            found = [json.loads(one) for one in await frames(ours, 4)]
            assert [one.get("action") for one in found] == [None, "snapshot", "update", "update"]
            assert found[2]["data"][0]["prevSeqId"] == found[1]["data"][0]["seqId"]

    relayed("okx", client)

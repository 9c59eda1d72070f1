"""The real market passed on: streams, what is wanted and given back, faults, in virtual time over memory pipes."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from upstream_fixtures import START_NS, Relayed, frames, relayed

from tapeline.errors import ConnectionLost
from tapeline.model.event import BookDelta, BookSnapshot
from tapeline.model.topic import Topic
from tapeline.sim.upstream import source as upstream
from tapeline.venues.spec import Ask

TRADES = b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}'
BOOK = b'{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}'


def test_what_a_client_asks_for_is_asked_for_upstream_and_comes_as_it_is() -> None:
    async def client(made: Relayed) -> None:
        async with made.venue.dial("ws://x/stream") as direct, made.sim.dial("ws://y/stream") as ours:
            await ours.send(TRADES)
            assert await frames(ours, 1) == [b'{"result":null,"id":1}']
            await direct.send(TRADES)
            await frames(direct, 1)
            await asyncio.sleep(1.0)
            assert made.venue.clients.wants() == {Topic("trades", "BTCUSDT"): 2}
            there, here = await frames(direct, 60), await frames(ours, 60)
            assert set(there[5:55]) <= set(here)
            assert [json.loads(one)["data"]["t"] for one in here] == sorted(
                json.loads(one)["data"]["t"] for one in here
            )

    relayed("binance", client, paper=False)


def test_what_nobody_listens_to_any_more_is_given_back_after_a_while() -> None:
    async def client(made: Relayed) -> None:
        async with made.sim.dial("ws://y/stream") as ours:
            await ours.send(TRADES)
            await frames(ours, 3)
        await asyncio.sleep(5)
        async with made.sim.dial("ws://y/stream") as again:
            await again.send(TRADES)
            await asyncio.sleep(60)
            assert made.venue.clients.wants() == {Topic("trades", "BTCUSDT"): 1}
        await asyncio.sleep(60)
        assert made.venue.clients.wants() == {}
        async with made.sim.dial("ws://y/stream") as later:
            await later.send(TRADES)
            assert len(await frames(later, 3)) == 3

    relayed("binance", client, paper=False)


def test_what_there_is() -> None:
    async def client(made: Relayed) -> None:
        source = made.source
        assert (source.knows(""), source.knows("BTCUSDT"), source.knows("NOPE")) == (True, True, False)
        assert source.served_as(Topic("book@1000ms", "BTCUSDT")) == Topic("book@1000ms", "BTCUSDT")
        assert source.served_as(Topic("trades", "NOPE")) is None
        assert source.served_as(Topic("mark", "BTCUSDT")) is None
        assert source.book(Topic("book", "BTCUSDT")) is None
        assert source.rows(Ask("depth", "BTCUSDT"), 1) is None
        assert source.at_ns == source.start_ns
        assert source.next_ns() > source.at_ns
        source.number_anew(1, 1)

    relayed("binance", client, paper=False)


def test_a_second_subscriber_of_a_book_gets_its_state_and_what_follows_it() -> None:
    async def client(made: Relayed) -> None:
        async with made.sim.dial("ws://y/ws/v5/public") as first, made.sim.dial("ws://y/ws/v5/public") as second:
            await first.send(BOOK)
            await frames(first, 10)
            await second.send(BOOK)
            check(await frames(second, 20))

    def check(raw: Sequence[bytes]) -> None:
        decode = made_decoder()
        events: list[Any] = [event for frame in raw for event in decode(frame, 1) if hasattr(event, "bids")]
        assert isinstance(events[0], BookSnapshot)
        assert all(isinstance(event, BookDelta) for event in events[1:])
        assert [event.prev_seq for event in events[1:]] == [event.last_seq for event in events[:-1]]

    def made_decoder() -> Any:
        return Relayed("okx").value.decoder("okx", {})

    relayed("okx", client, paper=False)


def test_clients_that_read_too_slowly_lose_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "MOST_WAITING", 3)

    async def client(made: Relayed) -> None:
        source, topic = made.source, Topic("trades", "BTCUSDT")
        traded = list(made.market.pits[0].between(START_NS, START_NS + 60 * 10**9))
        source.want([topic])
        for number in range(5):
            source._hear(traded[number])  # as the bus does
        assert source.left_out == 2
        assert made.said == ["clients read too slowly: events are left out"]
        source.skip_to(source.start_ns + 1)
        assert source.take(None, 9, {topic}) == []

    relayed("binance", client, paper=False)


def test_faults_of_our_own_end_connections_and_time_goes_on() -> None:
    async def client(made: Relayed) -> None:
        async with made.sim.dial("ws://y/stream") as ours:
            await ours.send(TRADES)
            with pytest.raises(ConnectionLost):
                await frames(ours, 10_000)
        assert made.sim.player.now_ns() == pytest.approx(START_NS + 5 * 10**9, abs=10**8)
        with pytest.raises(ConnectionLost, match="503"):
            async with made.sim.dial("ws://y/stream"):
                pass
        await asyncio.sleep(4)
        async with made.sim.dial("ws://y/stream") as again:
            await again.send(TRADES)
            assert len(await frames(again, 3)) == 3
        assert abs(made.sim.player.now_ns() - made.venue.player.now_ns()) < 10**8

    relayed("binance", client, own=["cut@+5s+3s"], paper=False)

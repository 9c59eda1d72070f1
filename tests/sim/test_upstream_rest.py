"""Questions of clients, passed on upstream: once for all who ask at a time, and with the failure where it fails."""

import asyncio
import json
from decimal import Decimal

import pytest
from upstream_fixtures import START_NS, Relayed, relayed

from tapeline.sim.upstream import rest as upstream_rest
from tapeline.venues.spec import Ask

DEPTH = ("/api/v3/depth", "symbol=BTCUSDT&limit=5")


def test_questions_are_asked_upstream_once_and_its_clock_is_ours() -> None:
    async def client(made: Relayed) -> None:
        first = await made.get(*DEPTH)
        assert first == await made.get(*DEPTH)
        assert made.venue.rest.requests["depth"] == 1
        assert first == await made.get(*DEPTH, at=made.venue)
        await asyncio.sleep(1)
        both = await asyncio.gather(made.get(*DEPTH), made.get(*DEPTH))
        assert both[0] == both[1] != first
        assert made.venue.rest.requests["depth"] == 3
        bars = "/api/v3/klines", "symbol=BTCUSDT&interval=1h&limit=2"
        assert await made.get(*bars) == await made.get(*bars, at=made.venue)
        _, body = await made.get("/api/v3/time")
        assert json.loads(body)["serverTime"] == (START_NS + 10**9) // 10**6
        _, body = await made.get("/api/v3/exchangeInfo")
        assert "BTCUSDT" in {row["symbol"] for row in json.loads(body)["symbols"]}
        assert (await made.get("/api/v3/depth", "symbol=NOPE"))[0] == 400
        assert (await made.get("/api/v3/nothing"))[0] == 404

    relayed("binance", client, paper=False)


def test_where_upstream_does_not_answer_a_question_is_answered_so() -> None:
    async def client(made: Relayed) -> None:
        status, body = await made.get(*DEPTH)
        assert status == 503
        assert "Internal error" in json.loads(body)["msg"]
        await asyncio.sleep(300)
        assert (await made.get(*DEPTH))[0] == 200

    relayed("binance", client, ["500@+0s+200s:depth"], paper=False)


def test_a_ticker_call_knows_the_market_it_names() -> None:
    async def client(made: Relayed) -> None:
        _, body = await made.get("/api/v3/ticker/bookTicker", "symbol=BTCUSDT")
        assert Decimal(json.loads(body)["askPrice"]) in made.asks(1, 2, 3)
        _, body = await made.get("/api/v3/ticker/24hr", "symbol=BTCUSDT")
        assert Decimal(json.loads(body)["volume"]) > 0

    relayed("binance", client)


def test_what_takes_too_long_is_not_waited_for() -> None:
    async def client(made: Relayed) -> None:
        await asyncio.sleep(2)
        status, body = await made.get(*DEPTH)
        assert status == 503
        assert "upstream has not answered within 10 s" in json.loads(body)["msg"]

    relayed("binance", client, ["slow@+1s+100s:50"], paper=False)


def test_few_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_rest, "MOST_KEPT", 2)

    async def client(made: Relayed) -> None:
        asks = [Ask("bars", "BTCUSDT", interval="1h", limit=limit) for limit in (1, 2, 3)]
        for ask in asks:
            await made.source.prepare(ask)
        await made.source.prepare(Ask("funding", "BTCUSDT"))
        assert [made.source.rows(ask, 1) is None for ask in asks] == [True, False, False]

    relayed("binance", client, paper=False)

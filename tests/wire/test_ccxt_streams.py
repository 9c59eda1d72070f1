"""Connections to an exchange behind ccxt: topics, an account, and what ends them."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from ccxt_stage import Connection, connected

from ccxt_fakes import (
    KEY,
    LONG,
    SECRET,
    START_MS,
    FakeExchange,
    NetworkError,
    NotSupported,
    Silent,
)
from tapeline.errors import ConnectionLost
from tapeline.wire.ccxt import pipe as pipes

KEYS = {"key": KEY, "secret": SECRET}
MINUTE_MS = 60_000


def subscribed(
    exchange: FakeExchange, of: str, act: Callable[[Connection], Awaitable[None]], symbol: str = "BTC/USD"
) -> None:
    async def main(connection: Connection) -> None:
        await connection.ask(op="subscribe", id=1, topics=[[of, symbol]])
        await act(connection)

    connected(exchange, main)


# ---- the market ------------------------------------------------------------------------------------------------------


def trade(number: int, price: Any = LONG) -> dict[str, Any]:
    return {"id": str(number), "timestamp": START_MS + number, "side": "buy", "price": price, "amount": "1"}


def test_trades_by_stream() -> None:
    exchange = FakeExchange()

    async def act(it: Connection) -> None:
        exchange.told["trades BTC/USD"].put_nowait([trade(1), trade(2)])
        exchange.told["trades BTC/USD"].put_nowait([])
        (frame,) = await it.hear()
        assert (frame["ch"], frame["s"], frame["live"]) == ("trades", "BTC/USD", True)
        assert [(row["id"], row["price"]) for row in frame["rows"]] == [("1", LONG), ("2", LONG)]
        assert await it.hear(5) == [], "rows were confirmation enough"
        assert exchange.number(0.5) == Decimal("0.5")

    subscribed(exchange, "trades", act)


def test_a_quiet_topic_is_confirmed_when_nothing_is_said_against_it() -> None:
    async def act(it: Connection) -> None:
        assert await it.hear(2.9) == []
        assert await it.hear(0.2) == [{"ack": 1, "ch": "trades", "s": "BTC/USD"}]

    subscribed(FakeExchange(), "trades", act)


def test_trades_by_polling_begin_with_what_is_new() -> None:
    exchange = Silent()
    exchange.tape = [trade(1)]

    async def act(it: Connection) -> None:
        assert await it.hear(1) == []
        exchange.tape += [trade(2), {"id": None, "timestamp": 5, "side": "sell", "price": "1", "amount": "2"}]
        (frame,) = await it.hear(2)
        assert (frame["live"], [row["id"] for row in frame["rows"]]) == (False, ["2", None])
        assert await it.hear(10) == []
        assert len(exchange.calls("fetch_trades")) == 7, "every two seconds"

    subscribed(exchange, "trades", act)


@pytest.mark.parametrize(
    ("of", "lacks", "row"),
    [
        ("quotes", (), {"bid": "1", "bid_size": LONG, "ask": "2", "ask_size": None, "timestamp": None}),
        ("quotes", ("watchBidsAsks",), {"bid": "3", "bid_size": LONG, "ask": "4", "ask_size": "5", "timestamp": None}),
        ("book:20", (), {"bids": [["3", LONG]], "asks": [["4", "5"]], "timestamp": None}),
    ],
)
def test_quotes_and_books_by_stream(of: str, lacks: tuple[str, ...], row: Any) -> None:
    exchange = FakeExchange()
    exchange.has |= dict.fromkeys(lacks, False)
    ticker = {"symbol": "BTC/USD", "bid": 1, "bidVolume": LONG, "ask": "2"}
    exchange.told["quotes BTC/USD"].put_nowait({"ETH/USD": {}})
    exchange.told["quotes BTC/USD"].put_nowait(ticker if lacks else {"BTC/USD": ticker})
    exchange.told["book BTC/USD"].put_nowait({"bids": [["3", LONG, 1]], "asks": [["4", "5"]]})

    async def act(it: Connection) -> None:
        (frame,) = await it.hear()
        assert frame["rows"] == [row]

    subscribed(exchange, of, act)


def test_a_ticker_by_stream() -> None:
    exchange = FakeExchange()
    exchange.told["ticker BTC/USD"].put_nowait({"last": LONG, "baseVolume": "7", "timestamp": START_MS})

    async def act(it: Connection) -> None:
        (frame,) = await it.hear()
        assert (frame["rows"][0]["last"], frame["rows"][0]["volume"]) == (LONG, "7")

    subscribed(exchange, "ticker", act)


@pytest.mark.parametrize(("of", "method"), [("quotes", "fetch_order_book"), ("book", "fetch_order_book"),
                                            ("ticker", "fetch_ticker")])  # fmt: skip
def test_what_has_no_stream_is_polled_and_told_when_it_changes(of: str, method: str) -> None:
    exchange = Silent()

    async def act(it: Connection) -> None:
        (first,) = await it.hear(2.5)
        assert first["live"] is False
        exchange.last += 1
        (second,) = await it.hear(2.5)
        assert second["rows"] != first["rows"]
        assert len(exchange.calls(method)) == 3

    subscribed(exchange, of, act)


def test_bars_are_asked_for_when_they_are_over() -> None:
    exchange = FakeExchange()
    bars = [[START_MS + at * MINUTE_MS, "1", "4", "0.5", "2", LONG] for at in range(-3, 9)]
    del bars[5]  # nothing was traded in the third minute from now
    exchange.bars = bars

    async def act(it: Connection) -> None:
        await it.hear(62)  # the bar under way is not whole for us before its end
        frames = await it.hear(4 * 60)
        opened = [row[0] for frame in frames if "rows" in frame for row in frame["rows"]]
        assert opened == [START_MS + at * MINUTE_MS for at in (0, 1, 3)]
        assert frames[0]["live"] is False
        assert frames[0]["rows"][0] == bars[3]

    subscribed(exchange, "bars:1m", act)


@pytest.mark.parametrize(
    ("of", "symbol", "code", "text"),
    [
        ("bars:5m", "BTC/USD", "NotSupported", "bars:5m@trades are built of trades"),
        ("trades", "XXX/USD", "BadSymbol", "fakex lists no XXX/USD"),
        ("funding", "BTC/USD", "NotSupported", "ccxt has no funding of fakex"),
    ],
)
def test_what_an_exchange_lacks_is_refused(of: str, symbol: str, code: str, text: str) -> None:
    async def act(it: Connection) -> None:
        (refused,) = await it.hear()
        assert (refused["refuse"], refused["ch"], refused["s"], refused["code"]) == (1, of, symbol, code)
        assert text in refused["text"]

    subscribed(FakeExchange(), of, act, symbol)


def test_what_the_exchange_itself_refuses_at_once_is_refused() -> None:
    exchange = FakeExchange()
    exchange.fail["watch_trades"] = [NotSupported("fakex watchTrades() not for this market")]

    async def act(it: Connection) -> None:
        (refused,) = await it.hear()
        assert (refused["refuse"], refused["code"]) == (1, "NotSupported")

    subscribed(exchange, "trades", act)


def test_what_fails_later_ends_the_connection() -> None:
    exchange = FakeExchange()

    async def act(it: Connection) -> None:
        await it.hear(4)
        exchange.told["trades BTC/USD"].put_nowait([trade(1)])
        exchange.told["trades BTC/USD"].put_nowait(NetworkError("fakex Connection closed by remote server"))
        with pytest.raises(ConnectionLost, match="trades BTC/USD: NetworkError: fakex Connection closed"):
            await it.hear()
        assert [row["id"] for row in it.heard[0]["rows"]] == ["1"], "what came before is not lost"
        with pytest.raises(ConnectionLost):
            await it.ask(op="subscribe", id=2, topics=[])

    subscribed(exchange, "trades", act)


def test_topics_are_given_back() -> None:
    exchange = FakeExchange()

    async def act(it: Connection) -> None:
        await it.ask(op="unsubscribe", id=2, topics=[["trades", "BTC/USD"], ["quotes", "BTC/USD"]])
        assert await it.hear(4) == [{"ack": 2}]
        exchange.told["trades BTC/USD"].put_nowait([trade(1)])
        assert await it.hear() == []

    subscribed(exchange, "trades", act)


def test_life_and_timers_wake_a_reader_and_one_that_is_too_slow_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "MOST_WAITING", 3)
    exchange = FakeExchange()

    async def act(it: Connection) -> None:
        await it.pipe.ping()
        assert await it.pipe.receive() == []
        it.pipe.wake()
        assert await it.pipe.receive() == []
        for number in range(5):
            exchange.told["trades BTC/USD"].put_nowait([trade(number)])
            await asyncio.sleep(0.01)
        assert len(await it.pipe.receive()) == 3
        with pytest.raises(ConnectionLost, match="3 frames wait to be read"):
            await it.pipe.receive()

    subscribed(exchange, "trades", act)

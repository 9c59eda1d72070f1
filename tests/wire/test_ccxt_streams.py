"""Connections to an exchange behind ccxt: topics, an account, and what ends them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from ccxt_fakes import (
    KEY,
    LONG,
    SECRET,
    START_MS,
    ArgumentsRequired,
    AuthenticationError,
    FakeExchange,
    NetworkError,
    NotSupported,
    Silent,
    bridged,
)
from tapeline.errors import ConfigError, ConnectionLost
from tapeline.sim.loop import run
from tapeline.wire.ccxt import pipe as pipes
from tapeline.wire.pipe import Pipe

SPOT, SWAP = "ccxt://fakex/spot", "ccxt://fakex/swap"
KEYS = {"key": KEY, "secret": SECRET}
MINUTE_MS = 60_000


class Connection:
    """A pipe, and all that has come by it."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.heard: list[dict[str, Any]] = []

    async def ask(self, **said: Any) -> None:
        await self.pipe.send(json.dumps(said).encode())

    async def hear(self, for_s: float = 0.1) -> list[dict[str, Any]]:
        """What comes within so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                while True:
                    self.heard += [json.loads(frame) for frame in await self.pipe.receive()]
        found, self.heard = self.heard, []
        return [each for each in found if each.get("of") != "beat"]


def connected(exchange: FakeExchange, act: Callable[[Connection], Awaitable[None]], url: str = SPOT) -> None:
    async def main() -> None:
        async with bridged(exchange) as bridge, bridge.dial(url) as pipe:
            await act(Connection(pipe))
        assert exchange.closed

    run(main())


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


# ---- an account ------------------------------------------------------------------------------------------------------


def watching(exchange: FakeExchange, act: Callable[[Connection], Awaitable[None]], url: str = SPOT) -> None:
    symbols = ["BTC/USD"] if url == SPOT else ["BTC/USDT:USDT"]

    async def main(it: Connection) -> None:
        await it.ask(op="login", id="open1", keys=KEYS)
        assert {"id": "open1", "status": 200, "body": {}} in await it.hear()
        await it.ask(op="watch", id="open2", symbols=symbols)
        it.heard = await it.hear(2.1)
        assert {"id": "open2", "status": 200, "body": {}} in it.heard
        it.heard.remove({"id": "open2", "status": 200, "body": {}})
        await act(it)

    connected(exchange, main, url)


async def bought(exchange: FakeExchange) -> None:
    await exchange.create_order("BTC/USD", "market", "buy", Decimal("0.5"), None, {"clientOrderId": "t1"})


def of(frames: list[dict[str, Any]], kind: str) -> list[Any]:
    return [row for frame in frames if frame.get("of") == kind for row in frame["rows"]]


def test_an_account_by_streams() -> None:
    exchange = FakeExchange()

    async def act(it: Connection) -> None:
        await bought(exchange)
        exchange.told["balances"].put_nowait(await exchange.fetch_balance())
        frames = await it.hear(0.5)
        assert all(frame["live"] for frame in frames if frame["of"] != "fills")
        assert exchange.calls("fetch_order") == [], "its order's own stream names it"
        assert [(row["client_id"], row["status"]) for row in of(frames, "orders")] == [("t1", "closed")]
        assert [(row["id"], row["client_id"], row["fee"]) for row in of(frames, "fills")] == [("1", "t1", LONG)]
        assert {row["currency"]: row["total"] for row in of(frames, "balances")} == {"USD": "70000.0", "BTC": "0.5"}
        exchange.told["fills"].put_nowait(exchange.trades)
        exchange.told["balances"].put_nowait(await exchange.fetch_balance())
        assert await it.hear() == [], "a fill comes once, and a balance that has not changed does not"

    watching(exchange, act)


def test_a_streamed_fill_is_told_as_the_list_has_it() -> None:
    """As ccxt's stream of one exchange has it, what was paid is negative; its list is right."""
    exchange = FakeExchange()

    async def act(it: Connection) -> None:
        await bought(exchange)
        exchange.told["fills"].get_nowait()
        wrong = exchange.trades[0] | {"fee": {"cost": "-" + LONG, "currency": "USD"}}
        exchange.told["fills"].put_nowait([wrong])
        assert [row["fee"] for row in of(await it.hear(0.5), "fills")] == [LONG]

    watching(exchange, act)


def test_a_streamed_fill_that_is_on_no_list_is_told_as_it_is() -> None:
    exchange = FakeExchange()

    async def act(it: Connection) -> None:
        await bought(exchange)
        exchange.trades.clear()
        assert of(await it.hear(2.4), "fills") == []
        assert [(row["id"], row["client_id"]) for row in of(await it.hear(1), "fills")] == [("1", "t1")]
        assert len(exchange.calls("fetch_my_trades")) == 3

    watching(exchange, act)


def test_a_fill_before_its_order_is_named_by_looking_it_up() -> None:
    exchange = FakeExchange()
    exchange.has["watchOrders"] = False

    async def act(it: Connection) -> None:
        await bought(exchange)
        frames = await it.hear(0.05)
        assert [row["client_id"] for row in of(frames, "orders")] == ["t1"]
        assert [row["client_id"] for row in of(frames, "fills")] == ["t1"]
        assert frames[0]["of"] == "orders"

    watching(exchange, act)


def test_an_account_without_streams_is_polled() -> None:
    exchange = Silent()

    async def act(it: Connection) -> None:
        assert {row["currency"] for row in of(await it.hear(), "balances")} == {"USD", "BTC"}
        await exchange.create_order("BTC/USD", "limit", "buy", "1", "50000", {"clientOrderId": "t1"})
        (order,) = of(await it.hear(2.1), "orders")
        assert (order["client_id"], order["status"]) == ("t1", "open")
        exchange.fill("1", Decimal("0.25"), Decimal(50_000))
        frames = await it.hear(2.1)
        assert [(row["filled"], row["status"]) for row in of(frames, "orders")] == [("0.25", "open")]
        assert [(row["amount"], row["client_id"]) for row in of(frames, "fills")] == [("0.25", "t1")]
        assert not any(frame["live"] for frame in frames)
        await exchange.cancel_order("1", "BTC/USD")
        frames = await it.hear(10)
        assert [row["status"] for row in of(frames, "orders")] == ["canceled"], "what is gone is asked for by itself"
        assert {row["currency"]: row["total"] for row in of(frames, "balances")}["BTC"] == "0.25"

    watching(exchange, act)


def test_an_order_that_nobody_lists_any_more_is_left_to_reconciliation() -> None:
    exchange = Silent()

    async def act(it: Connection) -> None:
        await exchange.create_order("BTC/USD", "limit", "buy", "1", "50000", {"clientOrderId": "t1"})
        await it.hear(2.1)
        exchange.has |= dict.fromkeys(("fetchOrder", "fetchClosedOrders"), False)
        exchange.orders["1"]["status"] = "canceled"
        assert of(await it.hear(4), "orders") == []

    watching(exchange, act)


def test_positions_by_stream_or_polled() -> None:
    streamed = FakeExchange()

    async def by_stream(it: Connection) -> None:
        streamed.told["positions"].put_nowait(await streamed.fetch_positions())
        streamed.told["positions"].put_nowait([{"symbol": "ETH/USDT:USDT"}, *await streamed.fetch_positions()])
        frames = await it.hear()
        assert [(row["side"], row["contracts"]) for row in of(frames, "positions")] == [("short", "3")]

    watching(streamed, by_stream, SWAP)

    async def polled(it: Connection) -> None:
        assert [row["contracts"] for row in of(await it.hear(), "positions")] == ["3"]

    watching(Silent(), polled, SWAP)


def test_an_exchange_that_wants_each_symbol_named() -> None:
    class Named(FakeExchange):
        async def watch_orders(self, symbol: str | None = None) -> Any:
            if symbol is None:
                raise ArgumentsRequired("fakex watchOrders() requires a symbol argument")
            return await super().watch_orders(symbol)

    exchange = Named()

    async def act(it: Connection) -> None:
        await bought(exchange)
        assert [row["client_id"] for row in of(await it.hear(0.5), "orders")] == ["t1"]
        assert ("BTC/USD",) in exchange.calls("watch_orders")
        exchange.told["orders"].put_nowait(NetworkError("fakex gone"))
        with pytest.raises(ConnectionLost, match="orders: NetworkError: fakex gone"):
            await it.hear()

    watching(exchange, act)


def test_a_stream_that_fails_ends_the_connection_without_its_keys() -> None:
    exchange = FakeExchange()

    async def act(it: Connection) -> None:
        exchange.told["orders"].put_nowait(NetworkError(f"wss://ws.fakex.com/v2?token={SECRET} closed for {KEY}"))
        with pytest.raises(ConnectionLost) as lost:
            await it.hear()
        assert str(lost.value) == "orders: NetworkError: wss://ws.fakex.com/v2?*** closed for ***"

    watching(exchange, act)


def test_a_key_that_is_not_taken_is_an_answer() -> None:
    exchange = FakeExchange()
    exchange.fail["fetch_balance"] = [AuthenticationError(f"fakex bad key {KEY}")]

    async def act(it: Connection) -> None:
        await it.ask(op="login", id="open1", keys=KEYS)
        (answer,) = await it.hear()
        assert (answer["id"], answer["status"], answer["body"]["error"][0]) == ("open1", 401, "AuthenticationError")
        assert answer["body"]["text"] == "fakex bad key ***"

    connected(exchange, act)


def test_a_login_that_nobody_answers_ends_the_connection() -> None:
    exchange = FakeExchange()
    exchange.fail["fetch_balance"] = [NetworkError("fakex reset")]

    async def act(it: Connection) -> None:
        await it.ask(op="login", id="open1", keys=KEYS)
        with pytest.raises(ConnectionLost, match="login: NetworkError: fakex reset"):
            await it.hear()

    connected(exchange, act)


def test_an_account_that_cannot_be_kept_ends_the_run() -> None:
    exchange = FakeExchange()
    exchange.has["fetchMyTrades"] = False

    async def act(it: Connection) -> None:
        await it.ask(op="login", id="open1", keys=KEYS)
        with pytest.raises(ConfigError, match="ccxt has no fetchMyTrades"):
            await it.hear()

    connected(exchange, act)

"""An account's connection to an exchange behind ccxt: by streams, polled, and what ends it."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from ccxt_stage import SPOT, SWAP, Connection, connected

from ccxt_fakes import (
    KEY,
    LONG,
    SECRET,
    ArgumentsRequired,
    AuthenticationError,
    FakeExchange,
    NetworkError,
    Silent,
)
from tapeline.errors import ConfigError, ConnectionLost

KEYS = {"key": KEY, "secret": SECRET}
MINUTE_MS = 60_000


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

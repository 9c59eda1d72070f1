"""An exchange object of ccxt's shape, with values as ccxt's unified structures have them, and a bridge to it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from tapeline.venues.ccxt import Place
from tapeline.wire.ccxt.bridge import Bridge
from tapeline.wire.ccxt.exact import with_exact_numbers
from tapeline.wire.ccxt.exchange import Reach

START_MS = 1_723_075_200_000  # 2024-08-08
KEY, SECRET = "the-key-of-a-fake-account", "the-secret-of-a-fake-account"
LONG = "0.12345678901234567890123456789"  # more digits than any float has


class BaseError(Exception): ...


class ExchangeError(BaseError): ...


class AuthenticationError(ExchangeError): ...


class ArgumentsRequired(ExchangeError): ...


class NotSupported(ExchangeError): ...


class InsufficientFunds(ExchangeError): ...


class InvalidOrder(ExchangeError): ...


class OrderNotFound(InvalidOrder): ...


class OperationFailed(BaseError): ...


class NetworkError(OperationFailed): ...


class ExchangeNotAvailable(NetworkError): ...


class RequestTimeout(NetworkError): ...


class InvalidNonce(NetworkError): ...


class ClientConnectorError(OSError): ...  # aiohttp's


MARKETS: dict[str, Any] = {
    "BTC/USD": {
        "id": "btcusd", "symbol": "BTC/USD", "base": "BTC", "quote": "USD", "settle": None, "type": "spot",
        "spot": True, "swap": False, "linear": None, "active": True, "contractSize": None,
        "precision": {"amount": "0.00000001", "price": "0.01"},
        "limits": {"amount": {"min": "0.0001", "max": None}, "cost": {"min": "10.0", "max": None}},
    },
    "ETH/USD": {
        "id": "ethusd", "symbol": "ETH/USD", "base": "ETH", "quote": "USD", "settle": None, "type": "spot",
        "spot": True, "swap": False, "linear": None, "active": False, "contractSize": None,
        "precision": {"amount": "0.0001", "price": "0.1"}, "limits": {},
    },
    "BTC/USDT:USDT": {
        "id": "BTC-PERP", "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT", "settle": "USDT", "type": "swap",
        "spot": False, "swap": True, "linear": True, "active": True, "contractSize": "0.001",
        "precision": {"amount": "1", "price": "0.5"}, "limits": {"amount": {"min": "1"}, "cost": {}},
    },
}  # fmt: skip
HAS = (
    "createOrder", "cancelOrder", "cancelAllOrders", "editOrder", "fetchOrder", "fetchOpenOrders", "fetchClosedOrders",
    "fetchBalance", "fetchMyTrades", "fetchTime", "fetchOrderBook", "fetchTrades", "fetchTicker", "fetchOHLCV",
    "fetchPositions", "fetchFundingHistory", "createMarketBuyOrderWithCost", "watchTrades", "watchOrderBook",
    "watchBidsAsks", "watchTicker", "watchOrders", "watchMyTrades", "watchBalance", "watchPositions",
)  # fmt: skip


class FakeExchange:
    """It fills market orders at once at `last`, and keeps limit orders. `fail`, `lose`: what goes wrong, by method."""

    id, precisionMode, timeframes = "fakex", 4, {"1m": "1"}

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        config = config or {}
        self.options: dict[str, Any] = config.get("options", {})
        self.config = config
        self.has: dict[str, Any] = dict.fromkeys(HAS, True)
        self.urls: dict[str, Any] = {"api": {"rest": "https://api.fakex.com/v2", "ws": "wss://ws.fakex.com/v2"}}
        self.requiredCredentials = {"apiKey": True, "secret": True, "uid": False}
        self.features: dict[str, Any] = {"spot": {"createOrder": {"timeInForce": {"IOC": True, "FOK": False}}}}
        self.apiKey = self.secret = ""
        self.password: str | None = None
        self.number: Any = float
        self.markets: dict[str, Any] = {}
        self.currencies: dict[str, Any] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.trades: list[dict[str, Any]] = []
        self.held = {"USD": Decimal(100_000), "BTC": Decimal(0)}
        self.last = Decimal(60_000)
        self.tape: list[dict[str, Any]] = []
        self.bars: list[list[Any]] = []
        self.fail: dict[str, list[Exception]] = {}
        self.lose: dict[str, Exception] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.told: dict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
        self.sandbox = self.closed = False
        self.loads = 0
        with_exact_numbers(self, str)

    # ---- what ccxt's own class has ---------------------------------------------------------------------------------

    def client(self, url: str) -> Any:
        return url

    def set_sandbox_mode(self, on: bool) -> None:
        if "test" not in self.urls:
            raise NotSupported("fakex does not have a sandbox URL")
        self.sandbox = on

    def check_required_credentials(self) -> None:
        for name, needed in self.requiredCredentials.items():
            if needed and not getattr(self, name, None):
                raise AuthenticationError(f'fakex requires "{name}" credential')

    async def load_markets(self) -> None:
        self._met("load_markets")
        self.loads += 1
        self.set_markets(list(MARKETS.values()), {})

    def set_markets(self, markets: list[Any], currencies: Any) -> None:
        self.markets, self.currencies = {each["symbol"]: each for each in markets}, currencies

    def market(self, symbol: str) -> Any:
        return self.markets[symbol]

    def amount_to_precision(self, symbol: str, amount: Any) -> str:
        step = Decimal(self.markets[symbol]["precision"]["amount"])
        return str(Decimal(str(amount)) // step * step)

    def price_to_precision(self, symbol: str, price: Any) -> str:
        return str(Decimal(str(price)).quantize(Decimal(self.markets[symbol]["precision"]["price"])))

    def milliseconds(self) -> int:
        return START_MS + round(asyncio.get_running_loop().time() * 1000)

    async def close(self) -> None:
        self.closed = True

    # ---- the exchange ------------------------------------------------------------------------------------------------

    async def fetch_time(self) -> int:
        self._met("fetch_time")
        return self.milliseconds() + 250

    async def fetch_order_book(self, symbol: str) -> Any:
        self._met("fetch_order_book", symbol)
        bids = [[self.last - 1, Decimal(LONG)], [self.last - 2, 3, 7]]
        return {"symbol": symbol, "timestamp": START_MS, "bids": bids, "asks": [[self.last + 1, 0.5]]}

    async def fetch_trades(self, symbol: str) -> Any:
        self._met("fetch_trades", symbol)
        return list(self.tape)

    async def fetch_ticker(self, symbol: str) -> Any:
        self._met("fetch_ticker", symbol)
        return {
            "symbol": symbol,
            "timestamp": START_MS,
            "last": self.last,
            "bid": None,
            "ask": "60001",
            "baseVolume": LONG,
        }

    async def fetch_ohlcv(self, symbol: str, interval: str, since: int, limit: int) -> Any:
        self._met("fetch_ohlcv", symbol, interval, since)
        return [each for each in self.bars if each[0] >= since][:limit]

    async def create_order(  # noqa: PLR0917  # ccxt's signature
        self, symbol: str, kind: str, side: str, amount: Any, price: Any = None, params: Any = None
    ) -> Any:  # fmt: skip
        self._met("create_order", symbol, kind, side, amount, price, params)
        client_id = (params or {}).get("clientOrderId")
        order: dict[str, Any] = {
            "id": str(len(self.orders) + 1), "clientOrderId": client_id, "symbol": symbol, "type": kind, "side": side,
            "amount": str(amount), "price": None if price is None else str(price), "filled": "0", "average": None,
            "status": "open", "timestamp": self.milliseconds(), "timeInForce": "GTC", "postOnly": False,
        }  # fmt: skip
        self.orders[order["id"]] = order
        if kind == "market":
            self.fill(order["id"], Decimal(str(amount)), self.last)
        self.told["orders"].put_nowait([dict(order)])
        self._lost("create_order")
        return {"id": order["id"], "clientOrderId": client_id, "symbol": symbol, "status": None}

    async def create_market_buy_order_with_cost(self, symbol: str, cost: Any, params: Any = None) -> Any:
        return await self.create_order(symbol, "market", "buy", cost / self.last, None, params)

    def fill(self, order_id: str, size: Decimal, price: Decimal) -> None:
        order = self.orders[order_id]
        filled = Decimal(order["filled"]) + size
        order |= {"filled": str(filled), "average": str(price)}
        if filled == Decimal(order["amount"]):
            order["status"] = "closed"
        trade = {
            "id": str(len(self.trades) + 1), "order": order_id, "symbol": order["symbol"], "side": order["side"],
            "price": str(price), "amount": str(size), "timestamp": self.milliseconds(), "takerOrMaker": "taker",
            "fee": {"cost": LONG, "currency": "USD"}, "fees": [],
        }  # fmt: skip
        self.trades.append(trade)
        sign = 1 if order["side"] == "buy" else -1
        self.held["BTC"] += sign * size
        self.held["USD"] -= sign * size * price
        self.told["fills"].put_nowait([trade])

    async def edit_order(  # noqa: PLR0917  # ccxt's signature
        self, order_id: str, symbol: str, kind: str, side: str, amount: Any, price: Any, params: Any
    ) -> Any:  # fmt: skip
        self._met("edit_order", order_id, symbol, kind, side, amount, price, params)
        self.orders[order_id] |= {"amount": str(amount), "price": str(price)}
        self._lost("edit_order")
        return dict(self.orders[order_id])

    async def cancel_order(self, order_id: str, symbol: str, params: Any = None) -> Any:
        self._met("cancel_order", order_id, symbol, params)
        ours = (params or {}).get("clientOrderId")
        wanted = order_id or next((key for key, each in self.orders.items() if each["clientOrderId"] == ours), "")
        order = self.orders.get(wanted)
        if order is None or order["status"] != "open":
            raise OrderNotFound("fakex order not found")
        order["status"] = "canceled"
        self.told["orders"].put_nowait([dict(order)])
        self._lost("cancel_order")
        return {"id": wanted, "status": None}

    async def cancel_all_orders(self, symbol: str) -> Any:
        self._met("cancel_all_orders", symbol)
        for order in self.orders.values():
            if order["status"] == "open":
                order["status"] = "canceled"
        return []

    async def fetch_order(self, order_id: str, symbol: str, params: Any = None) -> Any:
        self._met("fetch_order", order_id, symbol, params)
        client_id = (params or {}).get("clientOrderId")
        for order in self.orders.values():
            if order["id"] == order_id or (client_id and order["clientOrderId"] == client_id):
                return dict(order)
        raise OrderNotFound("fakex order not found")

    async def fetch_open_orders(self, symbol: str | None = None) -> Any:
        self._met("fetch_open_orders", symbol)
        return [
            dict(each) for each in self.orders.values() if each["status"] == "open" and symbol in {None, each["symbol"]}
        ]

    async def fetch_closed_orders(self, symbol: str | None = None) -> Any:
        self._met("fetch_closed_orders", symbol)
        return [dict(each) for each in self.orders.values() if each["status"] != "open"]

    async def fetch_my_trades(self, symbol: str, since: int | None = None, limit: int | None = None) -> Any:
        self._met("fetch_my_trades", symbol, since, limit)
        return [each for each in self.trades if each["symbol"] == symbol and each["timestamp"] >= (since or 0)][:limit]

    async def fetch_balance(self) -> Any:
        self._met("fetch_balance")
        total = {code: str(held) for code, held in self.held.items()}
        return {"info": {}, "total": total, "free": total, "used": dict.fromkeys(total, "0")}

    async def fetch_positions(self, symbols: Any = None) -> Any:
        self._met("fetch_positions", symbols)
        return [{"symbol": "BTC/USDT:USDT", "side": "short", "contracts": "3", "entryPrice": "60000", "hedged": False,
                 "markPrice": LONG, "unrealizedPnl": "-1.5", "leverage": "2", "marginMode": "cross",
                 "liquidationPrice": "0"}]  # fmt: skip

    async def fetch_funding_history(self, symbol: str, since: Any = None) -> Any:
        self._met("fetch_funding_history", symbol, since)
        return [{"id": "f1", "symbol": symbol, "code": "USDT", "amount": "-0.25", "timestamp": START_MS}]

    # ---- streams -----------------------------------------------------------------------------------------------------

    async def watch_trades(self, symbol: str) -> Any:
        return await self._watched("watch_trades", f"trades {symbol}")

    async def watch_bids_asks(self, symbols: list[str]) -> Any:
        return await self._watched("watch_bids_asks", f"quotes {symbols[0]}")

    async def watch_order_book(self, symbol: str) -> Any:
        return await self._watched("watch_order_book", f"book {symbol}")

    async def watch_ticker(self, symbol: str) -> Any:
        return await self._watched("watch_ticker", f"ticker {symbol}")

    async def watch_orders(self, symbol: str | None = None) -> Any:
        return await self._watched("watch_orders", "orders", symbol)

    async def watch_my_trades(self, symbol: str | None = None) -> Any:
        return await self._watched("watch_my_trades", "fills", symbol)

    async def watch_balance(self) -> Any:
        return await self._watched("watch_balance", "balances")

    async def watch_positions(self) -> Any:
        return await self._watched("watch_positions", "positions")

    # ---- within ------------------------------------------------------------------------------------------------------

    async def _watched(self, method: str, of: str, *more: Any) -> Any:
        self._met(method, *more)
        found = await self.told[of].get()
        if isinstance(found, Exception):
            raise found
        return found

    def _met(self, method: str, *arguments: Any) -> None:
        self.asked.append((method, *arguments))
        if self.fail.get(method):
            raise self.fail[method].pop(0)

    def _lost(self, method: str) -> None:
        """The exchange has acted, and the answer is lost."""
        if method in self.lose:
            raise self.lose.pop(method)

    def calls(self, method: str) -> list[tuple[Any, ...]]:
        return [each[1:] for each in self.asked if each[0] == method]


class Silent(FakeExchange):
    """One without any stream."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__(config)
        self.has |= {name: False for name in HAS if name.startswith("watch")}


def shared(exchange: FakeExchange) -> Callable[..., Any]:
    """What makes exchanges for a bridge: always this one, as if several objects spoke to one exchange."""

    async def make(_place: Place, _reach: Reach, *, within_s: float) -> Any:
        assert within_s > 0
        return exchange

    return make


@asynccontextmanager
async def bridged(exchange: FakeExchange, within_s: float = 10.0) -> AsyncIterator[Bridge]:
    bridge = Bridge({}, within_s=within_s, make=shared(exchange))
    try:
        yield bridge
    finally:
        await bridge.close()

"""What is said between a venue value and the bridge to ccxt: ccxt's unified structures, numbers as text. Pure.

https://docs.ccxt.com/#/?id=order-structure
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

MS_NS = 1_000_000
Text = str | None  # a number, as plain text
UNREADABLE = (msgspec.MsgspecError, ValueError, KeyError, IndexError)


class Body(Struct):
    """The answer to a call.

    {"ok":[...]}   {"error":["InsufficientFunds","ExchangeError","BaseError"],"text":"bitstamp You have only 0.1 BTC"}
    """

    ok: Raw = Raw()
    error: list[str] | None = None
    text: str = ""


class MarketRow(Struct):
    """One market. `tick` and `lot` are steps, None where the exchange has none."""

    symbol: str
    id: str
    kind: str  # spot | perpetual
    base: str
    quote: str
    settle: str = ""
    active: bool = True
    tick: Text = None
    lot: Text = None
    min_size: Text = None
    min_notional: Text = None
    contract_size: Text = None


class TradeRow(Struct):
    """One trade of the market."""

    price: Text
    amount: Text
    id: str | None = None
    timestamp: int | None = None
    side: str | None = None


class QuoteRow(Struct):
    """Top of the book."""

    bid: Text = None
    bid_size: Text = None
    ask: Text = None
    ask_size: Text = None
    timestamp: int | None = None


class TickerRow(Struct):
    """The rolling day."""

    last: Text = None
    open: Text = None
    high: Text = None
    low: Text = None
    volume: Text = None
    quote_volume: Text = None
    bid: Text = None
    ask: Text = None
    timestamp: int | None = None


class BookRow(Struct):
    """Levels of a book, best first, as (price, size)."""

    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    timestamp: int | None = None


class BarRow(Struct, array_like=True):
    """A closed bar: open time in milliseconds, open, high, low, close, volume."""

    open_ms: int
    open: Text
    high: Text
    low: Text
    close: Text
    volume: Text


class OrderRow(Struct):
    """An order as ccxt unifies it. `status`: open | closed | canceled | expired | rejected | canceling, or None."""

    id: str | None = None
    client_id: str | None = None
    symbol: str | None = None
    status: str | None = None
    type: str | None = None
    side: str | None = None
    price: Text = None
    stop_price: Text = None
    average: Text = None
    amount: Text = None
    filled: Text = None
    time_in_force: str | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    timestamp: int | None = None  # of its last change, else of its making


class FillRow(Struct):
    """A trade of the account's own."""

    id: str
    order: str | None
    symbol: str
    side: str
    price: Text
    amount: Text
    timestamp: int | None = None
    client_id: str | None = None
    liquidity: str | None = None
    fee: Text = None
    fee_currency: str | None = None


class BalanceRow(Struct):
    """What is held of a currency."""

    currency: str
    total: Text = None
    free: Text = None
    used: Text = None


class PositionRow(Struct):
    """A position; `contracts` is never negative, `side` is long | short."""

    symbol: str
    side: str | None = None
    contracts: Text = None
    hedged: bool | None = None
    entry_price: Text = None
    mark_price: Text = None
    unrealised: Text = None
    liquidation_price: Text = None
    leverage: Text = None
    margin_mode: str | None = None


class PaymentRow(Struct):
    """Funding that was paid or got."""

    id: str
    symbol: str | None
    currency: str
    amount: Text
    timestamp: int | None = None


class Push(Struct):
    """A frame of a market connection: rows of a topic, or the answer to a request.

    {"ch":"trades","s":"BTC/USD","live":true,"rows":[...]}   {"ack":3,"ch":"trades","s":"BTC/USD"}
    {"refuse":3,"ch":...,"s":...,"code":"","text":""}
    """

    ch: str = ""
    s: str = ""
    live: bool = True  # False: it was polled
    rows: Raw = Raw()
    ack: int | None = None
    refuse: int | None = None
    code: str = ""
    text: str = ""


class Told(Struct):
    """A frame of an account's connection: rows of a kind, or the answer to a step of the opening.

    {"of":"orders","live":true,"rows":[...]}   {"id":"open1","status":200,"body":{...}}
    """

    of: str = ""
    live: bool = True
    rows: Raw = Raw()
    id: str = ""
    status: int = 200
    body: Raw = Raw()


def at_ns(row: Any) -> int | None:
    """The exchange's stamp of a row, as ccxt has it, in nanoseconds."""
    return None if row.timestamp is None else row.timestamp * MS_NS

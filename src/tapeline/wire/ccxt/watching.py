"""Market data of one topic through ccxt: by its WebSocket where it has one, else polled. Endless batches of rows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from tapeline.model.channel import channel
from tapeline.model.interval import INTERVALS
from tapeline.venues.ccxt.market import MOST_LEVELS
from tapeline.wire.ccxt import rows
from tapeline.wire.ccxt.exchange import No

POLL_S = 2.0  # of what has no stream
BOOK_EVERY_S = 0.05  # a whole book is told no more often
SETTLED_MS = 3200  # an exchange's bar is final so long after its end
LATE_MS = (0, 2000, 5000)  # a bar that is due and has not come is asked for again
MS = 1000
MS_NS = 1_000_000
SEEN = 2000
Batch = tuple[bool, list[Any]]  # whether it was streamed, and the rows
Rows = AsyncIterator[Batch]


def rows_of(exchange: Any, of: str, symbol: str) -> Rows:
    """The rows of a topic, for ever. Raises No."""
    wanted = channel(of)
    if symbol not in exchange.markets:
        raise No("BadSymbol", f"{exchange.id} lists no {symbol}")
    if wanted.kind == "bars":
        if exchange.has.get("fetchOHLCV") is not True or wanted.interval not in (exchange.timeframes or {}):
            raise No("NotSupported", f"ccxt has no {of} of {exchange.id}: {of}@trades are built of trades")
        return _bars(exchange, symbol, wanted.interval)
    cut = _book(wanted.levels or MOST_LEVELS)
    ways: Mapping[str, tuple[tuple[str, Callable[[], Rows]], ...]] = {
        "trades": (
            ("watchTrades", lambda: _watched(lambda: exchange.watch_trades(symbol), _each(rows.trade))),
            ("fetchTrades", lambda: _polled_trades(exchange, symbol)),
        ),
        "quotes": (
            ("watchBidsAsks", lambda: _watched(lambda: exchange.watch_bids_asks([symbol]), _quotes(symbol))),
            ("watchOrderBook", lambda: _watched(lambda: exchange.watch_order_book(symbol), _one(rows.quote_of_book))),
            ("fetchOrderBook", lambda: _polled(lambda: exchange.fetch_order_book(symbol), _one(rows.quote_of_book))),
        ),
        "ticker": (
            ("watchTicker", lambda: _watched(lambda: exchange.watch_ticker(symbol), _one(rows.ticker))),
            ("fetchTicker", lambda: _polled(lambda: exchange.fetch_ticker(symbol), _one(rows.ticker))),
        ),
        "book": (
            ("watchOrderBook", lambda: _watched(lambda: exchange.watch_order_book(symbol), cut, BOOK_EVERY_S)),
            ("fetchOrderBook", lambda: _polled(lambda: exchange.fetch_order_book(symbol), cut)),
        ),
    }  # fmt: skip
    for flag, way in ways.get(wanted.kind, ()):
        if exchange.has.get(flag) is True:
            return way()
    raise No("NotSupported", f"ccxt has no {of} of {exchange.id}, neither by stream nor by request")


# ---- ways ----------------------------------------------------------------------------------------------------------

Ask = Callable[[], Awaitable[Any]]
Make = Callable[[Any], list[Any]]


async def _watched(ask: Ask, make: Make, every_s: float = 0.0) -> Rows:
    """By stream: each call returns with what is new."""
    while True:
        yield True, make(await ask())
        if every_s:
            await asyncio.sleep(every_s)


async def _polled(ask: Ask, make: Make) -> Rows:
    """By request, every POLL_S; what has not changed is not told again."""
    before: list[Any] = []
    while True:
        batch = make(await ask())
        if batch != before:
            yield False, batch
        before = batch
        await asyncio.sleep(POLL_S)


async def _polled_trades(exchange: Any, symbol: str) -> Rows:
    """What is new since the round before; the first round only shows where that is."""
    seen: dict[Any, None] = {}
    first = True
    while True:
        batch = [rows.trade(each) for each in await exchange.fetch_trades(symbol)]
        fresh = [each for each in batch if _key(each) not in seen]
        seen |= dict.fromkeys(_key(each) for each in fresh)
        for key in list(seen)[:-SEEN]:
            del seen[key]
        if not first:
            yield False, fresh
        first = False
        await asyncio.sleep(POLL_S)


async def _bars(exchange: Any, symbol: str, interval: str) -> Rows:
    """Closed bars, by request when each is due: ccxt's streams of bars do not say which are closed."""
    length_ms = INTERVALS[interval].length_ns // MS_NS
    ahead_ms = await _ahead_ms(exchange)
    last_ms = INTERVALS[interval].floor((exchange.milliseconds() + ahead_ms) * MS_NS) // MS_NS - length_ms
    while True:
        due_ms = last_ms + 2 * length_ms  # when the one after it is over
        for late_ms in LATE_MS:
            wait_ms = due_ms + SETTLED_MS + late_ms - exchange.milliseconds() - ahead_ms
            await asyncio.sleep(max(0.0, wait_ms / MS))
            closed = [rows.bar(each) for each in await exchange.fetch_ohlcv(symbol, interval, last_ms, 10)]
            closed = [each for each in closed if last_ms < each[0] <= due_ms - length_ms]
            if closed:
                yield False, sorted(closed, key=lambda each: each[0])
                break
        last_ms = due_ms - length_ms  # one without a trade has no bar


async def _ahead_ms(exchange: Any) -> int:
    """How far the exchange's clock is ahead of ours, as far as ccxt can ask."""
    if exchange.has.get("fetchTime") is not True:
        return 0
    return int(await exchange.fetch_time()) - int(exchange.milliseconds())


# ---- rows ----------------------------------------------------------------------------------------------------------


def _each(make: Callable[[Any], Any]) -> Make:
    return lambda found: [make(each) for each in found]


def _one(make: Callable[[Any], Any]) -> Make:
    return lambda found: [make(found)]


def _book(levels: int) -> Make:
    return lambda found: [rows.book(found, levels)]


def _quotes(symbol: str) -> Make:
    """One ticker, or several by symbol."""

    def make(found: Any) -> list[Any]:
        tickers = [found] if "symbol" in found else [found[symbol]] if symbol in found else []
        return [rows.quote(each) for each in tickers]

    return make


def _key(row: Any) -> Any:
    return row["id"] or (row["timestamp"], row["price"], row["amount"], row["side"])

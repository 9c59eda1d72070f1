"""What is told of an account through ccxt: by its streams where it has them, else polled. Rows of what has changed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, Never

from tapeline.venues.ccxt import Place
from tapeline.wire.ccxt import rows
from tapeline.wire.ccxt.exchange import No, names_of
from tapeline.wire.ccxt.finding import found

POLL_S, BALANCE_POLL_S = 2.0, 10.0  # of what has no stream
BEAT_S = 20.0
LISTED_MS = 1000
LISTED_S = (0.0, 0.5, 2.0)  # a streamed fill is looked for on the list so often, with these pauses
NAMED_S = 0.2  # a fill and its order come by two streams
AGAIN_MS = 60_000  # fills are asked for again so far back: lists are late
MOST = 10_000  # remembered
Push = Callable[[dict[str, Any]], None]
Work = Callable[[], Awaitable[None]]
Watch = Callable[..., Awaitable[Sequence[Any]]]
Take = Callable[[Sequence[Any]], Awaitable[None]]


class Account:
    """One account's orders, fills, balances and positions. `push` gets a frame of what has changed."""

    def __init__(self, exchange: Any, place: Place, symbols: Sequence[str], push: Push) -> None:
        self._exchange, self._place, self._symbols, self._push = exchange, place, symbols, push
        self._clients: dict[str, str] = {}  # the exchange's order id -> ours
        self._fills: dict[str, None] = {}
        self._told: dict[tuple[str, str], Any] = {}  # (kind, key) -> the last row

    def work(self) -> Iterator[tuple[str, Work]]:
        """(what, how), each to run until cancelled."""
        has = self._exchange.has.get
        yield "beat", self._beat
        yield "orders", self._watch_orders if has("watchOrders") is True else self._poll_orders
        yield "fills", self._watch_fills if has("watchMyTrades") is True else self._poll_fills
        yield "balances", self._watch_balances if has("watchBalance") is True else self._poll_balances
        if self._place.kind != "spot":
            yield "positions", self._watch_positions if has("watchPositions") is True else self._poll_positions

    async def _beat(self) -> None:
        """It runs, however quiet the account is."""
        while True:
            self._push({"of": "beat"})
            await asyncio.sleep(BEAT_S)

    # ---- orders ----------------------------------------------------------------------------------------------------

    async def _watch_orders(self) -> None:
        async def take(orders: Sequence[Any]) -> None:
            self._orders(orders, live=True)

        await self._watched(self._exchange.watch_orders, take)

    async def _poll_orders(self) -> None:
        """Those that are open; one that is not any more is asked for by itself."""
        before: dict[str, str] = {}
        while True:
            now: dict[str, str] = {}
            for symbol in self._symbols:
                orders = await self._exchange.fetch_open_orders(symbol)
                now |= {str(each["id"]): symbol for each in orders}
                self._orders(orders, live=False)
            for venue_id, symbol in before.items():
                if venue_id not in now:
                    await self._tell_of(venue_id, symbol)
            before = now
            await asyncio.sleep(POLL_S)

    async def _tell_of(self, venue_id: str, symbol: str) -> None:
        """How one order stands; nothing where the exchange does not say: reconciliation asks again."""
        try:
            order = await found(self._exchange, {"symbol": symbol, "venue_id": venue_id})
        except No:
            return
        self._orders([order], live=False)

    def _orders(self, orders: Sequence[Any], *, live: bool) -> None:
        made = [rows.order(each) for each in orders]
        for row in made:
            if row["id"] and row["client_id"]:
                self._clients[row["id"]] = row["client_id"]
        while len(self._clients) > MOST:
            del self._clients[next(iter(self._clients))]
        if not live:
            made = [row for row in made if self._is_news("orders", row["id"], row)]
        self._tell("orders", made, live=live)

    # ---- fills -----------------------------------------------------------------------------------------------------

    async def _watch_fills(self) -> None:
        """A fill that is streamed is asked for: ccxt's streams and lists differ about fees, and the lists are right."""
        await self._watched(self._exchange.watch_my_trades, self._fill_listed)

    async def _fill_listed(self, trades: Sequence[Any]) -> None:
        for symbol in dict.fromkeys(each["symbol"] for each in trades):
            new = {str(each["id"]): each for each in trades if each["symbol"] == symbol and not self._knows(each)}
            since = min((each.get("timestamp") or 0 for each in new.values()), default=0) - LISTED_MS
            for wait_s in LISTED_S if new else ():
                await asyncio.sleep(wait_s)
                listed = await self._exchange.fetch_my_trades(symbol, max(1, since))
                await self._fill(listed, live=False)
                new = {key: each for key, each in new.items() if not self._knows(each)}
                if not new:
                    break
            await self._fill(list(new.values()), live=True)  # it is on no list: better as it was streamed than never

    async def _poll_fills(self) -> None:
        since = int(self._exchange.milliseconds()) - AGAIN_MS
        while True:
            for symbol in self._symbols:
                await self._fill(await self._exchange.fetch_my_trades(symbol, since), live=False)
            since = max(since, int(self._exchange.milliseconds()) - 2 * AGAIN_MS)
            await asyncio.sleep(POLL_S)

    async def _fill(self, trades: Sequence[Any], *, live: bool) -> None:
        """Fills that were not told yet. ccxt's do not bear our id: it is that of their order, which may come later."""
        fresh = []
        for each in trades:
            row = rows.fill(each)
            if self._knows(each):
                continue
            self._fills[f"{row['symbol']} {row['id']}"] = None
            if row["order"] and not row["client_id"]:
                row["client_id"] = await self._client_id_of(row["order"], row["symbol"])
            fresh.append(row)
        while len(self._fills) > MOST:
            del self._fills[next(iter(self._fills))]
        self._tell("fills", fresh, live=live)

    def _knows(self, trade: Any) -> bool:
        return f"{trade['symbol']} {trade['id']}" in self._fills

    async def _client_id_of(self, order: str, symbol: str) -> str | None:
        """Our id of an order: as its stream tells it in a moment, else it is asked for."""
        if order not in self._clients and self._exchange.has.get("watchOrders") is True:
            await asyncio.sleep(NAMED_S)
        if order not in self._clients:
            await self._tell_of(order, symbol)
        return self._clients.get(order)

    # ---- balances and positions ------------------------------------------------------------------------------------

    async def _watch_balances(self) -> None:
        while True:
            self._balances(await self._exchange.watch_balance(), live=True)

    async def _poll_balances(self) -> None:
        while True:
            self._balances(await self._exchange.fetch_balance(), live=False)
            await asyncio.sleep(BALANCE_POLL_S)

    def _balances(self, said: Any, *, live: bool) -> None:
        changed = [row for row in rows.balances(said) if self._is_news("balances", row["currency"], row)]
        self._tell("balances", changed, live=live)

    async def _watch_positions(self) -> None:
        while True:
            self._positions(await self._exchange.watch_positions(), live=True)

    async def _poll_positions(self) -> None:
        while True:
            self._positions(await self._exchange.fetch_positions(list(self._symbols)), live=False)
            await asyncio.sleep(POLL_S)

    def _positions(self, said: Sequence[Any], *, live: bool) -> None:
        made = [rows.position(each) for each in said if each.get("symbol") in self._symbols]
        changed = [row for row in made if self._is_news("positions", f"{row['symbol']} {row['side']}", row)]
        self._tell("positions", changed, live=live)

    # ---- within ----------------------------------------------------------------------------------------------------

    async def _watched(self, watch: Watch, take: Take) -> None:
        """What is new, of all symbols; of each by itself where the exchange wants one named."""
        try:
            await _for_ever(watch, take)
        except Exception as error:
            if "ArgumentsRequired" not in names_of(error):
                raise
        try:
            async with asyncio.TaskGroup() as tasks:
                for symbol in self._symbols:
                    tasks.create_task(_for_ever(partial(watch, symbol), take), name=f"watching {symbol}")
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    def _is_news(self, of: str, key: str | None, row: Any) -> bool:
        news = bool(self._told.get((of, key or "")) != row)
        self._told[of, key or ""] = row
        while len(self._told) > MOST:
            del self._told[next(iter(self._told))]
        return news

    def _tell(self, of: str, made: list[Any], *, live: bool) -> None:
        if made:
            self._push({"of": of, "live": live, "rows": made})


async def _for_ever(watch: Watch, take: Take) -> Never:
    while True:
        await take(await watch())

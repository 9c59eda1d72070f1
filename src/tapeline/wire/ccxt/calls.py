"""Every call of a venue behind ccxt, by ccxt's unified methods. Rows come out; ccxt's errors stay as they are."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from tapeline.wire.ccxt import rows
from tapeline.wire.ccxt.exchange import CLIENT_ID, No, knows_client_ids
from tapeline.wire.ccxt.finding import Asked, found

PAGE, MOST_PAGES = 100, 120
DAY_MS = 86_400_000
WEEK_MS, MONTH_MS = 7 * DAY_MS, 30 * DAY_MS
Call = Callable[[Any, Asked], Awaitable[Any]]


# ---- the market ----------------------------------------------------------------------------------------------------


async def instruments(exchange: Any, asked: Asked) -> list[Any]:
    """Every market of the kind that is meant."""
    kind = asked["kind"]
    found_there = [each for each in exchange.markets.values() if rows.wanted(each, kind)]
    if not found_there:
        raise No("BadSymbol", f"{exchange.id} lists no {kind} markets in ccxt")
    return [rows.market(each, exchange.precisionMode) for each in found_there]


async def time(exchange: Any, _asked: Asked) -> int:
    """The exchange's clock in milliseconds; this machine's, where ccxt has no call for it."""
    if exchange.has.get("fetchTime") is not True:
        return int(exchange.milliseconds())
    if exchange.options.get("timeDifference") is not None:  # ccxt stamps its own requests by it
        await exchange.load_time_difference()
    return int(await exchange.fetch_time())


async def depth(exchange: Any, asked: Asked) -> list[Any]:
    """The book as it is now. Some exchanges take certain depths only: the default is asked for, and cut."""
    return [rows.book(await exchange.fetch_order_book(asked["symbol"]), asked.get("limit") or PAGE)]


async def trades(exchange: Any, asked: Asked) -> list[Any]:
    """The newest trades, oldest first."""
    return [rows.trade(each) for each in await exchange.fetch_trades(asked["symbol"])][-(asked.get("limit") or PAGE) :]


# ---- acting --------------------------------------------------------------------------------------------------------


async def place(exchange: Any, asked: Asked) -> list[Any]:
    """Send an order, to the last digit as it was meant, or not at all."""
    symbol, kind, side = asked["symbol"], asked["type"], asked["side"]
    amount, price = _exact(exchange, asked)
    params = _params(exchange, asked)
    if asked.get("cost"):
        return [rows.order(await _by_cost(exchange, asked, params))]
    needs_price = exchange.options.get("createMarketBuyOrderRequiresPrice")
    if kind == "market" and side == "buy" and needs_price:
        text = f"{exchange.id} takes a market buy by what may be spent: give quote_size, or a limit order"
        raise No("NotSupported", text)
    return [rows.order(await exchange.create_order(symbol, kind, side, amount, price, params))]


async def _by_cost(exchange: Any, asked: Asked, params: dict[str, Any]) -> Any:
    if asked["type"] != "market" or asked["side"] != "buy" or not exchange.has.get("createMarketBuyOrderWithCost"):
        raise No("NotSupported", f"ccxt places no {asked['side']} by its cost at {exchange.id}")
    return await exchange.create_market_buy_order_with_cost(asked["symbol"], Decimal(asked["cost"]), params)


async def amend(exchange: Any, asked: Asked) -> list[Any]:
    """Change an order in place, where the exchange does that itself: one that is placed anew is another."""
    if exchange.has.get("editOrder") is not True:
        raise No("NotSupported", f"{exchange.id} does not amend orders: cancel it and place another")
    amount, price = _exact(exchange, asked)
    venue_id = asked.get("venue_id") or (await found(exchange, asked))["id"]
    order = await exchange.edit_order(
        venue_id, asked["symbol"], asked["type"], asked["side"], amount, price, _params(exchange, asked)
    )
    return [rows.order(order)]


async def cancel(exchange: Any, asked: Asked) -> list[Any]:
    """Cancel an order: by its id, by ours where the exchange can, else it is looked up first."""
    symbol, venue_id, client_id = asked["symbol"], asked.get("venue_id") or "", asked.get("client_id") or ""
    if venue_id:
        order = await exchange.cancel_order(venue_id, symbol)
    elif knows_client_ids(exchange, "cancel_order"):
        order = await exchange.cancel_order("", symbol, {CLIENT_ID: client_id})
    else:
        order = await exchange.cancel_order((await found(exchange, asked))["id"], symbol)
    return [rows.order(order if isinstance(order, dict) else {}) | {"id": venue_id or _id_of(order)}]


def _id_of(order: Any) -> str | None:
    return str(order["id"]) if isinstance(order, dict) and order.get("id") else None


async def cancel_all(exchange: Any, asked: Asked) -> list[Any]:
    """Cancel all of one market in one call; what that did is asked for afterwards."""
    if exchange.has.get("cancelAllOrders") is not True:
        raise No("NotSupported", f"ccxt has no cancel-all for {exchange.id}: they are cancelled one by one")
    await exchange.cancel_all_orders(asked["symbol"])
    return []


def _params(exchange: Any, asked: Asked) -> dict[str, Any]:
    """What is said of an order besides its figures. Raises No for what ccxt knows that the exchange has not."""
    params: dict[str, Any] = {CLIENT_ID: asked["client_id"]} if asked.get("client_id") else {}
    terms = asked.get("time_in_force") or "gtc"
    if terms != "gtc":
        params["timeInForce"] = _term(exchange, asked["symbol"], terms.upper())
    if asked.get("post_only"):
        _term(exchange, asked["symbol"], "PO")
        params["postOnly"] = True
    if asked.get("reduce_only"):
        params["reduceOnly"] = True
    return params


def _term(exchange: Any, symbol: str, term: str) -> str:
    market = exchange.market(symbol)
    features = getattr(exchange, "features", None) or {}
    of = features.get("spot") if market.get("spot") else (features.get("swap") or {}).get("linear")
    said = ((of or {}).get("createOrder") or {}).get("timeInForce") or {}
    if said.get(term) is False:
        raise No("NotSupported", f"{exchange.id} has no {'post-only' if term == 'PO' else term} orders in ccxt")
    return term


def _exact(exchange: Any, asked: Asked) -> tuple[Decimal | None, Decimal | None]:
    """(size, price). Raises No where ccxt would round them to something else."""
    amount = None if asked.get("amount") is None else Decimal(asked["amount"])
    price = None if asked.get("price") is None else Decimal(asked["price"])
    for value, to_precision, says in (
        (amount, exchange.amount_to_precision, "Lot"), (price, exchange.price_to_precision, "Tick"),
    ):  # fmt: skip
        if value is None:
            continue
        sent = to_precision(asked["symbol"], value)
        if Decimal(sent) != value:
            raise No(says, f"{exchange.id} would get {sent} for {value} of {asked['symbol']}")
    return amount, price


# ---- asking --------------------------------------------------------------------------------------------------------


async def order(exchange: Any, asked: Asked) -> list[Any]:
    """How an order stands."""
    return [rows.order(await found(exchange, asked))]


async def open_orders(exchange: Any, asked: Asked) -> list[Any]:
    """What is open, of one market or of all."""
    return [rows.order(each) for each in await exchange.fetch_open_orders(asked.get("symbol"))]


async def fills(exchange: Any, asked: Asked) -> list[Any]:
    """The account's trades of one market since a time, page by page; at last the newest, whatever their time.

    Exchanges answer for a day or a week from `since` on, and ccxt does not say which: so it goes by days, and by weeks
    where it is long ago. Raises No where that has no end.
    """
    symbol, now = asked["symbol"], int(exchange.milliseconds())
    since = asked.get("since") or now
    step = DAY_MS if now - since <= MONTH_MS else WEEK_MS
    seen: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        page = await exchange.fetch_my_trades(symbol, since, PAGE)
        fresh = {str(each["id"]): each for each in page if str(each["id"]) not in seen}
        seen |= fresh
        newest = max((each.get("timestamp") or 0 for each in fresh.values()), default=0)
        since = newest if newest > since else since + step
        if since >= now and not fresh:
            break
    else:
        raise No("BadResponse", f"fills of {symbol}: no end after {MOST_PAGES} pages")
    seen |= {str(each["id"]): each for each in await exchange.fetch_my_trades(symbol, None, PAGE)}
    return [rows.fill(each) for each in sorted(seen.values(), key=lambda each: each.get("timestamp") or 0)]


async def balances(exchange: Any, _asked: Asked) -> list[Any]:
    """What is held."""
    return rows.balances(await exchange.fetch_balance())


async def positions(exchange: Any, asked: Asked) -> list[Any]:
    """Positions of derivatives; none on spot."""
    if asked["kind"] == "spot":
        return []
    symbols = [asked["symbol"]] if asked.get("symbol") else None
    return [rows.position(each) for each in await exchange.fetch_positions(symbols) if each.get("symbol")]


async def payments(exchange: Any, asked: Asked) -> list[Any]:
    """Funding of one market since a time, where ccxt can ask for it."""
    if asked["kind"] == "spot" or exchange.has.get("fetchFundingHistory") is not True:
        return []
    return [rows.payment(each) for each in await exchange.fetch_funding_history(asked["symbol"], asked.get("since"))]


CALLS: Mapping[str, Call] = {
    "instruments": instruments, "time": time, "depth": depth, "trades": trades, "place": place, "amend": amend,
    "cancel": cancel, "cancel_all": cancel_all, "order": order, "open_orders": open_orders, "fills": fills,
    "balances": balances, "positions": positions, "payments": payments,
}  # fmt: skip
ACTING = frozenset({"place", "amend", "cancel", "cancel_all"})
KEYLESS = frozenset({"instruments", "time", "depth", "trades"})

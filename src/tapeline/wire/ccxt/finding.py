"""How an order is found through ccxt: by its id, by ours where the exchange can, else on its lists."""

from typing import Any

from tapeline.wire.ccxt.exchange import CLIENT_ID, No, knows_client_ids

LISTS = (("fetchOpenOrders", "fetch_open_orders"), ("fetchClosedOrders", "fetch_closed_orders"),
         ("fetchCanceledOrders", "fetch_canceled_orders"), ("fetchOrders", "fetch_orders"))  # fmt: skip
Asked = dict[str, Any]


async def found(exchange: Any, asked: Asked) -> Any:
    """The order as ccxt has it. Raises what ccxt does, and No where it is not there, or nobody can tell.

    That an exchange does not find our id is believed only once its lists do not show the order either: one that does
    not read the id would say the same.
    """
    symbol, venue_id, client_id = asked["symbol"], asked.get("venue_id") or "", asked.get("client_id") or ""
    if venue_id and exchange.has.get("fetchOrder") is True:
        return await exchange.fetch_order(venue_id, symbol)
    by_own_id = bool(client_id) and exchange.has.get("fetchOrder") is True and knows_client_ids(exchange, "fetch_order")
    if by_own_id:
        order = await _by_client_id(exchange, symbol, client_id)
        if order is not None:
            return order
    closed = False
    for flag, method in LISTS:
        if exchange.has.get(flag) is not True:
            continue
        closed |= flag != "fetchOpenOrders"
        for order in await getattr(exchange, method)(symbol):
            if _is(order, venue_id, client_id):
                return order
    if by_own_id or closed:
        raise No("OrderNotFound", f"no order {client_id or venue_id} of {symbol} is on any list")
    raise No("OrderNotCached", f"{exchange.id} has no list of what is over: what became of {client_id} cannot be told")


async def _by_client_id(exchange: Any, symbol: str, client_id: str) -> Any:
    """None where the exchange says that there is none, or gives another."""
    try:
        order = await exchange.fetch_order("", symbol, {CLIENT_ID: client_id})
    except Exception as error:
        if "OrderNotFound" in {cls.__name__ for cls in type(error).__mro__}:
            return None
        raise
    return order if _is(order, "", client_id) else None


def _is(order: Any, venue_id: str, client_id: str) -> bool:
    if venue_id and str(order.get("id")) == venue_id:
        return True
    return bool(client_id) and order.get(CLIENT_ID) == client_id

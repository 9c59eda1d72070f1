"""Order calls of spot, both ways pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate
from tapeline.model.order import FINAL
from tapeline.venues.binance.orders import params
from tapeline.venues.binance.orders.calls import FILLS_PAGE, ORDERS, after_last, nothing, parser
from tapeline.venues.binance.orders.lists import PLACE_OCO, decode_list, orders_of, place_oco, placed_list
from tapeline.venues.binance.orders.refusals import SPOT_MARKET
from tapeline.venues.binance.orders.rows_spot import (
    Amended,
    SpotAccount,
    SpotOrder,
    SpotTrade,
    Told,
    balances,
    fill,
    mode,
    order_update,
    placed,
)
from tapeline.venues.binance.orders.rows_usdm import NewKey
from tapeline.venues.binance.window import window
from tapeline.venues.orders import ListenKey, OrderAsk, OrderCall
from tapeline.venues.request import Request

ORDER, OPEN, ACCOUNT, KEYS = "/api/v3/order", "/api/v3/openOrders", "/api/v3/account", "/api/v3/userDataStream"
DAY_S = 86400.0

_order = msgspec.json.Decoder(SpotOrder).decode
_orders = msgspec.json.Decoder(list[SpotOrder]).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_amended = msgspec.json.Decoder(Amended).decode
_trades = msgspec.json.Decoder(list[SpotTrade]).decode
_account = msgspec.json.Decoder(SpotAccount).decode
_key = msgspec.json.Decoder(NewKey).decode


def calls(venue: str, *, listen_keys: bool = False, amends: bool = True) -> Mapping[str, OrderCall]:
    """Every order call of a spot market of this name; `listen_keys` where it still has them."""
    made = _order_calls(venue) | _list_calls(venue) | _account_calls(venue)
    if not amends:  # Binance US, whose order lists are placed by another call
        del made["amend"], made["place_list"]
    return made | _key_calls(venue) if listen_keys else made


def _order_calls(venue: str) -> dict[str, OrderCall]:
    return {
        "place": OrderCall(
            build=lambda ask: Request("POST", ORDER, params.place_spot(ask), 1, ORDERS),
            parse=parser(venue, SPOT_MARKET, _order, lambda row, _ask, told: list(placed(row, told))),
        ),
        "place_list": OrderCall(  # two orders, and counted as two
            build=lambda ask: Request("POST", PLACE_OCO, place_oco(ask), 2, ORDERS),
            parse=parser(venue, SPOT_MARKET, decode_list, placed_list),
        ),
        "amend": OrderCall(
            build=lambda ask: Request("PUT", f"{ORDER}/amend/keepPriority", params.amend_spot(ask), 4),
            parse=parser(
                venue, SPOT_MARKET, _amended,
                lambda row, _ask, told: [order_update(row.amendedOrder, told, row.transactTime)],
            ),
        ),
        "cancel": OrderCall(
            build=lambda ask: Request("DELETE", ORDER, (*params.symbol(ask), *params.which(ask))),
            parse=parser(venue, SPOT_MARKET, orders_of, _each),
        ),
        "cancel_all": OrderCall(
            build=lambda ask: Request("DELETE", OPEN, (("symbol", params.native(ask)),)),
            parse=parser(venue, SPOT_MARKET, _cancelled, _each),
            per_instrument=True,
        ),
        "order": OrderCall(
            build=lambda ask: Request("GET", ORDER, (*params.symbol(ask), *params.which(ask)), 4),
            parse=parser(venue, SPOT_MARKET, _order, _one),
        ),
    }  # fmt: skip


def _list_calls(venue: str) -> dict[str, OrderCall]:
    return {
        "open_orders": OrderCall(
            build=lambda ask: Request("GET", OPEN, params.symbol(ask), 80 if ask.instrument is None else 6),
            parse=parser(venue, SPOT_MARKET, _orders, _each),
            page=10_000,
        ),
        "closed_orders": OrderCall(
            build=lambda ask: Request(
                "GET", "/api/v3/allOrders",
                (("symbol", params.native(ask)), *window(ask), *params.rows_asked(ask, FILLS_PAGE)), 20,
            ),
            parse=parser(
                venue, SPOT_MARKET, _orders,
                lambda rows, ask, told: [order for order in _each(rows, ask, told) if order.state in FINAL],
            ),
            per_instrument=True,
            page=FILLS_PAGE,
            window_s=DAY_S,
        ),
    }  # fmt: skip


def _account_calls(venue: str) -> dict[str, OrderCall]:
    return {
        "fills": OrderCall(
            build=lambda ask: Request("GET", "/api/v3/myTrades", params.fills(ask), 5 if ask.venue_id else 20),
            parse=parser(venue, SPOT_MARKET, _trades, _fills),
            per_instrument=True,
            page=FILLS_PAGE,
            window_s=DAY_S,
            next=after_last(lambda body: [row.id for row in _trades(body)]),
        ),
        "balances": OrderCall(
            build=lambda _ask: Request("GET", ACCOUNT, (), 20),
            parse=parser(venue, SPOT_MARKET, _account, _balances),
            page=10_000,
        ),
        "mode": OrderCall(
            build=lambda _ask: Request("GET", ACCOUNT, (("omitZeroBalances", "true"),), 20),
            parse=parser(venue, SPOT_MARKET, _account, _mode),
        ),
    }


def _key_calls(venue: str) -> dict[str, OrderCall]:
    """Listen keys, by the key in the header alone."""
    return {
        "listen_key": OrderCall(
            build=lambda _ask: Request("POST", KEYS),
            parse=parser(venue, SPOT_MARKET, _key, lambda row, _ask, _told: [ListenKey(row.listenKey)]),
            signed="key",
        ),
        "listen_key_alive": OrderCall(
            build=lambda ask: Request("PUT", KEYS, (("listenKey", ask.listen_key),)),
            parse=nothing(venue, SPOT_MARKET),
            signed="key",
        ),
        "listen_key_close": OrderCall(
            build=lambda ask: Request("DELETE", KEYS, (("listenKey", ask.listen_key),)),
            parse=nothing(venue, SPOT_MARKET),
            signed="key",
        ),
    }


def _cancelled(body: bytes) -> list[SpotOrder]:
    """Orders cancelled at once, those of lists among them."""
    return [order for raw in _raws(body) for order in orders_of(raw)]


def _one(row: SpotOrder, _ask: OrderAsk, told: Told) -> Sequence[OrderUpdate]:
    return [order_update(row, told)]


def _each(rows: Sequence[SpotOrder], _ask: OrderAsk, told: Told) -> Sequence[OrderUpdate]:
    return [order_update(row, told) for row in rows]


def _fills(rows: Sequence[SpotTrade], ask: OrderAsk, told: Told) -> Sequence[Fill]:
    return [fill(row, told, ask.client_id if ask.venue_id == str(row.orderId) else "") for row in rows]


def _balances(row: SpotAccount, _ask: Any, told: Told) -> Sequence[Balance]:
    return balances(row, told)


def _mode(row: SpotAccount, _ask: Any, told: Told) -> Sequence[AccountMode]:
    return [mode(row, told)]

"""Order calls of USD-M futures, both ways pure. Conditional orders are with a service of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.number import plain
from tapeline.model.order import FINAL
from tapeline.venues.binance.orders import params
from tapeline.venues.binance.orders.calls import FILLS_PAGE, ORDERS, Parse, after_last, nothing, parser
from tapeline.venues.binance.orders.refusals import USDM_MARKET
from tapeline.venues.binance.orders.rows_spot import Told
from tapeline.venues.binance.orders.rows_usdm import (
    AccountConfig,
    AlgoOrder,
    Income,
    NewKey,
    UsdmBalance,
    UsdmOrder,
    UsdmRisk,
    UsdmTrade,
    algo_update,
    balance,
    fill,
    mode,
    order_update,
    payment,
    position,
)
from tapeline.venues.binance.window import window
from tapeline.venues.orders import ListenKey, OrderAsk, OrderCall
from tapeline.venues.request import Request

ORDER, ALGO_ORDER, KEYS = "/fapi/v1/order", "/fapi/v1/algoOrder", "/fapi/v1/listenKey"
PARTS = ("orders", "algo")
WEEK_S, QUARTER_S, HALF_YEAR_S = 7 * 86400.0, 90 * 86400.0, 180 * 86400.0

_order = msgspec.json.Decoder(UsdmOrder).decode
_orders = msgspec.json.Decoder(list[UsdmOrder]).decode
_algo = msgspec.json.Decoder(AlgoOrder).decode
_algos = msgspec.json.Decoder(list[AlgoOrder]).decode
_trades = msgspec.json.Decoder(list[UsdmTrade]).decode
_balances = msgspec.json.Decoder(list[UsdmBalance]).decode
_risks = msgspec.json.Decoder(list[UsdmRisk]).decode
_incomes = msgspec.json.Decoder(list[Income]).decode
_config = msgspec.json.Decoder(AccountConfig).decode
_key = msgspec.json.Decoder(NewKey).decode


def calls(venue: str) -> Mapping[str, OrderCall]:
    """Every order call, for the venue of this name."""
    return _orders_calls(venue) | _list_calls(venue) | _account_calls(venue) | _setting_calls(venue)


def _orders_calls(venue: str) -> dict[str, OrderCall]:
    one = _either(venue, otherwise="open")
    return {
        "place": OrderCall(build=_place, parse=one),
        "amend": OrderCall(build=lambda ask: Request("PUT", ORDER, params.amend_usdm(ask), 1, ORDERS), parse=one),
        "cancel": OrderCall(
            build=lambda ask: Request("DELETE", _path(ask), params.which_usdm(ask)),
            parse=_either(venue, otherwise="cancelled"),
        ),
        "order": OrderCall(build=lambda ask: Request("GET", _path(ask), params.which_usdm(ask)), parse=one),
        "cancel_all": OrderCall(build=_cancel_all, parse=nothing(venue, USDM_MARKET), parts=PARTS, per_instrument=True),
    }


def _list_calls(venue: str) -> dict[str, OrderCall]:
    return {
        "open_orders": OrderCall(
            build=_open_orders,
            parse=_by_part(
                parser(venue, USDM_MARKET, _orders, _each),
                parser(venue, USDM_MARKET, _algos, lambda rows, _ask, told: [algo_update(row, told) for row in rows]),
            ),
            parts=PARTS,
            page=10_000,
        ),
        "closed_orders": OrderCall(
            build=lambda ask: Request(
                "GET", "/fapi/v1/allOrders",
                (("symbol", params.native(ask)), *window(ask), *params.rows_asked(ask, FILLS_PAGE)), 5,
            ),
            parse=parser(
                venue, USDM_MARKET, _orders,
                lambda rows, ask, told: [order for order in _each(rows, ask, told) if order.state in FINAL],
            ),
            per_instrument=True,
            page=FILLS_PAGE,
            window_s=WEEK_S,
            keeps_s=QUARTER_S,
        ),
        "fills": OrderCall(
            build=lambda ask: Request("GET", "/fapi/v1/userTrades", params.fills(ask), 5),
            parse=parser(venue, USDM_MARKET, _trades, _fills),
            per_instrument=True,
            page=FILLS_PAGE,
            window_s=WEEK_S,
            keeps_s=HALF_YEAR_S,
            next=after_last(lambda body: [row.id for row in _trades(body)]),
        ),
        "payments": OrderCall(
            build=_income,
            parse=parser(venue, USDM_MARKET, _incomes, _payments),
            page=FILLS_PAGE,
            keeps_s=QUARTER_S,
            next=_next_income,
        ),
    }  # fmt: skip


def _account_calls(venue: str) -> dict[str, OrderCall]:
    return {
        "balances": OrderCall(
            build=lambda _ask: Request("GET", "/fapi/v3/balance", (), 5),
            parse=parser(venue, USDM_MARKET, _balances, lambda rows, _ask, told: [balance(row, told) for row in rows]),
            page=10_000,
        ),
        "positions": OrderCall(
            build=lambda ask: Request("GET", "/fapi/v3/positionRisk", params.symbol(ask), 5),
            parse=parser(venue, USDM_MARKET, _risks, lambda rows, _ask, told: [position(row, told) for row in rows]),
            page=10_000,
        ),
        "mode": OrderCall(
            build=lambda _ask: Request("GET", "/fapi/v1/accountConfig", (), 5),
            parse=parser(venue, USDM_MARKET, _config, lambda row, _ask, told: [mode(row, told)]),
        ),
        "listen_key": OrderCall(
            build=lambda _ask: Request("POST", KEYS),
            parse=parser(venue, USDM_MARKET, _key, lambda row, _ask, _told: [ListenKey(row.listenKey)]),
            signed="key",
        ),
        "listen_key_alive": OrderCall(
            build=lambda _ask: Request("PUT", KEYS), parse=nothing(venue, USDM_MARKET), signed="key"
        ),
        "listen_key_close": OrderCall(
            build=lambda _ask: Request("DELETE", KEYS), parse=nothing(venue, USDM_MARKET), signed="key"
        ),
    }


def _setting_calls(venue: str) -> dict[str, OrderCall]:
    done = nothing(venue, USDM_MARKET)
    return {
        "dead_man": OrderCall(
            build=lambda ask: Request(
                "POST", "/fapi/v1/countdownCancelAll",
                (("symbol", params.native(ask)), ("countdownTime", str((ask.countdown_s or 0) * 1000))), 10,
            ),
            parse=done,
            per_instrument=True,
        ),
        "leverage": OrderCall(
            build=lambda ask: Request(
                "POST", "/fapi/v1/leverage",
                (("symbol", params.native(ask)), ("leverage", "" if ask.leverage is None else plain(ask.leverage))),
            ),
            parse=done,
            per_instrument=True,
        ),
        "position_mode": OrderCall(
            build=lambda ask: Request(
                "POST", "/fapi/v1/positionSide/dual", (("dualSidePosition", "true" if ask.hedge else "false"),)
            ),
            parse=done,
        ),
    }  # fmt: skip


# ---- requests -----------------------------------------------------------------------------------------------------


def _place(ask: OrderAsk) -> Request:
    if params.conditional(ask):
        return Request("POST", ALGO_ORDER, params.place_algo(ask), 1, ORDERS)
    return Request("POST", ORDER, params.place_usdm(ask), 1, ORDERS)


def _path(ask: OrderAsk) -> str:
    return ALGO_ORDER if params.conditional(ask) else ORDER


def _cancel_all(ask: OrderAsk) -> Request:
    path = "/fapi/v1/algoOpenOrders" if ask.part == "algo" else "/fapi/v1/allOpenOrders"
    return Request("DELETE", path, (("symbol", params.native(ask)),))


def _open_orders(ask: OrderAsk) -> Request:
    path = "/fapi/v1/openAlgoOrders" if ask.part == "algo" else "/fapi/v1/openOrders"
    return Request("GET", path, params.symbol(ask), 40 if ask.instrument is None else 1)


def _income(ask: OrderAsk) -> Request:
    page = (("page", ask.page),) if ask.page else ()
    pairs = (*params.symbol(ask), *window(ask), *page, *params.rows_asked(ask, FILLS_PAGE))
    return Request("GET", "/fapi/v1/income", pairs, 30)


def _next_income(ask: OrderAsk, body: bytes) -> OrderAsk | None:
    full = len(_incomes(body)) >= min(ask.limit or FILLS_PAGE, FILLS_PAGE)
    return replace(ask, page=str(int(ask.page or "1") + 1)) if full else None


# ---- answers ------------------------------------------------------------------------------------------------------


def _either(venue: str, *, otherwise: str) -> Parse:
    """An ordinary order or a conditional one: each names itself by an id of its own."""

    def decode(body: bytes) -> UsdmOrder | AlgoOrder:
        return _algo(body) if b'"algoId"' in body else _order(body)

    def made(row: UsdmOrder | AlgoOrder, ask: OrderAsk, told: Told) -> Sequence[OrderUpdate]:
        if isinstance(row, UsdmOrder):
            return [order_update(row, told)]
        update = algo_update(row, told, otherwise=otherwise)
        named = update.instrument or (None if ask.instrument is None else ask.instrument.id)
        return [replace(update, instrument=named, client_id=update.client_id or ask.client_id)]

    return parser(venue, USDM_MARKET, decode, made)


def _by_part(orders: Parse, algo: Parse) -> Parse:
    return lambda body, ask, ids, at: (algo if ask.part == "algo" else orders)(body, ask, ids, at)


def _each(rows: Sequence[UsdmOrder], _ask: OrderAsk, told: Told) -> Sequence[OrderUpdate]:
    return [order_update(row, told) for row in rows]


def _fills(rows: Sequence[UsdmTrade], ask: OrderAsk, told: Told) -> Sequence[Fill]:
    return [fill(row, told, ask.client_id if ask.venue_id == str(row.orderId) else "") for row in rows]


def _payments(rows: Sequence[Income], _ask: Any, told: Told) -> Sequence[Any]:
    return [paid for row in rows if (paid := payment(row, told)) is not None]

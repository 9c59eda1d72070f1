"""Order lists of spot: two orders of which one ends the other, as one call. Both ways pure.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/trading-endpoints#new-order-list---oco-trade
"""

from collections.abc import Sequence

import msgspec

from tapeline.errors import Broken, OrderRefused
from tapeline.model.account import Fill, ListUpdate, OrderUpdate
from tapeline.model.number import plain
from tapeline.venues.binance.orders.params import Pairs, native
from tapeline.venues.binance.orders.rows_spot import SpotOrder, Told, placed
from tapeline.venues.binance.orders.words import LIST_STATES, MS_NS, list_id
from tapeline.venues.binance.wire import Ms, Number
from tapeline.venues.orders import Leg, OrderAsk

PLACE_OCO = "/api/v3/orderList/oco"
WORSE = frozenset({"stop"})


class Named(msgspec.Struct, gc=False):
    """One order of a list: {"symbol":"LTCBTC","orderId":10,"clientOrderId":"44nZvqpemY7sVYgPYbvPih"}."""

    orderId: Number
    clientOrderId: str


class OrderList(msgspec.Struct, gc=False):
    """A list.

    {"orderListId":1,"contingencyType":"OCO","listStatusType":"EXEC_STARTED","listOrderStatus":"EXECUTING",
    "listClientOrderId":"lH1YDkuQKWiXVXHPSKYEIp","transactionTime":1710485608839,"symbol":"LTCBTC","orders":[
    {"symbol":"LTCBTC","orderId":10,"clientOrderId":"44nZvqpemY7sVYgPYbvPih"}, ...],"orderReports":[{...}, ...]}
    """

    orderListId: Number
    contingencyType: str
    listOrderStatus: str
    listClientOrderId: str
    symbol: str
    transactionTime: Ms
    orders: list[Named] = []
    orderReports: list[SpotOrder] = []


class OrderOrList(msgspec.Struct, gc=False):
    """What a cancel cancelled: an order, or a list whose orders it reports."""

    orderReports: list[SpotOrder] | None = None


_order = msgspec.json.Decoder(SpotOrder).decode
_either = msgspec.json.Decoder(OrderOrList).decode
decode_list = msgspec.json.Decoder(OrderList).decode


def place_oco(ask: OrderAsk) -> Pairs:
    """A limit that rests and a stop; which of them is above the market follows from the side."""
    stop = next((leg for leg in ask.legs if leg.intent.kind in WORSE), None)
    limit = next((leg for leg in ask.legs if leg.intent.kind == "limit"), None)
    if stop is None or limit is None or len(ask.legs) != 2:
        raise Broken("a list of spot is a limit and a stop")
    intent = limit.intent
    if intent.size is None or (intent.side, intent.size) != (stop.intent.side, stop.intent.size):
        raise Broken("the orders of a list are of one side and size")
    if not intent.post_only:
        raise OrderRefused("the limit of a list only rests: it is post-only", reason="unsupported")
    above, below = (limit, stop) if intent.side == "sell" else (stop, limit)
    return (
        ("symbol", native(ask)), ("listClientOrderId", ask.client_id), ("side", intent.side.upper()),
        ("quantity", plain(intent.size)), *_leg("above", above), *_leg("below", below), ("newOrderRespType", "FULL"),
    )  # fmt: skip


def _leg(where: str, leg: Leg) -> Pairs:
    intent, rests = leg.intent, leg.intent.kind == "limit"
    name, price = ("Price", intent.price) if rests else ("StopPrice", intent.stop_price)
    if price is None:
        raise OrderRefused("an order of a list names its price", reason="parameter")
    type_ = "LIMIT_MAKER" if rests else "STOP_LOSS"
    return (
        (f"{where}Type", type_), (f"{where}{name}", plain(price)), (f"{where}ClientOrderId", leg.client_id)
    )  # fmt: skip


def placed_list(row: OrderList, _ask: OrderAsk, told: Told) -> Sequence[Fill | OrderUpdate | ListUpdate]:
    """A new list: each of its orders, fills first, then the list itself."""
    return [*(event for each in row.orderReports for event in placed(each, told)), list_update(row, told)]


def list_update(row: OrderList, told: Told) -> ListUpdate:
    """How a list stands."""
    return ListUpdate(
        told.id_of(row.symbol), "orders", row.transactionTime * MS_NS, told.received_ns, "rest", told.account,
        list_id=list_id(row.orderListId), client_id=row.listClientOrderId,
        state=LIST_STATES.get(row.listOrderStatus, "open"), kind=row.contingencyType.lower(),
        orders=tuple((each.clientOrderId, str(each.orderId)) for each in row.orders),
    )  # fmt: skip


def orders_of(body: bytes) -> list[SpotOrder]:
    """The orders that a cancel cancelled: one, or those of a list, which goes with any of them. Raises ValueError."""
    reports = _either(body).orderReports
    return [_order(body)] if reports is None else reports

"""Orders, and the private stream of spot, over the WebSocket API: the parameters of REST under other names.

https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/trading-requests
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-api-general-info
"""

from collections.abc import Mapping, Sequence

import msgspec

from tapeline.errors import BadData
from tapeline.model.secret import Credentials
from tapeline.venues.binance.orders.private import answered
from tapeline.venues.binance.orders.sign import signed_params
from tapeline.venues.binance.orders.wire import Wrapped
from tapeline.venues.orders import Answered, OrderAsk, OrderCall, OrderEntry

SPOT_METHODS: Mapping[tuple[str, str], str] = {
    ("POST", "/api/v3/order"): "order.place",
    ("DELETE", "/api/v3/order"): "order.cancel",
    ("GET", "/api/v3/order"): "order.status",
    ("PUT", "/api/v3/order/amend/keepPriority"): "order.amend.keepPriority",
    ("DELETE", "/api/v3/openOrders"): "openOrders.cancelAll",
    ("POST", "/api/v3/orderList/oco"): "orderList.place.oco",
}
USDM_METHODS: Mapping[tuple[str, str], str] = {
    ("POST", "/fapi/v1/order"): "order.place",
    ("PUT", "/fapi/v1/order"): "order.modify",
    ("DELETE", "/fapi/v1/order"): "order.cancel",
    ("GET", "/fapi/v1/order"): "order.status",
    ("POST", "/fapi/v1/algoOrder"): "algoOrder.place",
    ("DELETE", "/fapi/v1/algoOrder"): "algoOrder.cancel",
}
"""What is asked by REST, and its name here. A conditional order is not asked for here, nor is what is open."""

WHOLE = frozenset({"orderId", "algoId", "trailingDelta", "goodTillDate"})
"""Parameters that are numbers here: "INT parameters are expected as JSON integers, not strings; DECIMAL as strings"."""

SUBSCRIBE = "userDataStream.subscribe.signature"
LIFE_S = 23.5 * 3600  # cut at 24 h

_wrapped = msgspec.json.Decoder(Wrapped).decode


def subscribe(credentials: Credentials, venue_ns: int, request_id: str) -> bytes:
    """The frame that asks for the private stream: with any kind of key, on any connection."""
    params = signed_params({}, credentials, venue_ns)
    return msgspec.json.encode({"id": request_id, "method": SUBSCRIBE, "params": params})


def entry(calls: Mapping[str, OrderCall], methods: Mapping[tuple[str, str], str]) -> OrderEntry:
    """Order entry on a connection of its own, where every request is signed by itself."""
    asked = frozenset({"place", "place_list", "amend", "cancel", "cancel_all", "order"}) & calls.keys()
    named = asked if ("DELETE", "/api/v3/openOrders") in methods else asked - {"cancel_all"}

    def frame(ask: OrderAsk, request_id: str, credentials: Credentials, venue_ns: int) -> bytes:
        request = calls[ask.call].build(ask)
        said = {name: int(text) if name in WHOLE and text.isdecimal() else text for name, text in request.query}
        params = signed_params(said, credentials, venue_ns)
        return msgspec.json.encode(
            {"id": request_id, "method": methods[request.method, request.path], "params": params}
        )

    def takes(ask: OrderAsk) -> bool:
        request = calls[ask.call].build(ask)
        return ask.call in named and (request.method, request.path) in methods

    return OrderEntry(
        endpoint="ws_api", calls=named, frame=frame, decoder=_answers, life_s=LIFE_S, takes=takes
    )  # fmt: skip


def _answers(frame: bytes, _received_ns: int) -> Sequence[Answered]:
    """Answers alone come on such a connection; a notice that it will be closed is told by its end."""
    try:
        around = _wrapped(frame)
    except (ValueError, RecursionError) as error:
        raise BadData(f"an answer that cannot be read: {error}: {frame[:200]!r}", kind="bad_json") from error
    return () if around.id is msgspec.UNSET else (answered(around),)

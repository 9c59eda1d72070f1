"""Orders over OKX's private WebSocket. Pure.

https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-place-order
Since February 2026 an instrument is named by its number there (instIdCode), and no longer by instId: one whose number
is not known goes by REST. So do algo orders, which this connection has no words for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tapeline.model.secret import Credentials
from tapeline.venues.okx.placing import Arg, amend_arg, cancel_arg, is_algo, place_arg
from tapeline.venues.okx.private import control, read_head
from tapeline.venues.okx.signing import expires, login
from tapeline.venues.orders import Answered, Beat, OrderAsk, OrderEntry, PrivateControl

OPS: Mapping[str, tuple[str, Callable[[OrderAsk], Arg]]] = {
    "place": ("order", place_arg),
    "amend": ("amend-order", amend_arg),
    "cancel": ("cancel-order", cancel_arg),
}
LATE = frozenset({"place", "amend"})  # what must not be done once it is too late


# {"id":"1512","op":"order","args":[{"instIdCode":10458,"tdMode":"isolated","side":"buy","ordType":"limit","px":"2",
#  "sz":"1","clOrdId":"b15"}],"expTime":"1597026383085"}
def frame(ask: OrderAsk, request_id: str, _credentials: Credentials, venue_ns: int) -> bytes:
    """One request about one order. Raises OrderRefused for what OKX has no words for."""
    op, make = OPS[ask.call]
    arg = make(ask)
    if ask.instrument is not None and ask.instrument.code:
        del arg["instId"]
        arg = {"instIdCode": int(ask.instrument.code), **arg}
    request: dict[str, Any] = {"id": request_id, "op": op, "args": [arg]}
    if ask.call in LATE:
        request["expTime"] = expires(venue_ns)
    return msgspec.json.encode(request)


def takes(ask: OrderAsk) -> bool:
    """Whether it can be said here."""
    return ask.call in OPS and not is_algo(ask) and ask.instrument is not None and ask.instrument.code.isdigit()


def decode(heard: bytes, _received_ns: int) -> Sequence[PrivateControl]:
    """Answers only; a push that comes all the same says nothing. Raises BadData."""
    if heard == b"pong":
        return (Beat(),)
    head = read_head(heard)
    if not (head.event or head.op):
        return ()
    return [each for each in control(head, heard) if isinstance(each, Answered | Beat) or head.event == "notice"]


ENTRY = OrderEntry(
    endpoint="private",
    calls=frozenset(OPS),
    frame=frame,
    decoder=decode,
    opening=(login,),
    ping=b"ping",
    takes=takes,
)

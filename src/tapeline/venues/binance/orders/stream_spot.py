"""The private stream of spot: orders, fills and balances.

https://developers.binance.com/docs/binance-spot-api-docs/user-data-stream
"""

from collections.abc import Mapping

import msgspec

from tapeline.errors import BadData
from tapeline.model.account import Balance, Fill, ListUpdate, OrderUpdate, Payment
from tapeline.model.number import EXACT, ZERO, number
from tapeline.venues.binance.orders import wire
from tapeline.venues.binance.orders.private import Dialect, Items, Owner
from tapeline.venues.binance.orders.words import (
    LIST_STATES,
    MS_NS,
    POST_ONLY,
    SIDES,
    SPOT_KINDS,
    STATES,
    TIMES,
    TRIGGERED,
    filled_state,
    list_id,
    mean,
    origin_of,
    some,
)
from tapeline.venues.orders import Expired

IGNORED: Mapping[str, str] = {
    "externalLockUpdate": "what is locked elsewhere comes with the balances it changes",
    "USER_LIABILITY_CHANGE": "of margin accounts, which we have not",
    "MARGIN_LEVEL_STATUS_CHANGE": "the same",
    "outboundAccountInfo": "ended in 2020; the account's position follows",
}
WHY: Mapping[str, str] = {
    "INSUFFICIENT_LIQUIDITY": "not_fillable", "UNFILLED_FOK_ORDER_EXPIRED": "not_fillable",
    "UNFILLED_IOC_QUANTITY_EXPIRED": "not_fillable", "EXECUTION_RULE_PRICE_RANGE_EXCEEDED": "price_band",
    "INSUFFICIENT_BALANCES": "balance", "WOULD_MATCH_IMMEDIATELY": "would_cross",
    "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY": "would_trigger", "REJECTED": "other", "EXCHANGE_CANCELED": "other",
    "SELF_TRADE_PREVENTION": "other",
}  # fmt: skip
"""The venue's word for why an order was refused or has expired, to one of REASONS; what is not here is none."""

FILLS = frozenset({"TRADE", "CALCULATED"})  # what happened where something was filled


def execution(report: wire.ExecutionReport, owner: Owner, received_ns: int) -> Items:
    """An order, and the fill before it where there is one.

    A fill without a price (seen in the wild) says nothing that could be booked: it is asked for by its id.
    """
    instrument, client_id = owner.id_of(report.s), report.C or report.c
    at_ns, origin = report.T * MS_NS, origin_of(client_id)
    filled, size = number(report.z) or ZERO, some(report.q)
    why = next((word for word in (report.r, report.eR) if word not in {"NONE", ""}), "")
    kind = kind_of(report.o, report.d)
    order = OrderUpdate(
        instrument, "orders", at_ns, received_ns, owner.source, owner.account, client_id=client_id,
        venue_id=str(report.i), state=filled_state(STATES.get(report.X, ""), filled, size), side=SIDES[report.S],
        kind=kind, size=size, price=some(report.p), stop_price=some(report.P), filled=filled,
        average=mean(number(report.Z) or ZERO, filled), time_in_force=TIMES.get(report.f, report.f.lower()),
        post_only=report.o in POST_ONLY,
        triggered=kind in TRIGGERED and (bool(filled) or (report.W or -1) > 0), why=why, reason=WHY.get(why, ""),
        origin=origin, list_id=list_id(report.g),
    )  # fmt: skip
    last, price = some(report.l), some(report.L)
    if report.x not in FILLS or report.t <= 0 or last is None or price is None:
        return (order,)
    fill = Fill(
        instrument, "fills", at_ns, received_ns, owner.source, owner.account, id=str(report.t), client_id=client_id,
        venue_id=order.venue_id, side=order.side, price=price, size=last, fee=number(report.n),
        fee_currency=report.N or "", liquidity="maker" if report.m else "taker", origin=origin,
    )  # fmt: skip
    return (fill, order)


def kind_of(type_: str, trailing_delta: int | None) -> str:
    """Our word for an order's type; a stop that trails is a kind of its own."""
    kind = SPOT_KINDS.get(type_, type_.lower())
    return "trailing_stop" if trailing_delta and kind in {"stop", "stop_limit"} else kind


def order_list(status: wire.ListStatus, owner: Owner, received_ns: int) -> Items:
    """How a list stands; its orders tell of themselves."""
    return (
        ListUpdate(
            owner.id_of(status.s), "orders", status.T * MS_NS, received_ns, owner.source, owner.account,
            list_id=list_id(status.g), client_id=status.C, state=LIST_STATES.get(status.L, "open"),
            kind=status.c.lower(), orders=tuple((each.c, str(each.i)) for each in status.O),
            why="" if status.r == "NONE" else status.r,
        ),
    )  # fmt: skip


def balances(position: wire.AccountPosition, owner: Owner, received_ns: int) -> Items:
    """Absolute balances of the currencies that may have changed."""
    return [_balance(each, owner, position.u * MS_NS, received_ns) for each in position.B]


def _balance(said: wire.SpotBalance, owner: Owner, at_ns: int, received_ns: int) -> Balance:
    free, locked = number(said.f), number(said.l)
    if free is None or locked is None:
        raise BadData(f"{owner.venue}: a balance of {said.a} that says {said.f!r} and {said.l!r}", kind="bad_number")
    return Balance(
        None, "balances", at_ns, received_ns, owner.source, owner.account, currency=said.a,
        total=EXACT.add(free, locked), free=free, locked=locked,
    )  # fmt: skip


def transfer(update: wire.BalanceUpdate, owner: Owner, received_ns: int) -> Items:
    """What came in or went out: no order did it."""
    amount = number(update.d) or ZERO
    at_ns = update.T * MS_NS
    return (
        Payment(
            None, "payments", at_ns, received_ns, owner.source, owner.account, id="", currency=update.a, amount=amount,
            kind="transfer",
        ),
    )  # fmt: skip


def _ended(_payload: wire.StreamTerminated, _owner: Owner, _received_ns: int) -> Items:
    return (Expired("eventStreamTerminated"),)


def _key_expired(_payload: wire.ListenKeyExpired, _owner: Owner, _received_ns: int) -> Items:
    return (Expired("listenKeyExpired"),)


SPOT = Dialect(
    readers={
        "executionReport": (msgspec.json.Decoder(wire.ExecutionReport).decode, execution),
        "listStatus": (msgspec.json.Decoder(wire.ListStatus).decode, order_list),
        "outboundAccountPosition": (msgspec.json.Decoder(wire.AccountPosition).decode, balances),
        "balanceUpdate": (msgspec.json.Decoder(wire.BalanceUpdate).decode, transfer),
        "eventStreamTerminated": (msgspec.json.Decoder(wire.StreamTerminated).decode, _ended),
        "listenKeyExpired": (msgspec.json.Decoder(wire.ListenKeyExpired).decode, _key_expired),  # Binance US has keys
    },
    ignored=IGNORED,
)

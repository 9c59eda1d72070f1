"""The private stream of USD-M futures: orders, fills, balances and positions.

https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams
"""

from collections.abc import Mapping

import msgspec

from tapeline.model.account import Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.number import ZERO, number
from tapeline.venues.binance.orders import wire
from tapeline.venues.binance.orders.private import Dialect, Items, Owner
from tapeline.venues.binance.orders.stream_spot import FILLS
from tapeline.venues.binance.orders.words import (
    ALGO,
    ALGO_STATES,
    CONDITIONAL,
    MS_NS,
    POSITIONS,
    POST_ONLY,
    SIDES,
    STATES,
    TIMES,
    USDM_KINDS,
    filled_state,
    origin_of,
    some,
)
from tapeline.venues.orders import Expired

IGNORED: Mapping[str, str] = {
    "TRADE_LITE": "an order update says the same of each fill, with its fee",
    "ACCOUNT_CONFIG_UPDATE": "leverage and multi-assets mode: asked for when they matter",
    "STRATEGY_UPDATE": "of the venue's own strategies; their orders tell of themselves",
    "GRID_UPDATE": "the same",
}
EVENTS = ("ORDER_TRADE_UPDATE", "ALGO_UPDATE", "CONDITIONAL_ORDER_TRIGGER_REJECT", "ACCOUNT_UPDATE", "MARGIN_CALL",
          "listenKeyExpired")  # fmt: skip
"""What we ask a private stream for: all that we read."""

EXPIRED: Mapping[str, tuple[str, str]] = {
    "1": ("self-trade prevention", "other"),
    "2": ("the rest of an IOC order", "not_fillable"),
    "3": ("the rest of an IOC order, by self-trade prevention", "not_fillable"),
    "4": ("knocked out by a reduce-only order that goes first, or it would turn the position", "reduce_only"),
    "5": ("the account was liquidated", "margin"),
    "6": ("its condition is not met any more", "other"),
    "7": ("the symbol was delisted", "market_closed"),
}
"""`er`: why an order expired, in words and as one of REASONS."""

CHANGES: Mapping[str, str] = {
    "ORDER": "fill", "FUNDING_FEE": "funding", "DEPOSIT": "transfer", "WITHDRAW": "transfer",
    "WITHDRAW_REJECT": "transfer", "MARGIN_TRANSFER": "transfer", "ASSET_TRANSFER": "transfer",
    "COIN_SWAP_DEPOSIT": "transfer", "COIN_SWAP_WITHDRAW": "transfer", "ADMIN_DEPOSIT": "transfer",
    "ADMIN_WITHDRAW": "transfer", "ADJUSTMENT": "adjustment", "INSURANCE_CLEAR": "adjustment",
    "AUTO_EXCHANGE": "adjustment", "OPTIONS_SETTLE_PROFIT": "adjustment",
}  # fmt: skip
"""Why a balance changed, to ours."""
PAID: Mapping[str, str] = {"INSURANCE_CLEAR": "liquidation"}
"""The same of a payment, where that knows a better word: the one that the list of payments has for it."""

_MARGIN = {"isolated": "isolated", "cross": "cross", "crossed": "cross"}


def _why(text: str) -> str:
    """Why a conditional order came to nothing, as one of REASONS: "ReduceOnly Order is rejected." says it."""
    if not text:
        return ""
    return "reduce_only" if "reduce" in text.lower() else "other"


def order_update(update: wire.OrderTradeUpdate, owner: Owner, received_ns: int) -> Items:
    """An order, and the fill before it where there is one. See `stream_spot.execution`."""
    o, at_ns = update.o, update.T * MS_NS
    instrument, origin = owner.id_of(o.s), origin_of(o.c)
    filled, size = number(o.z) or ZERO, some(o.q)
    state = filled_state(STATES.get(o.X, ""), filled, size)
    why, reason = EXPIRED.get(str(o.er), ("", ""))
    if state == "expired" and not why and o.f in POST_ONLY:
        why, reason = "post-only, and it would have taken", "would_cross"
    order = OrderUpdate(
        instrument, "orders", at_ns, received_ns, owner.source, owner.account, client_id=o.c, venue_id=str(o.i),
        state=state, side=SIDES[o.S], kind=USDM_KINDS.get(o.ot or o.o, (o.ot or o.o).lower()), size=size,
        price=some(o.p), stop_price=some(o.sp), filled=filled, average=some(o.ap),
        time_in_force=TIMES.get(o.f, o.f.lower()), post_only=o.f in POST_ONLY, reduce_only=o.R,
        position=POSITIONS[o.ps], triggered=o.ot in CONDITIONAL and o.o != o.ot, why=why, reason=reason, origin=origin,
    )  # fmt: skip
    last, price = some(o.l), some(o.L)
    if o.x not in FILLS or o.t <= 0 or last is None or price is None:
        return (order,)
    fill = Fill(
        instrument, "fills", at_ns, received_ns, owner.source, owner.account, id=str(o.t), client_id=o.c,
        venue_id=order.venue_id, side=order.side, price=price, size=last, fee=number(o.n), fee_currency=o.N or "",
        liquidity="maker" if o.m else "taker", realised=number(o.rp), position=order.position, origin=origin,
    )  # fmt: skip
    return (fill, order)


def algo_update(update: wire.AlgoUpdate, owner: Owner, received_ns: int) -> Items:
    """A conditional order. Once triggered it goes by the id of the order it became, which tells of its own fills."""
    o = update.o
    filled, size, became = number(o.aq) or ZERO, some(o.q), str(o.ai)
    state = ALGO_STATES.get(o.X, "")
    if not state:  # FINISHED: whatever became of the order it turned into
        state = "filled" if size is not None and filled >= size else "cancelled"
    return (
        OrderUpdate(
            owner.id_of(o.s), "orders", update.T * MS_NS, received_ns, owner.source, owner.account, client_id=o.caid,
            venue_id=became or f"{ALGO}{o.aid}", state=state, side=SIDES[o.S],
            kind=USDM_KINDS.get(o.o, o.o.lower()), size=size, price=some(o.p), stop_price=some(o.tp), filled=filled,
            average=some(o.ap) if filled else None, time_in_force=TIMES.get(o.f, o.f.lower()),
            post_only=o.f in POST_ONLY, reduce_only=o.R, position=POSITIONS[o.ps],
            triggered=bool(became), why=o.rm, reason=_why(o.rm),
        ),
    )  # fmt: skip


def trigger_refused(update: wire.ConditionalReject, owner: Owner, received_ns: int) -> Items:
    """A conditional order that was triggered, and refused then: it is over."""
    o = update.refused
    return (
        OrderUpdate(
            owner.id_of(o.s), "orders", update.T * MS_NS, received_ns, owner.source, owner.account, client_id="",
            venue_id=str(o.i), state="expired", why=o.r, reason="other",
        ),
    )  # fmt: skip


def account_update(update: wire.AccountUpdate, owner: Owner, received_ns: int) -> Items:
    """Balances and positions that changed, and payments that no fill explains."""
    at_ns, body = update.T * MS_NS, update.a
    reason = CHANGES.get(body.m, "")
    kind = PAID.get(body.m, reason or "adjustment")
    items: list[Payment | Balance | Position] = []
    for each in body.B:
        paid = number(each.bc) or ZERO
        if paid != ZERO and reason != "fill":
            items.append(
                Payment(
                    owner.id_of(body.S) if body.S else None, "payments", at_ns, received_ns, owner.source,
                    owner.account, id="", currency=each.a, amount=paid, kind=kind,
                )
            )  # fmt: skip
        items.append(
            Balance(
                None, "balances", at_ns, received_ns, owner.source, owner.account, currency=each.a,
                total=number(each.wb), reason=reason,
            )
        )  # fmt: skip
    items += [position(each, owner, at_ns, received_ns) for each in body.P]
    return items


def position(
    said: wire.UsdmPosition | wire.CalledPosition, owner: Owner, at_ns: int, received_ns: int
) -> Position:  # fmt: skip
    """A position as the stream says it; `entry_price` is None where there is none."""
    size = number(said.pa) or ZERO
    if said.ps == "SHORT":
        size = -abs(size)
    entry = some(said.ep) if isinstance(said, wire.UsdmPosition) else None
    mark = None if isinstance(said, wire.UsdmPosition) else some(said.mp)
    return Position(
        owner.id_of(said.s), "positions", at_ns, received_ns, owner.source, owner.account, size=size,
        position=POSITIONS[said.ps], entry_price=entry, mark_price=mark, unrealised=number(said.up),
        margin_mode=_MARGIN.get(said.mt.lower(), ""),
    )  # fmt: skip


def margin_call(call: wire.MarginCall, owner: Owner, received_ns: int) -> Items:
    """Positions near liquidation, with their mark prices."""
    return [position(each, owner, call.E * MS_NS, received_ns) for each in call.p]


def _expired(_payload: wire.ListenKeyExpired, _owner: Owner, _received_ns: int) -> Items:
    return (Expired("listenKeyExpired"),)


USDM = Dialect(
    readers={
        "ORDER_TRADE_UPDATE": (msgspec.json.Decoder(wire.OrderTradeUpdate).decode, order_update),
        "ALGO_UPDATE": (msgspec.json.Decoder(wire.AlgoUpdate).decode, algo_update),
        "CONDITIONAL_ORDER_TRIGGER_REJECT": (msgspec.json.Decoder(wire.ConditionalReject).decode, trigger_refused),
        "ACCOUNT_UPDATE": (msgspec.json.Decoder(wire.AccountUpdate).decode, account_update),
        "MARGIN_CALL": (msgspec.json.Decoder(wire.MarginCall).decode, margin_call),
        "listenKeyExpired": (msgspec.json.Decoder(wire.ListenKeyExpired).decode, _expired),
    },
    ignored=IGNORED,
)

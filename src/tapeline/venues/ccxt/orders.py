"""Orders and accounts through ccxt: what is asked of the bridge, and its rows as events. Pure."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from tapeline.errors import BadData, OrderRefused
from tapeline.model.account import AccountEvent, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.number import ZERO, number, plain
from tapeline.model.secret import Credentials
from tapeline.venues.ccxt.market import rows_of
from tapeline.venues.ccxt.wire import (
    MS_NS,
    UNREADABLE,
    BalanceRow,
    FillRow,
    OrderRow,
    PaymentRow,
    PositionRow,
    at_ns,
)
from tapeline.venues.orders import OrderAnswer, OrderAsk, OrderCall
from tapeline.venues.request import Request

ACTING = frozenset({"place", "amend", "cancel", "cancel_all"})
STATES: Mapping[str, str] = {
    "open": "open", "canceled": "cancelled", "cancelled": "cancelled", "canceling": "cancelling",
    "expired": "expired", "rejected": "rejected",
}  # fmt: skip
"""ccxt's words for states, but `closed`, which needs the figures."""


class Reading(msgspec.Struct, frozen=True):
    """What every event of an answer has in common."""

    id_of: Callable[[str], str]
    account: str
    received_ns: int
    source: str


# ---- rows as events ------------------------------------------------------------------------------------------------


def order_update(row: OrderRow, by: Reading) -> OrderUpdate:
    """An order. `closed` with less filled than was wanted is one that the exchange has ended: cancelled."""
    size, filled = number(row.amount), number(row.filled)
    return OrderUpdate(
        by.id_of(row.symbol) if row.symbol else None, "orders", at_ns(row), by.received_ns, by.source, by.account,
        client_id=row.client_id or "", venue_id=row.id or "", state=_state(row, size, filled), side=row.side or "",
        kind=row.type or "", size=size, price=number(row.price) or None, stop_price=number(row.stop_price) or None,
        filled=filled, average=number(row.average) or None, time_in_force=(row.time_in_force or "").lower(),
        post_only=bool(row.post_only), reduce_only=bool(row.reduce_only),
    )  # fmt: skip


def _state(row: OrderRow, size: Decimal | None, filled: Decimal | None) -> str:
    if row.status == "closed":
        return "cancelled" if size is not None and filled is not None and filled < size else "filled"
    if row.status is None:
        return "submitted"  # it was taken, and no more is known
    state = STATES.get(row.status)
    if state is None:
        raise BadData(f"{row.status!r} is no status of ccxt's", kind="schema")
    return "partly_filled" if state == "open" and filled else state


def fill(row: FillRow, by: Reading) -> Fill:
    """A fill. ccxt's fees are positive where they were paid."""
    price, size = number(row.price), number(row.amount)
    if price is None or size is None:
        raise BadData(f"fill {row.id} has no price or no size", kind="schema")
    liquidity = row.liquidity if row.liquidity in {"maker", "taker"} else ""
    return Fill(
        by.id_of(row.symbol), "fills", at_ns(row), by.received_ns, by.source, by.account, id=row.id,
        client_id=row.client_id or "", venue_id=row.order or "", side=row.side, price=price, size=size,
        fee=number(row.fee), fee_currency=row.fee_currency or "", liquidity=liquidity or "",
    )  # fmt: skip


def balance(row: BalanceRow, by: Reading) -> Balance:
    """What is held of one currency."""
    return Balance(
        None, "balances", None, by.received_ns, by.source, by.account, currency=row.currency, total=number(row.total),
        free=number(row.free), locked=number(row.used),
    )  # fmt: skip


def position(row: PositionRow, by: Reading) -> Position:
    """A position; in hedge mode each side by itself."""
    size = number(row.contracts) or ZERO
    return Position(
        by.id_of(row.symbol), "positions", None, by.received_ns, by.source, by.account,
        size=size.copy_negate() if row.side == "short" else size,
        position=(row.side or "net") if row.hedged else "net", entry_price=number(row.entry_price),
        mark_price=number(row.mark_price), unrealised=number(row.unrealised),
        liquidation_price=number(row.liquidation_price) or None, leverage=number(row.leverage),
        margin_mode=row.margin_mode or "",
    )  # fmt: skip


def payment(row: PaymentRow, by: Reading) -> Payment:
    """Funding."""
    amount = number(row.amount)
    if amount is None:
        raise BadData(f"payment {row.id} has no amount", kind="schema")
    return Payment(
        by.id_of(row.symbol) if row.symbol else None, "payments", at_ns(row), by.received_ns, by.source, by.account,
        id=row.id, currency=row.currency, amount=amount, kind="funding",
    )  # fmt: skip


Make = Callable[[Any, Reading], AccountEvent]
KINDS: Mapping[str, tuple[Any, Make]] = {
    "orders": (OrderRow, order_update), "fills": (FillRow, fill), "balances": (BalanceRow, balance),
    "positions": (PositionRow, position), "payments": (PaymentRow, payment),
}  # fmt: skip


def _reader(row: Any) -> Callable[[Raw | bytes], Any]:
    return msgspec.json.Decoder(list[row]).decode


_READERS = {of: _reader(row) for of, (row, _) in KINDS.items()}


def events(of: str, rows: Raw | bytes, by: Reading) -> list[AccountEvent]:
    """Rows of a kind as events. Raises BadData."""
    if of not in KINDS:
        raise BadData(f"{of[:40]!r} is nothing that an account tells of", kind="unknown_type")
    try:
        return [KINDS[of][1](row, by) for row in _READERS[of](rows)]
    except UNREADABLE as error:
        raise BadData(f"{of}: {error}", kind="schema") from error


# ---- asking --------------------------------------------------------------------------------------------------------


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _build(ask: OrderAsk) -> Request:
    """Everything that is known of it, by one shape for all calls. Raises OrderRefused for what cannot be said."""
    intent, instrument = ask.intent, ask.instrument
    body: dict[str, Any] = {
        "symbol": instrument.native if instrument is not None else None, "client_id": ask.client_id,
        "venue_id": ask.venue_id, "since": None if ask.from_ns is None else max(1, ask.from_ns // MS_NS),
        "until": None if ask.to_ns is None else -(-ask.to_ns // MS_NS),
    }  # fmt: skip
    if intent is not None:
        if intent.position != "net":
            raise OrderRefused("hedge mode is not supported through ccxt", reason="position_mode")
        body |= {
            "side": intent.side, "type": intent.kind, "amount": _text(ask.size or intent.size),
            "price": _text(ask.price or intent.price), "cost": _text(intent.quote_size),
            "time_in_force": intent.time_in_force, "post_only": intent.post_only, "reduce_only": intent.reduce_only,
        }  # fmt: skip
    return Request("POST", f"/{ask.call}", body=msgspec.json.encode(body))


def sign(request: Request, credentials: Credentials, _venue_ns: int) -> Request:
    """What ccxt needs to sign by itself goes along, within this process, and is never shown."""
    return msgspec.structs.replace(request, headers=(*request.headers, *keys_of(credentials).items()))


def with_key(request: Request, credentials: Credentials) -> Request:
    """The same: there is no call that takes the key alone."""
    return sign(request, credentials, 0)


def keys_of(credentials: Credentials) -> dict[str, str]:
    """Key, secret and passphrase as they are."""
    found = {"key": credentials.key, "secret": credentials.secret, "passphrase": credentials.passphrase}
    return {name: secret.reveal() for name, secret in found.items() if secret is not None}


# ---- reading -------------------------------------------------------------------------------------------------------


def order_calls(venue: str) -> Mapping[str, OrderCall]:
    """Every call, for the venue of this name."""

    def call(of: str, *, per_instrument: bool = False) -> OrderCall:
        def parse(body: bytes, ask: OrderAsk, ids: Mapping[str, str], received_ns: int) -> Sequence[OrderAnswer]:
            derivative = ask.instrument is not None and ask.instrument.kind != "spot"
            what = f"{venue} {ask.call} {ask.client_id or ask.venue_id}".rstrip()
            rows = rows_of(body, what, acting=ask.call in ACTING, derivative=derivative)
            by = Reading(lambda native: ids.get(native) or f"{venue}:{native}", ask.account, received_ns, "rest")
            found = events(of, rows, by)
            return [_of_what_was_done(each, ask) for each in found] if ask.call in ACTING | {"order"} else found

        return OrderCall(build=_build, parse=parse, per_instrument=per_instrument)

    return {
        "place": call("orders"), "amend": call("orders"), "cancel": call("orders"), "cancel_all": call("orders"),
        "order": call("orders"), "open_orders": call("orders", per_instrument=True),
        "fills": call("fills", per_instrument=True), "balances": call("balances"), "positions": call("positions"),
        "payments": call("payments", per_instrument=True),
    }  # fmt: skip


def _of_what_was_done(event: AccountEvent, ask: OrderAsk) -> AccountEvent:
    """Exchanges answer with little more than an id: what was asked says the rest."""
    if not isinstance(event, OrderUpdate):
        return event
    state = event.state
    if ask.call == "place" and state == "submitted":
        state = "open"
    if ask.call == "place" and state in {"filled", "cancelled"} and not event.filled:
        state = "open"  # closed, and nothing is known to be filled: the fills will tell
    if ask.call == "cancel" and state in {"submitted", "open", "partly_filled"}:
        state = "cancelling"
    named = ask.instrument.id if ask.instrument is not None else None
    return msgspec.structs.replace(
        event, instrument=event.instrument or named, state=state, venue_id=event.venue_id or ask.venue_id,
        client_id=ask.client_id or event.client_id,
    )  # fmt: skip

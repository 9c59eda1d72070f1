"""What a venue says of an account, in few words, for tests."""

from decimal import Decimal
from typing import Any

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.order import Intent
from tapeline.trading.applied import Applied
from tapeline.trading.input import Failed, Sent
from tapeline.trading.orders import Blotter
from tapeline.trading.risk.check import Approved, approve_flatten

BTC = "v:BTC/USDT"
A = "main"


def d(text: str | int | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def intent(
    side: str = "buy", size: str | None = "3", price: str | None = "10", *, kind: str = "limit", strategy: str = "s",
    account: str = A, instrument: str = BTC, quote_size: str | None = None, reduce_only: bool = False,
    position: str = "net",
) -> Intent:  # fmt: skip
    return Intent(
        instrument=instrument, side=side, kind=kind, size=d(size), price=d(price), strategy=strategy, account=account,
        quote_size=d(quote_size), reduce_only=reduce_only, position=position,
    )  # fmt: skip


def update(
    client_id: str, state: str, at_ns: int | None = None, *, venue_id: str = "", filled: str | None = None,
    average: str | None = None, size: str | None = None, price: str | None = None, side: str = "buy",
    source: str = "ws", account: str = A, instrument: str = BTC, why: str = "", reason: str = "", origin: str = "",
    position: str = "net",
) -> OrderUpdate:  # fmt: skip
    return OrderUpdate(
        instrument, "orders", at_ns, 0 if at_ns is None else at_ns, source, account, client_id=client_id,
        venue_id=venue_id, state=state, side=side, kind="limit", size=d(size), price=d(price), filled=d(filled),
        average=d(average), why=why, reason=reason, origin=origin, position=position,
    )  # fmt: skip


def fill(
    name: str, client_id: str, size: str = "1", price: str = "10", *, side: str = "buy", venue_id: str = "",
    fee: str | None = "0", fee_currency: str = "USDT", account: str = A, instrument: str = BTC, at_ns: int = 0,
    position: str = "net", realised: str | None = None, source: str = "ws",
) -> Fill:  # fmt: skip
    return Fill(
        instrument, "fills", at_ns, at_ns, source, account, id=name, client_id=client_id, venue_id=venue_id, side=side,
        price=Decimal(price), size=Decimal(size), fee=d(fee), fee_currency=fee_currency if fee is not None else "",
        position=position, realised=d(realised),
    )  # fmt: skip


def sent(client_id: str, what: str = "submit", at_ns: int = 1) -> Sent:
    return Sent(client_id, what, at_ns)


def failed(client_id: str, what: str, outcome: str, reason: str = "", at_ns: int = 2) -> Failed:
    return Failed(client_id, what, outcome, at_ns, f"{what} {outcome}", reason)


def placed(blotter: Blotter, size: str = "3", side: str = "buy", **more: Any) -> str:
    """An order that the venue has acknowledged."""
    client_id = blotter.next_id("s")
    blotter.intend(client_id, intent(side, size, **more), 1)
    blotter.apply(sent(client_id), 2)
    blotter.apply(update(client_id, "open", 10, venue_id=f"v{client_id}", size=size, price="10"), 11)
    return client_id


def order_of(blotter: Blotter, client_id: str) -> Any:
    order = blotter.order(client_id)
    assert order is not None
    return order


def words(applied: Applied) -> str:
    return "; ".join(note.text for note in applied.notes)


def worst(blotter: Blotter, **more: str) -> Any:
    return blotter.worst(A, BTC, **more)[:2]


def approved(client_id: str, wanted: Intent) -> Approved:
    """As risk approves what closes a position."""
    size = wanted.size or Decimal(0)
    order = approve_flatten(wanted, -size if wanted.side == "buy" else size, client_id=client_id)
    assert isinstance(order, Approved)
    return order

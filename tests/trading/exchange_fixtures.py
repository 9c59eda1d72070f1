"""A small paper exchange for tests: a spot market and a perpetual, both 99 x 100."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tapeline.model.account import AccountEvent, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.event import BookSnapshot, Mark, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.number import plain
from tapeline.model.order import Intent
from tapeline.trading.paper.exchange import Exchange

D = Decimal
SPOT = Instrument(
    venue="toy", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT",
    tick=D("0.01"), lot=D("0.001"), min_size=D("0.002"), min_notional=D(5),
)  # fmt: skip
PERP = Instrument(
    venue="toy", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    tick=D("0.1"), lot=D(1), size_unit="contract", contract_size=D("0.1"),
)  # fmt: skip
ASKS = [("100", "2"), ("101", "3"), ("110", "50")]
BIDS = [("99", "5"), ("98", "4"), ("90", "50")]


def exchange(
    *, usdt: str = "1000", btc: str = "0", hedge: bool = False, shown: bool = True, **settings: Any
) -> Exchange:
    """With an account "a"; the market is known unless not `shown`."""
    made = Exchange({SPOT.id: SPOT, PERP.id: PERP}, **settings)
    made.open_account("a", {"USDT": D(usdt), "BTC": D(btc)}, hedge=hedge)
    if shown:
        for instrument in (SPOT, PERP):
            made.market(book(instrument), 1)
    return made


def book(
    instrument: Instrument, bids: Sequence[tuple[str, str]] = BIDS, asks: Sequence[tuple[str, str]] = ASKS, seq: int = 1
) -> BookSnapshot:
    return BookSnapshot(instrument.id, "book", seq, seq, "ws", bids, asks, last_seq=seq)


def trade(instrument: Instrument, price: str, size: str, side: str = "sell", at_ns: int = 10) -> Trade:
    return Trade(instrument.id, "trades", at_ns, at_ns, "ws", "1", 1, side, D(price), D(size))


def mark(price: str, at_ns: int = 10) -> Mark:
    return Mark(PERP.id, "mark", at_ns, at_ns, "ws", D(price))


def intent(side: str, size: str | None, price: str | None = None, *, of: Instrument = SPOT, **more: Any) -> Intent:
    kind = "market" if price is None else "limit"
    return Intent(
        instrument=of.id, side=side, size=None if size is None else D(size), price=None if price is None else D(price),
        **{"kind": kind, **more},
    )  # fmt: skip


def text(value: Decimal | None) -> str:
    return "-" if value is None else plain(value)


def said(events: Sequence[AccountEvent]) -> list[str]:
    """Account events, one short line each, in their order."""
    lines = []
    for event in events:
        match event:
            case OrderUpdate():
                of = f"{text(event.filled)}/{text(event.size)}"
                lines.append(f"{event.client_id} {event.state} {of} {event.reason}".strip())
            case Fill():
                fee = f"fee {text(event.fee)} {event.fee_currency} {event.liquidity}"
                lines.append(f"{event.client_id} fill {text(event.size)} at {text(event.price)} {fee}")
            case Balance():
                lines.append(f"{event.currency} {text(event.total)} free {text(event.free)} {event.reason}".strip())
            case Position():
                lines.append(f"{event.position} {text(event.size)} entry {text(event.entry_price)}")
            case Payment():
                lines.append(f"{event.kind} {text(event.amount)} {event.currency}")
            case _:
                raise AssertionError(event)
    return lines

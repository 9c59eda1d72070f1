"""OKX's private items to events of the account: the one reading of each, whether a push or a REST row brought it. Pure.

Raises BadData, or what `UNREADABLE` names, for an item that does not mean what it should.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tapeline.errors import BadData
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.number import EXACT, ZERO, number
from tapeline.venues.okx.order_refusals import reason as reason_of
from tapeline.venues.okx.order_wire import (
    ADJUSTMENT,
    ALGO,
    ALGO_STATE_OF,
    BILL_KINDS,
    CANCEL_SOURCES,
    EVENT_REASONS,
    LEVELS,
    LIQUIDITY_OF,
    MARKET_PRICE,
    ORIGIN_OF,
    SET_OFF,
    STATE_OF,
    STYLE_OF,
    TRAILING,
    AccountItem,
    AlgoItem,
    BalanceAndPosition,
    BalanceItem,
    BillItem,
    ConfigItem,
    FillItem,
    OrderItem,
    PositionItem,
    Style,
    Text,
)

MS_NS = 1_000_000
MOST_MS = 9_000_000_000_000  # keeps nanoseconds in 64 bits
UNSAID = Style("")


@dataclass(frozen=True, slots=True)
class Reading:
    """What every event of one frame or body has in common. `id_of`: native symbol -> instrument id."""

    id_of: Callable[[str], str]
    account: str
    received_ns: int
    source: str


def order_update(item: OrderItem, by: Reading) -> OrderUpdate:
    """The venue's word on an order. One that an algo order placed goes on under that one's client id."""
    state = STATE_OF.get(item.state)
    if state is None:
        raise BadData(f"okx: an order in the unknown state {item.state[:40]!r}", kind="schema")
    why = item.cancelSourceReason or item.msg or ""
    reason = reason_of(item.code) if item.code not in {None, "", "0"} else ""
    source = CANCEL_SOURCES.get(item.cancelSource or "") if state == "cancelled" else None
    if source is not None:
        state, reason, why = source.state, source.reason, why or source.why
    style = STYLE_OF.get(item.ordType or "", UNSAID)
    if not style.kind and item.algoId:
        style = Style("limit" if item.px else "market")
    return OrderUpdate(
        instrument=by.id_of(item.instId), channel="orders", at_ns=at_ns(item.uTime or item.cTime),
        received_ns=by.received_ns, source=by.source, account=by.account,
        client_id=item.algoClOrdId or item.clOrdId or "", venue_id=item.ordId, state=state, side=_side(item.side),
        kind=style.kind, size=None if _in_quote(item) else number(item.sz), price=_price(item.px),
        filled=number(item.accFillSz), average=_price(item.avgPx), time_in_force=style.time_in_force,
        post_only=style.post_only, reduce_only=_true(item.reduceOnly), position=item.posSide or "net", why=why,
        reason=reason, origin=ORIGIN_OF.get(item.category or "", ""), triggered=bool(item.algoId),
    )  # fmt: skip


def fill_of(item: OrderItem, by: Reading) -> Fill | None:
    """The fill an order's push brings; None where it brings none."""
    size = number(item.fillSz)
    if not item.tradeId or not size:
        return None
    fee = number(item.fillFee)
    currency = item.fillFeeCcy
    if fee is None and size == number(item.accFillSz):
        # The only fill so far: what is paid in all is what it cost.
        fee, currency = number(item.fee), item.feeCcy
    return Fill(
        instrument=by.id_of(item.instId), channel="fills", at_ns=at_ns(item.fillTime or item.uTime),
        received_ns=by.received_ns, source=by.source, account=by.account, id=item.tradeId,
        client_id=item.algoClOrdId or item.clOrdId or "", venue_id=item.ordId, side=_side(item.side),
        price=_needed(item.fillPx), size=size, fee=_turned(fee), fee_currency="" if fee is None else currency or "",
        liquidity=LIQUIDITY_OF.get(item.execType or "", ""), realised=number(item.fillPnl),
        position=item.posSide or "net", origin=ORIGIN_OF.get(item.category or "", ""),
    )  # fmt: skip


def fill(item: FillItem, by: Reading) -> Fill:
    """A fill of REST, or of the `fills` channel. Raises BadData for one that merges several, each with an id."""
    if item.count not in {None, "", "1"}:
        raise BadData(f"okx: {item.count} fills merged into one, each of which `orders` brings", kind="unused")
    fee = number(item.fee)
    return Fill(
        instrument=by.id_of(item.instId), channel="fills", at_ns=at_ns(item.fillTime or item.ts),
        received_ns=by.received_ns, source=by.source, account=by.account, id=item.tradeId,
        client_id=item.clOrdId or "", venue_id=item.ordId or "", side=_side(item.side), price=_needed(item.fillPx),
        size=_needed(item.fillSz), fee=_turned(fee), fee_currency="" if fee is None else item.feeCcy or "",
        liquidity=LIQUIDITY_OF.get(item.execType or "", ""), realised=number(item.fillPnl),
        position=item.posSide or "net",
    )  # fmt: skip


def algo_update(item: AlgoItem, by: Reading) -> OrderUpdate:
    """An algo order as an order of ours. Once it is set off it has the id of the order that it placed."""
    state = ALGO_STATE_OF.get(item.state)
    if state is None:
        raise BadData(f"okx: an algo order in the unknown state {item.state[:40]!r}", kind="schema")
    kind, stop, price = _algo_kind(item)
    placed = item.ordId or next(iter(item.ordIdList or ()), "")
    went_off = item.state in SET_OFF
    failed = item.failCode or ""
    size = number(item.sz)
    return OrderUpdate(
        instrument=by.id_of(item.instId), channel="orders", at_ns=at_ns(item.uTime or _changed(item)),
        received_ns=by.received_ns, source=by.source, account=by.account, client_id=item.algoClOrdId or "",
        venue_id=placed if went_off and placed else ALGO + item.algoId, state=state, side=_side(item.side), kind=kind,
        size=None if item.tgtCcy == "quote_ccy" else size, price=price, stop_price=stop,
        filled=None if went_off and state != "filled" else size if went_off else ZERO,
        average=_price(item.actualPx) if state == "filled" else None,
        time_in_force="", reduce_only=_true(item.reduceOnly), position=item.posSide or "net",
        why=f"{item.state} {failed}" if failed else "", reason=reason_of(failed) if failed else "", triggered=went_off,
    )  # fmt: skip


def _changed(item: AlgoItem) -> Text:
    """When one became what it is, where that is not said: a push is stamped when it is sent, be it old news or new."""
    if item.state in SET_OFF:
        return item.triggerTime or item.cTime
    return item.cTime if ALGO_STATE_OF.get(item.state) == "open" else item.pTime or item.cTime


def _algo_kind(item: AlgoItem) -> tuple[str, Decimal | None, Decimal | None]:
    """(kind, stop price, price): "" for what we have no kind for (an OCO pair, iceberg, TWAP)."""
    if item.ordType == TRAILING:
        return "trailing_stop", _price(item.activePx), None
    name, stop, price = "stop", item.triggerPx, item.ordPx
    if item.ordType == "conditional" and item.slTriggerPx:
        stop, price = item.slTriggerPx, item.slOrdPx
    elif item.ordType == "conditional" and item.tpTriggerPx:
        name, stop, price = "take_profit", item.tpTriggerPx, item.tpOrdPx
    elif item.ordType != "trigger":
        return "", _price(item.slTriggerPx or item.tpTriggerPx or item.triggerPx), None
    if price in {None, "", MARKET_PRICE}:
        return name, number(stop), None
    return f"{name}_limit", number(stop), number(price)


def balance(item: BalanceItem, by: Reading, reason: str = "") -> Balance:
    """One currency: the wallet balance, without unrealised profit."""
    return Balance(
        instrument=None, channel="balances", at_ns=at_ns(item.uTime), received_ns=by.received_ns, source=by.source,
        account=by.account, currency=item.ccy, total=number(item.cashBal),
        free=number(item.availBal or item.availEq), locked=number(item.frozenBal), reason=reason,
    )  # fmt: skip


def balances(items: Iterable[AccountItem], by: Reading) -> Sequence[Balance]:
    """Every currency of an account."""
    return [balance(each, by) for item in items for each in item.details]


def position(item: PositionItem, by: Reading) -> Position:
    """A position; a short one of hedge mode is turned to be negative."""
    side = item.posSide or "net"
    size = _needed(item.pos)
    return Position(
        instrument=by.id_of(item.instId), channel="positions", at_ns=at_ns(item.uTime or item.cTime),
        received_ns=by.received_ns, source=by.source, account=by.account,
        size=EXACT.copy_negate(EXACT.abs(size)) if side == "short" and size else size, position=side,
        entry_price=_price(item.avgPx), mark_price=_price(item.markPx), unrealised=number(item.upl),
        liquidation_price=_price(item.liqPx), leverage=number(item.lever), margin_mode=item.mgnMode or "",
    )  # fmt: skip


def positions(items: Iterable[PositionItem], by: Reading) -> Sequence[Position]:
    """Every position but those of MARGIN, which are borrowed coins: we never borrow."""
    return [position(item, by) for item in items if item.instType != "MARGIN"]


def both(item: BalanceAndPosition, by: Reading) -> Sequence[Balance | Position]:
    """What changed at once, the balances with the reason."""
    reason = EVENT_REASONS.get(item.eventType, ADJUSTMENT)
    return [*(balance(each, by, reason) for each in item.balData), *positions(item.posData, by)]


def payment(item: BillItem, by: Reading) -> Payment | None:
    """A change of balance; None for one that a fill explains, or that changes nothing."""
    amount = number(item.balChg) or number(item.pnl)
    if item.tradeId or not amount:
        return None
    return Payment(
        instrument=by.id_of(item.instId) if item.instId else None, channel="payments", at_ns=at_ns(item.ts),
        received_ns=by.received_ns, source=by.source, account=by.account, id=item.billId, currency=item.ccy,
        amount=amount, kind=BILL_KINDS.get(item.type, ADJUSTMENT),
    )  # fmt: skip


def account_mode(item: ConfigItem, by: Reading) -> AccountMode:
    """How the account is set up."""
    if item.posMode not in {"net_mode", "long_short_mode"}:
        raise BadData(f"okx: unknown position mode {item.posMode[:40]!r}", kind="schema")
    return AccountMode(
        instrument=None, channel="account", at_ns=None, received_ns=by.received_ns, source=by.source,
        account=by.account, hedge=item.posMode == "long_short_mode",
        may_trade="trade" in (item.perm or "").split(","), level=LEVELS.get(item.acctLv, item.acctLv),
    )  # fmt: skip


def at_ns(text: Text) -> int | None:
    """Nanoseconds of the venue's milliseconds; None for "". Raises BadData."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_MS):
        raise BadData(f"okx: {text[:40]!r} is not a time", kind="bad_number")
    return int(text) * MS_NS


def _side(text: str) -> str:
    if text not in {"buy", "sell"}:
        raise BadData(f"okx: {text[:40]!r} is not a side", kind="schema")
    return text


def _needed(text: Text) -> Decimal:
    value = number(text)
    if value is None:
        raise BadData("okx: a number is missing", kind="bad_number")
    return value


def _price(text: Text) -> Decimal | None:
    """A price; "0" says that there is none, as "" does."""
    return number(text) or None


def _turned(fee: Decimal | None) -> Decimal | None:
    """OKX writes what is paid as a negative number, and we as a positive one."""
    return None if fee is None else EXACT.copy_negate(fee) if fee else ZERO


def _true(value: str | bool | None) -> bool:
    return value is True or value == "true"


def _in_quote(item: OrderItem) -> bool:
    """Whether `sz` is what may be spent: so it is of a spot market buy, unless it says otherwise."""
    if item.tgtCcy:
        return item.tgtCcy == "quote_ccy"
    return (item.instType, item.ordType, item.side) == ("SPOT", "market", "buy")

"""Account events as OKX writes them, in rows and pushes of the paper exchange: the inverse of `order_events`. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, plain
from tapeline.model.order import FINAL
from tapeline.venues.okx.order_refusals import code_of_reason
from tapeline.venues.okx.order_wire import (
    BILL_TYPES,
    CANCEL_SOURCES,
    CATEGORY_OF,
    EXECUTION_OF,
    LEVELS,
    MARKET_PRICE,
    STYLE_OF,
    TRAILING,
    WORD_OF,
    AccountItem,
    AlgoItem,
    BalanceItem,
    BillItem,
    ConfigItem,
    FillItem,
    OrderItem,
    PositionItem,
)
from tapeline.venues.okx.placing import ALGO_KINDS
from tapeline.venues.okx.wire import type_of

MS_NS = 1_000_000
_LEVEL_OF = {word: number for number, word in LEVELS.items()}
_ORDTYPE_OF = {style: word for word, style in reversed(list(STYLE_OF.items()))}
_SOURCE_OF = {
    (source.state, source.reason): number for number, source in reversed(list(CANCEL_SOURCES.items())) if source.reason
}


def waits(update: OrderUpdate) -> bool:
    """Whether OKX has it as an algo order still."""
    return update.kind in ALGO_KINDS and not (update.triggered or update.filled)


def order_item(update: OrderUpdate, fill: Fill | None = None) -> OrderItem:
    """An order, with the fill that changed it. One that was set off is the order that its algo order placed."""
    native = native_of(update.instrument)
    spot = type_of(native) == "SPOT"
    set_off = update.kind in ALGO_KINDS
    item = OrderItem(
        instId=native, ordId=update.venue_id, state=WORD_OF[update.state], side=update.side, instType=type_of(native),
        clOrdId="" if set_off else update.client_id, algoClOrdId=update.client_id if set_off else "",
        algoId=update.venue_id if set_off else "", ordType=_ordtype(update), px=_text(update.price),
        sz=_text(update.size), tgtCcy=_target(update, spot=spot), tdMode="cash" if spot else "cross",
        posSide="" if spot else update.position, reduceOnly="true" if update.reduce_only else "false",
        accFillSz=_text(update.filled), avgPx=_text(update.average),
        category=CATEGORY_OF.get(update.origin, "normal"), cTime=ms(update.at_ns), uTime=ms(update.at_ns),
    )  # fmt: skip
    _why(item, update)
    if fill is not None:
        _add_fill(item, update, fill)
    return item


def _ordtype(update: OrderUpdate) -> str:
    if update.kind in ALGO_KINDS:
        return "limit" if update.price is not None else "market"
    wanted = (update.kind, update.time_in_force, update.post_only)
    return next((word for style, word in _ORDTYPE_OF.items() if tuple(style) == wanted), update.kind)


def _target(update: OrderUpdate, *, spot: bool) -> str:
    if not (spot and update.kind == "market"):
        return ""
    return "quote_ccy" if update.size is None else "base_ccy"


def _why(item: OrderItem, update: OrderUpdate) -> None:
    """Why it ended, by the nearest of the venue's own words."""
    if update.state in {"cancelled", "expired"}:
        fok = update.time_in_force == "fok"
        number = _SOURCE_OF.get((update.state, update.reason)) or _SOURCE_OF.get(("cancelled", update.reason), "1")
        item.cancelSource = "13" if number == "14" and fok else number
        item.cancelSourceReason = update.why
    elif update.reason:
        item.code, item.msg = code_of_reason(update.reason), update.why


def _add_fill(item: OrderItem, update: OrderUpdate, fill: Fill) -> None:
    item.tradeId, item.fillPx, item.fillSz = fill.id, _text(fill.price), _text(fill.size)
    item.fillTime, item.execType = ms(fill.at_ns), EXECUTION_OF.get(fill.liquidity, "")
    item.fillFee, item.fillFeeCcy, item.fillPnl = _fee(fill.fee), fill.fee_currency, _text(fill.realised)
    if update.filled == fill.size:
        item.fee, item.feeCcy = item.fillFee, item.fillFeeCcy


def algo_item(update: OrderUpdate) -> AlgoItem:
    """An order that waits for a price, or did."""
    native = native_of(update.instrument)
    spot = type_of(native) == "SPOT"
    went_off = not waits(update)
    state = "effective" if went_off else "canceled" if update.state in FINAL else "live"
    item = AlgoItem(
        algoId=update.venue_id, instId=native, state=state, side=update.side, instType=type_of(native),
        algoClOrdId=update.client_id, ordId=update.venue_id if went_off else "",
        posSide="" if spot else update.position, sz=_text(update.size), tdMode="cash" if spot else "cross",
        reduceOnly="true" if update.reduce_only else "false", actualSz=_text(update.filled),
        cTime=ms(update.at_ns), uTime=ms(update.at_ns),
    )  # fmt: skip
    stop, price = _text(update.stop_price), _text(update.price) or MARKET_PRICE
    if update.kind == "trailing_stop":
        item.ordType, item.activePx = TRAILING, stop
    elif update.kind.startswith("take_profit"):
        item.ordType, item.tpTriggerPx, item.tpOrdPx = "conditional", stop, price
    else:
        item.ordType, item.slTriggerPx, item.slOrdPx = "conditional", stop, price
    return item


def pushed_algo(update: OrderUpdate) -> AlgoItem:
    """The same as a push: one that trails comes without uTime."""
    item = algo_item(update)
    if item.ordType == TRAILING:
        item.uTime, item.pTime = "", item.uTime
        item.triggerTime = "" if waits(update) else item.pTime
    return item


def fill_item(fill: Fill) -> FillItem:
    """A fill, as REST lists it."""
    native = native_of(fill.instrument)
    return FillItem(
        instId=native, tradeId=fill.id, fillPx=plain(fill.price), fillSz=plain(fill.size), side=fill.side,
        ordId=fill.venue_id, clOrdId=fill.client_id, billId=fill.id, instType=type_of(native),
        fillTime=ms(fill.at_ns), ts=ms(fill.at_ns), fee=_fee(fill.fee), feeCcy=fill.fee_currency,
        fillPnl=_text(fill.realised), execType=EXECUTION_OF.get(fill.liquidity, ""),
        posSide="" if type_of(native) == "SPOT" else fill.position,
    )  # fmt: skip


def account_item(balances: Iterable[Balance]) -> AccountItem:
    """Currencies of one account. What OKX calls equity has the unrealised profit in it; here it is the balance."""
    details = [
        BalanceItem(
            ccy=each.currency, cashBal=_text(each.total), eq=_text(each.total), availBal=_text(each.free),
            availEq=_text(each.free), frozenBal=_text(each.locked), ordFrozen=_text(each.locked), upl="0",
            uTime=ms(each.at_ns),
        )
        for each in balances
    ]  # fmt: skip
    return AccountItem(details=details, totalEq="", uTime=max((each.uTime or "" for each in details), default=""))


def position_item(position: Position, instruments: Mapping[str, Instrument]) -> PositionItem:
    """A position; hedge mode writes a short one as a positive number."""
    native = native_of(position.instrument)
    known = instruments.get(position.instrument or "")
    price = position.mark_price or position.entry_price
    size = position.size
    value = "" if known is None or price is None else plain(abs(notional(known, price, size)))
    return PositionItem(
        instId=native, pos=plain(abs(size) if position.position == "short" else size), instType=type_of(native),
        posId=f"{native}-{position.position}", posSide=position.position, mgnMode=position.margin_mode,
        avgPx=_text(position.entry_price), markPx=_text(position.mark_price), upl=_text(position.unrealised),
        liqPx=_text(position.liquidation_price), lever=_text(position.leverage),
        ccy=known.settle if known is not None else "", notionalUsd=value, cTime=ms(position.at_ns),
        uTime=ms(position.at_ns),
    )  # fmt: skip


def bill_item(payment: Payment) -> BillItem:
    """A payment."""
    native = native_of(payment.instrument) if payment.instrument is not None else ""
    return BillItem(
        billId=payment.id, ccy=payment.currency, type=BILL_TYPES.get(payment.kind, BILL_TYPES["adjustment"]),
        balChg=plain(payment.amount), pnl=plain(payment.amount) if payment.kind == "funding" else "0", instId=native,
        instType=type_of(native) if native else "", ts=ms(payment.at_ns),
    )  # fmt: skip


def config_item(mode: AccountMode) -> ConfigItem:
    """How an account is set up."""
    return ConfigItem(
        acctLv=_LEVEL_OF.get(mode.level, "2"), posMode="long_short_mode" if mode.hedge else "net_mode",
        perm="read_only,trade" if mode.may_trade else "read_only",
    )  # fmt: skip


def native_of(instrument: str | None) -> str:
    """BTC-USDT-SWAP of okx:BTC/USDT:USDT, by the rule that names them; what is named by no rule as it is."""
    _, _, symbol = (instrument or "").partition(":")
    pair, _, rest = symbol.partition(":")
    if "/" not in pair:
        return symbol
    name = pair.replace("/", "-")
    if not rest:
        return name
    return f"{name}-{rest.partition('-')[2] or 'SWAP'}"


def ms(at_ns: int | None) -> str:
    """Milliseconds, as text; "" for none."""
    return "" if at_ns is None else str(at_ns // MS_NS)


def _text(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


def _fee(fee: Decimal | None) -> str:
    """What is paid is negative here."""
    return "" if fee is None else plain(EXACT.copy_negate(fee)) if fee else "0"

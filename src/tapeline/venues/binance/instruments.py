"""The instrument list (`exchangeInfo`) as it is read; `listing` writes it."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from tapeline.model.instrument import Instrument
from tapeline.model.number import ZERO, number
from tapeline.model.stamp import iso
from tapeline.venues.binance.wire import Ms

MS_NS = 1_000_000
NEVER_MS = 4_133_404_800_000  # 2100-12-25: the delivery date of what is never delivered

STATUS: Mapping[str, str] = {
    "TRADING": "trading", "PRE_TRADING": "preopen", "PENDING_TRADING": "preopen", "AUCTION_MATCH": "preopen",
    "BREAK": "halted", "HALT": "halted", "END_OF_DAY": "halted", "POST_TRADING": "halted",
    "CANCEL_ONLY": "cancel_only", "PRE_SETTLE": "settling", "SETTLING": "settling", "PRE_DELIVERING": "settling",
    "DELIVERING": "settling", "DELIVERED": "delisted", "CLOSE": "delisted",
}  # fmt: skip
"""The venue's word for an instrument's status, spot and USD-M, to ours."""

SPOT_WORDS: Mapping[str, str] = {
    "trading": "TRADING", "preopen": "PRE_TRADING", "halted": "BREAK", "cancel_only": "CANCEL_ONLY",
    "settling": "BREAK", "delisted": "BREAK",
}  # fmt: skip
USDM_WORDS: Mapping[str, str] = {
    "trading": "TRADING", "preopen": "PENDING_TRADING", "halted": "BREAK", "cancel_only": "CANCEL_ONLY",
    "settling": "SETTLING", "delisted": "CLOSE",
}  # fmt: skip
"""And back: the usual word of several."""


class Filter(msgspec.Struct, gc=False):
    """A rule of orders.

    {"filterType":"PRICE_FILTER","minPrice":"0.00000100","maxPrice":"922327.00000000","tickSize":"0.00000100"}
    """

    filterType: str
    tickSize: str | None = None
    stepSize: str | None = None
    minQty: str | None = None
    minNotional: str | None = None  # spot
    notional: str | None = None  # USD-M


class Symbol(msgspec.Struct, gc=False):
    """An entry of the list.

    {"symbol":"ETHBTC","status":"TRADING","baseAsset":"ETH","quoteAsset":"BTC","filters":[...],...}; USD-M adds
    "contractType":"CURRENT_QUARTER","deliveryDate":1632470400000,"marginAsset":"USDT".
    """

    symbol: str
    baseAsset: str
    quoteAsset: str
    status: str = "TRADING"
    filters: list[Filter] = []
    contractType: str = ""
    marginAsset: str = ""
    deliveryDate: Ms | None = None


class ExchangeInfo(msgspec.Struct, gc=False):
    """The whole answer, of which only the symbols matter here."""

    symbols: list[msgspec.Raw]  # each a Symbol


def pair(venue: str, symbol: Symbol) -> Instrument:
    """A spot pair."""
    bare = Instrument(
        venue=venue, symbol=f"{symbol.baseAsset}/{symbol.quoteAsset}", native=symbol.symbol, kind="spot",
        base=symbol.baseAsset, quote=symbol.quoteAsset, status=STATUS.get(symbol.status, "halted"),
    )  # fmt: skip
    return _with_rules(bare, symbol.filters)


def contract(venue: str, symbol: Symbol) -> Instrument:
    """A linear contract, its size in base. One of a type that is not (yet) named is taken for a perpetual."""
    name = f"{symbol.baseAsset}/{symbol.quoteAsset}:{symbol.marginAsset}"
    expiry_ns = None
    if symbol.contractType and "PERPETUAL" not in symbol.contractType and symbol.deliveryDate is not None:
        expiry_ns = symbol.deliveryDate * MS_NS
        name += f"-{iso(expiry_ns)[2:10].replace('-', '')}"
    bare = Instrument(
        venue=venue, symbol=name, native=symbol.symbol, kind="perpetual" if expiry_ns is None else "future",
        base=symbol.baseAsset, quote=symbol.quoteAsset, settle=symbol.marginAsset,
        status=STATUS.get(symbol.status, "halted"), expiry_ns=expiry_ns,
    )  # fmt: skip
    return _with_rules(bare, symbol.filters)


def _with_rules(bare: Instrument, filters: Iterable[Filter]) -> Instrument:
    """Tick, lot and smallest sizes added. The order of filters is not fixed, and a step of 0 means no such rule."""
    by_type = {each.filterType: each for each in filters}
    price, lot = by_type.get("PRICE_FILTER"), by_type.get("LOT_SIZE")
    least = by_type.get("NOTIONAL") or by_type.get("MIN_NOTIONAL")
    return msgspec.structs.replace(
        bare,
        tick=_rule(price.tickSize) if price else None,
        lot=_rule(lot.stepSize) if lot else None,
        min_size=_rule(lot.minQty) if lot else None,
        min_notional=_rule(least.minNotional or least.notional) if least else None,
    )


def _rule(text: str | None) -> Decimal | None:
    value = number(text)
    return value if value is not None and value > ZERO else None

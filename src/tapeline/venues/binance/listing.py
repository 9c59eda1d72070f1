"""The instrument list as the venue writes it (`exchangeInfo`), with every field that strict clients insist on."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from tapeline.model.instrument import Instrument
from tapeline.venues.binance.instruments import MS_NS, NEVER_MS, SPOT_WORDS, USDM_WORDS

MOST_SIZE, MOST_PRICE = "9000.00000000", "1000000.00000000"
PREVENTION: Final = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]


def exchange_info(instruments: Iterable[Instrument], *, spot: bool) -> dict[str, Any]:
    """The answer that lists these."""
    symbols = [_pair(each) if spot else _contract(each) for each in instruments]
    if spot:
        limits = [_limit("REQUEST_WEIGHT", "MINUTE", 1, 6000), _limit("ORDERS", "SECOND", 10, 50),
                  _limit("ORDERS", "DAY", 1, 160_000), _limit("RAW_REQUESTS", "MINUTE", 5, 300_000)]  # fmt: skip
        return {"timezone": "UTC", "serverTime": 0, "rateLimits": limits, "exchangeFilters": [], "symbols": symbols}
    limits = [_limit("REQUEST_WEIGHT", "MINUTE", 1, 2400), _limit("ORDERS", "SECOND", 10, 300),
              _limit("ORDERS", "MINUTE", 1, 1200)]  # fmt: skip
    names = dict.fromkeys(symbol["marginAsset"] for symbol in symbols)
    assets = [{"asset": name, "marginAvailable": True, "autoAssetExchange": "-10000"} for name in names]
    return {"timezone": "UTC", "serverTime": 0, "futuresType": "U_MARGINED", "rateLimits": limits,
            "exchangeFilters": [], "assets": assets, "symbols": symbols}  # fmt: skip


def _limit(kind: str, interval: str, number: int, most: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": most}


def _pair(instrument: Instrument) -> dict[str, Any]:
    least = _text(instrument.min_notional)
    return {
        "symbol": instrument.native, "status": SPOT_WORDS[instrument.status], "baseAsset": instrument.base,
        "baseAssetPrecision": 8, "quoteAsset": instrument.quote, "quotePrecision": 8, "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
        "orderTypes": [
            "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
        ],
        "icebergAllowed": False, "ocoAllowed": False, "otoAllowed": False, "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True, "allowTrailingStop": True, "cancelReplaceAllowed": True,
        "amendAllowed": True, "pegInstructionsAllowed": False, "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            *_rules(instrument),
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {
                "filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000,
                "minTrailingBelowDelta": 10, "maxTrailingBelowDelta": 2000,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2",
                "askMultiplierUp": "5", "askMultiplierDown": "0.2", "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL", "minNotional": least, "applyMinToMarket": True, "maxNotional": MOST_PRICE,
                "applyMaxToMarket": False, "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ],
        "permissions": [], "permissionSets": [["SPOT"]], "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": PREVENTION,
    }  # fmt: skip


def _contract(instrument: Instrument) -> dict[str, Any]:
    expiry_ns = instrument.expiry_ns
    return {
        "symbol": instrument.native, "pair": instrument.base + instrument.quote,
        "contractType": "PERPETUAL" if expiry_ns is None else "CURRENT_QUARTER",
        "deliveryDate": NEVER_MS if expiry_ns is None else expiry_ns // MS_NS, "onboardDate": 1_569_398_400_000,
        "status": USDM_WORDS[instrument.status], "maintMarginPercent": "2.5000", "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base, "quoteAsset": instrument.quote, "marginAsset": instrument.settle,
        "pricePrecision": _places(instrument.tick), "quantityPrecision": _places(instrument.lot),
        "baseAssetPrecision": 8, "quotePrecision": 8, "underlyingType": "COIN", "underlyingSubType": [],
        "triggerProtect": "0.0500", "liquidationFee": "0.012500", "marketTakeBound": "0.05", "maxMoveOrderLimit": 10000,
        "filters": [
            *_rules(instrument),
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": _text(instrument.min_notional)},
            {
                "filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": [
            "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"], "permissionSets": ["GRID"],
    }  # fmt: skip


def _rules(instrument: Instrument) -> list[dict[str, Any]]:
    tick, lot, least = (_text(value) for value in (instrument.tick, instrument.lot, instrument.min_size))
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": MOST_PRICE, "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": least, "maxQty": MOST_SIZE, "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": least, "maxQty": MOST_SIZE, "stepSize": lot},
    ]


def _places(step: Decimal | None) -> int:
    if step is None:
        return 8
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 8


def _text(value: Decimal | None) -> str:
    return "0" if value is None else format(value, "f")

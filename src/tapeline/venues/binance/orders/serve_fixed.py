"""Calls that clients make when they start, which the venue answers alike to everybody."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tapeline.model.instrument import Instrument
from tapeline.venues.binance.encode import ms
from tapeline.venues.binance.orders.sign import fields_of
from tapeline.venues.orders import OrderRequest

Fixed = Callable[[Mapping[str, str], Sequence[Instrument], int], Any]
MAKER, TAKER = "0.00100000", "0.00100000"
USDM_MAKER, USDM_TAKER = "0.000200", "0.000500"
_NOTHING: Fixed = lambda _fields, _instruments, _now_ns: {}  # noqa: E731  # one answer of a table
_NONE: Fixed = lambda _fields, _instruments, _now_ns: []  # noqa: E731  # the same


def spot_fixed(request: OrderRequest, instruments: Sequence[Instrument], now_ns: int) -> bytes | None:
    """The body; None where it is no such call."""
    return _answered(_SPOT, request, instruments, now_ns)


def usdm_fixed(request: OrderRequest, instruments: Sequence[Instrument], now_ns: int) -> bytes | None:
    """The body; None where it is no such call."""
    return _answered(_USDM, request, instruments, now_ns)


def _answered(
    table: Mapping[tuple[str, str], Fixed], request: OrderRequest, instruments: Sequence[Instrument], now_ns: int
) -> bytes | None:
    found = table.get((request.method, request.path))
    return None if found is None else msgspec.json.encode(found(fields_of(request), instruments, now_ns))


def _wanted(fields: Mapping[str, str], instruments: Sequence[Instrument]) -> list[Instrument]:
    return [one for one in instruments if fields.get("symbol", one.native) == one.native]


def _coins(_fields: Mapping[str, str], instruments: Sequence[Instrument], _now_ns: int) -> Any:
    names = sorted({name for one in instruments for name in (one.base, one.quote)})
    return [
        {
            "coin": name, "depositAllEnable": False, "withdrawAllEnable": False, "name": name, "free": "0",
            "locked": "0", "freeze": "0", "withdrawing": "0", "ipoing": "0", "ipoable": "0", "storage": "0",
            "isLegalMoney": False, "trading": True, "networkList": [],
        }
        for name in names
    ]  # fmt: skip


def _fees(fields: Mapping[str, str], instruments: Sequence[Instrument], _now_ns: int) -> Any:
    return [
        {"symbol": one.native, "makerCommission": MAKER, "takerCommission": TAKER}
        for one in _wanted(fields, instruments)
    ]


def _commission(fields: Mapping[str, str], _instruments: Sequence[Instrument], _now_ns: int) -> Any:
    nothing = {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00000000", "seller": "0.00000000"}
    return {
        "symbol": fields.get("symbol", ""), "standardCommission": {**nothing, "maker": MAKER, "taker": TAKER},
        "specialCommission": nothing, "taxCommission": nothing,
        "discount": {
            "enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "BNB", "discount": "0.75000000"
        },
    }  # fmt: skip


def _usdm_commission(fields: Mapping[str, str], _instruments: Sequence[Instrument], _now_ns: int) -> Any:
    return {
        "symbol": fields.get("symbol", ""), "makerCommissionRate": USDM_MAKER, "takerCommissionRate": USDM_TAKER,
        "rpiCommissionRate": "0.000000",
    }  # fmt: skip


def _brackets(fields: Mapping[str, str], instruments: Sequence[Instrument], _now_ns: int) -> Any:
    """Leverage by size of position: two steps."""
    steps = [
        {"bracket": 1, "initialLeverage": 125, "notionalCap": 300000, "notionalFloor": 0, "maintMarginRatio": 0.004,
         "cum": 0.0},
        {"bracket": 2, "initialLeverage": 50, "notionalCap": 100000000, "notionalFloor": 300000,
         "maintMarginRatio": 0.01, "cum": 1800.0},
    ]  # fmt: skip
    return [
        {"symbol": one.native, "notionalCoef": 1.0, "brackets": steps}
        for one in _wanted(fields, instruments)
    ]  # fmt: skip


def _symbol_config(fields: Mapping[str, str], instruments: Sequence[Instrument], _now_ns: int) -> Any:
    return [
        {"symbol": one.native, "marginType": "CROSSED", "isAutoAddMargin": False, "leverage": 20,
         "maxNotionalValue": "100000000"}
        for one in _wanted(fields, instruments)
    ]  # fmt: skip


def _funding_info(_fields: Mapping[str, str], instruments: Sequence[Instrument], _now_ns: int) -> Any:
    return [
        {"symbol": one.native, "adjustedFundingRateCap": "0.02000000", "adjustedFundingRateFloor": "-0.02000000",
         "fundingIntervalHours": 8, "disclaimer": False}
        for one in instruments
    ]  # fmt: skip


def order_counts(seconds: int, long: str, most: tuple[int, int]) -> list[dict[str, Any]]:
    """How many orders may be placed: in so many seconds, and in a day or a minute."""
    short = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": seconds, "limit": most[0]}
    return [short, {"rateLimitType": "ORDERS", "interval": long, "intervalNum": 1, "limit": most[1]}]


def _spot_counts(_fields: Mapping[str, str], _instruments: Sequence[Instrument], _now_ns: int) -> Any:
    return [{**each, "count": 0} for each in order_counts(10, "DAY", (50, 160_000))]


def _usdm_counts(_fields: Mapping[str, str], _instruments: Sequence[Instrument], _now_ns: int) -> Any:
    return [{**each, "count": 0} for each in order_counts(10, "MINUTE", (300, 1200))]


def _may_do(_fields: Mapping[str, str], _instruments: Sequence[Instrument], now_ns: int) -> Any:
    return {
        "ipRestrict": False, "createTime": ms(now_ns), "enableReading": True, "enableSpotAndMarginTrading": True,
        "enableWithdrawals": False, "enableInternalTransfer": False, "enableMargin": False, "enableFutures": True,
        "permitsUniversalTransfer": False, "enableVanillaOptions": False, "enableFixApiTrade": False,
        "enableFixReadOnly": False, "enablePortfolioMarginTrading": False,
    }  # fmt: skip


_SAPI: Mapping[tuple[str, str], Fixed] = {
    ("GET", "/sapi/v1/margin/allPairs"): _NONE,
    ("GET", "/sapi/v1/margin/isolated/allPairs"): _NONE,
    ("GET", "/sapi/v1/margin/allAssets"): _NONE,
    ("GET", "/sapi/v1/capital/config/getall"): _coins,
    ("GET", "/sapi/v1/asset/tradeFee"): _fees,
    ("GET", "/sapi/v1/account/apiRestrictions"): _may_do,
    ("GET", "/sapi/v1/account/status"): lambda _fields, _instruments, _now_ns: {"data": "Normal"},
    ("GET", "/sapi/v1/system/status"): lambda _fields, _instruments, _now_ns: {"status": 0, "msg": "normal"},
}
_SPOT: Mapping[tuple[str, str], Fixed] = {
    **_SAPI,
    ("GET", "/api/v3/ping"): _NOTHING,
    ("GET", "/api/v1/ping"): _NOTHING,
    ("POST", "/api/v3/order/test"): _NOTHING,
    ("GET", "/api/v3/openOrderList"): _NONE,
    ("GET", "/api/v3/rateLimit/order"): _spot_counts,
    ("GET", "/api/v3/account/commission"): _commission,
    ("GET", "/api/v3/myPreventedMatches"): _NONE,
}
_USDM: Mapping[tuple[str, str], Fixed] = {
    **_SAPI,
    ("GET", "/fapi/v1/ping"): _NOTHING,
    # A client of both markets greets spot at start, whichever it is used for.
    ("GET", "/api/v3/ping"): _NOTHING,
    ("GET", "/api/v3/time"): lambda _fields, _instruments, now_ns: {"serverTime": ms(now_ns)},
    ("POST", "/fapi/v1/order/test"): _NOTHING,
    ("GET", "/fapi/v1/rateLimit/order"): _usdm_counts,
    ("GET", "/fapi/v1/leverageBracket"): _brackets,
    ("GET", "/fapi/v1/commissionRate"): _usdm_commission,
    ("GET", "/fapi/v1/symbolConfig"): _symbol_config,
    ("GET", "/fapi/v1/fundingInfo"): _funding_info,
    ("GET", "/fapi/v1/multiAssetsMargin"): lambda _fields, _instruments, _now_ns: {"multiAssetsMargin": False},
    ("GET", "/fapi/v1/apiTradingStatus"): lambda _fields, _instruments, now_ns: {
        "indicators": {}, "updateTime": ms(now_ns),
    },
    ("GET", "/fapi/v1/forceOrders"): _NONE,
    ("GET", "/fapi/v1/constituents"): _NOTHING,
}  # fmt: skip

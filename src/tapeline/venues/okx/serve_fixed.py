"""What clients of OKX ask at start besides, the same for everybody: currencies, fees, tiers, the funding account. Pure.

ccxt asks for the currencies, signed, before anything else; freqtrade for the tiers of each family it trades.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tapeline.errors import OrderRefused
from tapeline.model.instrument import Instrument
from tapeline.venues.okx.order_rows import ms
from tapeline.venues.okx.serve_orders import query_of
from tapeline.venues.okx.serve_placing import Arg, text
from tapeline.venues.okx.wire import index_of
from tapeline.venues.orders import OrderRequest

MAKER, TAKER = "-0.0008", "-0.001"  # what is paid is negative; spot, at the lowest tier
_json = msgspec.json.encode


def fixed(request: OrderRequest, instruments: Sequence[Instrument], now_ns: int) -> bytes | None:
    """The body of such a call; None where it is none."""
    answer = _FIXED.get(request.path) if request.method == "GET" else None
    if answer is None:
        return None
    try:
        arg = query_of(request.query)
    except OrderRefused:
        return None
    return _json({"code": "0", "msg": "", "data": answer(arg, instruments, now_ns)})


# {"canDep":true,"canInternal":false,"canWd":true,"ccy":"USDT","chain":"USDT-TRC20","mainNet":false,"maxFee":"1.6",
#  "maxWd":"8852150","minFee":"0.8","minWd":"2","name":"Tether","usedWdQuota":"0","wdQuota":"500","wdTickSz":"3"}
def _currencies(_arg: Arg, instruments: Sequence[Instrument], _now_ns: int) -> list[Any]:
    names = dict.fromkeys(
        name for each in instruments for name in (each.base, each.quote, each.settle) if name and name.isalnum()
    )
    return [
        {
            "ccy": name, "name": name, "chain": f"{name}-{name}", "logoLink": "", "mainNet": True, "canDep": False,
            "canWd": False, "canInternal": False, "minDep": "0", "minWd": "0", "maxWd": "0", "wdTickSz": "8",
            "wdQuota": "0", "usedWdQuota": "0", "fee": "0", "minFee": "0", "maxFee": "0", "needTag": False,
        }
        for name in names
    ]  # fmt: skip


# {"category":"1","delivery":"","exercise":"","instType":"SPOT","level":"Lv1","maker":"-0.0008","makerU":"",
#  "makerUSDC":"","taker":"-0.001","takerU":"","takerUSDC":"","ts":"1608623626000","uly":""}
def _fees(arg: Arg, _instruments: Sequence[Instrument], now_ns: int) -> list[Any]:
    return [
        {
            "category": "1", "delivery": "", "exercise": "", "instType": text(arg, "instType") or "SPOT",
            "level": "Lv1", "maker": MAKER, "makerU": MAKER, "makerUSDC": "", "taker": TAKER, "takerU": TAKER,
            "takerUSDC": "", "ts": ms(now_ns), "uly": "",
        },
    ]  # fmt: skip


# {"baseMaxLoan":"50","imr":"0.1","instFamily":"","instId":"BTC-USDT","maxLever":"10","maxSz":"50","minSz":"0",
#  "mmr":"0.03","optMgnFactor":"0","quoteMaxLoan":"500000","tier":"1","uly":""}
def _tiers(arg: Arg, instruments: Sequence[Instrument], _now_ns: int) -> list[Any]:
    """One tier a family, as wide as anybody needs on paper."""
    families = set(text(arg, "instFamily").split(",") + text(arg, "uly").split(",")) - {""}
    found = dict.fromkeys(index_of(each.native) for each in instruments if each.kind != "spot")
    return [
        {
            "tier": "1", "instFamily": family, "uly": family, "instId": "", "minSz": "0", "maxSz": "1000000000",
            "mmr": "0.004", "imr": "0.01", "maxLever": "100", "optMgnFactor": "0", "quoteMaxLoan": "",
            "baseMaxLoan": "",
        }
        for family in found
        if not families or family in families
    ]  # fmt: skip


def _none(_arg: Arg, _instruments: Sequence[Instrument], _now_ns: int) -> list[Any]:
    return []


_FIXED: Mapping[str, Callable[[Arg, Sequence[Instrument], int], list[Any]]] = {
    "/api/v5/asset/currencies": _currencies,
    "/api/v5/asset/balances": _none,
    "/api/v5/account/trade-fee": _fees,
    "/api/v5/public/position-tiers": _tiers,
    "/api/v5/system/status": _none,
    "/api/v5/account/positions-history": _none,
}

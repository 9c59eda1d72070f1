"""ccxt's unified structures as the rows of our own small protocol: what we use of them, numbers as text."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tapeline.model.number import plain
from tapeline.wire.ccxt.exact import text

TICK_SIZE, DECIMAL_PLACES = 4, 2  # ccxt's precision modes; the third counts significant digits
Row = dict[str, Any]
Said = Mapping[str, Any]


def market(of: Said, mode: int) -> Row:
    """A market. Where prices are rounded to significant digits there is no tick."""
    precision, limits = of.get("precision") or {}, of.get("limits") or {}
    return {
        "symbol": of["symbol"], "id": str(of["id"]), "kind": "spot" if of.get("spot") else "perpetual",
        "base": of["base"], "quote": of["quote"], "settle": of.get("settle") or "",
        "active": of.get("active") is not False, "tick": _step(precision.get("price"), mode),
        "lot": _step(precision.get("amount"), mode), "min_size": _least(limits, "amount"),
        "min_notional": _least(limits, "cost"), "contract_size": text(of.get("contractSize")),
    }  # fmt: skip


def wanted(of: Said, kind: str) -> bool:
    """Whether a market is of the kind that a venue lists."""
    return bool(of.get("spot")) if kind == "spot" else bool(of.get("swap")) and bool(of.get("linear"))


def trade(of: Said) -> Row:
    """A trade of the market."""
    return {
        "id": _word(of.get("id")), "timestamp": of.get("timestamp"), "side": of.get("side"),
        "price": text(of.get("price")), "amount": text(of.get("amount")),
    }  # fmt: skip


def quote(of: Said) -> Row:
    """The top of a ticker."""
    return {
        "bid": text(of.get("bid")), "bid_size": text(of.get("bidVolume")), "ask": text(of.get("ask")),
        "ask_size": text(of.get("askVolume")), "timestamp": of.get("timestamp"),
    }  # fmt: skip


def ticker(of: Said) -> Row:
    """The rolling day."""
    names = {"last": "last", "open": "open", "high": "high", "low": "low", "volume": "baseVolume",
             "quote_volume": "quoteVolume", "bid": "bid", "ask": "ask"}  # fmt: skip
    return {ours: text(of.get(theirs)) for ours, theirs in names.items()} | {"timestamp": of.get("timestamp")}


def book(of: Said, levels: int) -> Row:
    """The best levels of both sides."""
    return {
        side: [(text(level[0]), text(level[1])) for level in of[side][:levels]] for side in ("bids", "asks")
    } | {"timestamp": of.get("timestamp")}  # fmt: skip


def quote_of_book(of: Said) -> Row:
    """The top of a book."""
    top = book(of, 1)
    (bid, bid_size), (ask, ask_size) = ((top[side] or [(None, None)])[0] for side in ("bids", "asks"))
    return {"bid": bid, "bid_size": bid_size, "ask": ask, "ask_size": ask_size, "timestamp": top["timestamp"]}


def bar(of: Any) -> list[Any]:
    """A bar: [open time in ms, open, high, low, close, volume]."""
    return [int(of[0]), *(text(value) for value in of[1:6])]


def order(of: Said) -> Row:
    """An order."""
    return {
        "id": _word(of.get("id")), "client_id": _word(of.get("clientOrderId")), "symbol": of.get("symbol"),
        "status": of.get("status"), "type": of.get("type"), "side": of.get("side"), "price": text(of.get("price")),
        "stop_price": text(of.get("triggerPrice") or of.get("stopPrice")), "average": text(of.get("average")),
        "amount": text(of.get("amount")), "filled": text(of.get("filled")), "time_in_force": of.get("timeInForce"),
        "post_only": of.get("postOnly"), "reduce_only": of.get("reduceOnly"),
        "timestamp": of.get("lastUpdateTimestamp") or of.get("lastTradeTimestamp") or of.get("timestamp"),
    }  # fmt: skip


def fill(of: Said) -> Row:
    """A trade of the account. Of several fees in one currency the sum is ccxt's own `fee`."""
    fee = of.get("fee") or next(iter(of.get("fees") or ()), None) or {}
    return {
        "id": str(of["id"]), "order": _word(of.get("order")), "symbol": of["symbol"], "side": of["side"],
        "price": text(of.get("price")), "amount": text(of.get("amount")), "timestamp": of.get("timestamp"),
        "client_id": _word(of.get("clientOrderId")), "liquidity": of.get("takerOrMaker"),
        "fee": text(fee.get("cost")), "fee_currency": fee.get("currency"),
    }  # fmt: skip


def balances(of: Said) -> list[Row]:
    """What is held, a row for each currency."""
    return [
        {"currency": code, "total": text(total), "free": text((of.get("free") or {}).get(code)),
         "used": text((of.get("used") or {}).get(code))}
        for code, total in (of.get("total") or {}).items()
    ]  # fmt: skip


def position(of: Said) -> Row:
    """A position of a linear perpetual."""
    return {
        "symbol": of["symbol"], "side": of.get("side"), "contracts": text(of.get("contracts")),
        "hedged": of.get("hedged"), "entry_price": text(of.get("entryPrice")), "mark_price": text(of.get("markPrice")),
        "unrealised": text(of.get("unrealizedPnl")), "liquidation_price": text(of.get("liquidationPrice")),
        "leverage": text(of.get("leverage")), "margin_mode": of.get("marginMode"),
    }  # fmt: skip


def payment(of: Said) -> Row:
    """Funding, positive where it was got."""
    return {
        "id": str(of["id"]), "symbol": of.get("symbol"), "currency": of["code"], "amount": text(of.get("amount")),
        "timestamp": of.get("timestamp"),
    }  # fmt: skip


def _step(precision: Any, mode: int) -> str | None:
    if precision is None:
        return None
    if mode == TICK_SIZE:
        return text(precision)
    if mode == DECIMAL_PLACES:
        return plain(Decimal(1).scaleb(-int(precision)))
    return None


def _least(limits: Said, of: str) -> str | None:
    return text((limits.get(of) or {}).get("min"))


def _word(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)

"""Impossible values are caught where data enters: a bar with high < low, a negative size, NaN. Pure."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tapeline.model.event import Bar, Event, Funding, Index, Liquidation, Mark, OpenInterest, Quote, Ticker, Trade
from tapeline.model.number import ZERO


def _bad_size(size: Decimal | None) -> bool:
    # is_finite() first: comparing a NaN would raise.
    return size is not None and not (size.is_finite() and size >= ZERO)


def _bad_price(price: Decimal | None) -> bool:
    # Prices may be negative (spreads, some futures), never NaN or infinite.
    return price is not None and not price.is_finite()


def _trade(event: Trade) -> str:
    price, size = event.price, event.size
    if price.is_finite() and size.is_finite() and not size.is_signed():  # nearly all: no calls of ours, no comparison
        return ""
    if _bad_price(event.price) or _bad_size(event.size):
        return f"price {event.price}, size {event.size}"
    return ""


def _quote(event: Quote) -> str:
    bid, bid_size, ask, ask_size = event.bid, event.bid_size, event.ask, event.ask_size
    if bid and bid_size and ask and ask_size and bid.is_finite() and ask.is_finite():  # nearly all, as above
        fine = bid_size.is_finite() and ask_size.is_finite()
        if fine and not bid_size.is_signed() and not ask_size.is_signed():
            return ""
    if any(map(_bad_price, (event.bid, event.ask))) or any(map(_bad_size, (event.bid_size, event.ask_size))):
        return f"bid {event.bid_size} at {event.bid}, ask {event.ask_size} at {event.ask}"
    return ""


def _bar(event: Bar) -> str:
    if _plain_bar(event):
        return ""
    prices = (event.open, event.high, event.low, event.close)
    sizes = (event.volume, event.quote_volume, event.taker_buy_volume)
    if any(map(_bad_price, prices)) or any(map(_bad_size, sizes)):
        return f"prices {' '.join(map(str, prices))}, volumes {' '.join(map(str, sizes))}"
    if event.high < max(prices) or event.low > min(prices):
        return f"open {event.open}, high {event.high}, low {event.low}, close {event.close}"
    if event.trades is not None and event.trades < 0:
        return f"{event.trades} trades"
    return ""


def _plain_bar(event: Bar) -> bool:
    """Nearly all: prices in order, sizes that are numbers; what this does not see is looked at closely."""
    open_, high, low, close, volume = event.open, event.high, event.low, event.close, event.volume
    quote_volume, taker_buy_volume, trades = event.quote_volume, event.taker_buy_volume, event.trades
    if quote_volume is None or taker_buy_volume is None or trades is None or trades < 0:
        return False
    if not (open_.is_finite() and high.is_finite() and low.is_finite() and close.is_finite()):
        return False
    if not (volume.is_finite() and quote_volume.is_finite() and taker_buy_volume.is_finite()):
        return False
    if volume.is_signed() or quote_volume.is_signed() or taker_buy_volume.is_signed():
        return False
    return low <= open_ <= high and low <= close <= high


def _ticker(event: Ticker) -> str:
    prices = (event.last, event.open, event.high, event.low, event.bid, event.ask)
    if any(map(_bad_price, prices)) or any(map(_bad_size, (event.volume, event.quote_volume))):
        return f"last {event.last}, volume {event.volume}"
    return ""


def _priced(event: Mark | Index) -> str:
    return f"price {event.price}" if _bad_price(event.price) else ""


def _funding(event: Funding) -> str:
    return f"rate {event.rate}" if _bad_price(event.rate) else ""


def _open_interest(event: OpenInterest) -> str:
    return f"size {event.size}" if _bad_size(event.size) else ""


def _liquidation(event: Liquidation) -> str:
    if _bad_price(event.price) or _bad_size(event.size):
        return f"price {event.price}, size {event.size}"
    return ""


CHECKS: dict[type, Callable[[Any], str]] = {
    Trade: _trade, Quote: _quote, Bar: _bar, Ticker: _ticker, Mark: _priced, Index: _priced, Funding: _funding,
    OpenInterest: _open_interest, Liquidation: _liquidation,
}  # fmt: skip


def impossible(event: Event) -> str:
    """Why no market can have produced this event; "" where one can.

    Book levels are checked where they become numbers, in the book.
    """
    check = CHECKS.get(type(event))
    return check(event) if check is not None else ""

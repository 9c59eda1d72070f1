"""What a venue checks of an order before it takes it, funds aside. Pure: the first rule that is broken is raised."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tapeline.errors import OrderRefused
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ROUNDING, plain
from tapeline.model.order import KINDS, SIDES, TIMES_IN_FORCE, Intent
from tapeline.trading.paper.funds import Account

_ONE = Decimal(1)
_BETTER = frozenset({"limit", "take_profit", "take_profit_limit"})
_WORSE = frozenset({"stop", "stop_limit"})


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a paper exchange allows beside what its instruments say.

    `price_band` is the fraction by which a limit may be worse than the market; None: any. `leverage` holds where an
    account has chosen none; `maintenance` is the margin rate below which positions are closed. `reuse_ids`: the client
    id of an order that is final may be used again.
    """

    price_band: Decimal | None = Decimal("0.5")
    max_size: Decimal | None = None
    most_open: int = 200  # orders of an account and instrument
    leverage: Decimal = Decimal(20)
    maintenance: Decimal = Decimal("0.005")
    reuse_ids: bool = False


def admit(intent: Intent, instrument: Instrument, status: str, market: Decimal | None, now_ns: int) -> None:
    """Check the form of an order and the state of its instrument. Raises OrderRefused."""
    if status != "trading":
        raise OrderRefused(f"{instrument.id} is {status}", reason="market_closed")
    if instrument.expiry_ns is not None and instrument.expiry_ns <= now_ns:
        raise OrderRefused(f"{instrument.id} has expired", reason="market_closed")
    if instrument.inverse:
        raise OrderRefused(f"{instrument.id}: inverse contracts cannot be traded on paper", reason="unsupported")
    for value, known, name in (
        (intent.side, SIDES, "side"), (intent.kind, KINDS, "kind"),
        (intent.time_in_force, TIMES_IN_FORCE, "time in force"),
    ):  # fmt: skip
        if value not in known:
            raise OrderRefused(f"{name} {value!r} is none of {', '.join(known)}", reason="parameter")
    _complete(intent, instrument, now_ns)
    if intent.price is not None:
        on_grid(instrument, "price", intent.price, instrument.tick, "tick")
    if intent.stop_price is not None:
        on_grid(instrument, "stop price", intent.stop_price, instrument.tick, "tick")
    if intent.size is not None:
        on_grid(instrument, "size", intent.size, instrument.lot, "lot")
        fits(instrument, intent.size, intent.price or intent.stop_price or market, reduces=reduces(intent))
    elif instrument.min_notional is not None and intent.quote_size is not None:
        _worth(instrument, intent.quote_size)


def _complete(intent: Intent, instrument: Instrument, now_ns: int) -> None:
    """All that its kind needs is there, and nothing that contradicts it."""
    limit = intent.kind in {"limit", "stop_limit", "take_profit_limit"}
    waits = intent.kind not in {"market", "limit"}
    spends = intent.quote_size is not None
    faults = (
        (limit and intent.price is None, f"a {intent.kind} order has a price"),
        (not limit and intent.price is not None, f"a {intent.kind} order has no price"),
        ((intent.size is None) is not spends, "an order has a size, or what it may spend, and not both"),
        (spends and (intent.side != "buy" or intent.kind != "market"), "only a market buy says what it may spend"),
        (spends and instrument.kind != "spot", "only a spot order says what it may spend"),
        (waits and intent.stop_price is None and intent.trail is None, f"a {intent.kind} order has a stop price"),
        (not waits and intent.stop_price is not None, f"a {intent.kind} order has no stop price"),
        ((intent.trail is not None) is not (intent.kind == "trailing_stop"), "a trailing stop, and no other, trails"),
        (intent.trail is not None and not 0 < intent.trail < 1, "a stop trails by a fraction of the price"),
        (intent.post_only and (intent.kind != "limit" or intent.time_in_force in {"ioc", "fok"}),
         "an order that is to rest is a limit order without haste"),
        (intent.time_in_force == "gtd" and (intent.expires_ns is None or intent.expires_ns <= now_ns),
         "an order good till a date has one to come"),
        (any(value is not None and value <= 0 for value in
             (intent.size, intent.quote_size, intent.price, intent.stop_price)), "sizes and prices are positive"),
    )  # fmt: skip
    for wrong, text in faults:
        if wrong:
            raise OrderRefused(text, reason="parameter")


def paired(legs: Sequence[tuple[str, Intent]], instrument: Instrument) -> None:
    """Check that two orders make a list: one price that is better and one that is worse. Raises OrderRefused."""
    (name, one), (other_name, other) = legs
    kinds = {one.kind, other.kind}
    faults = (
        (instrument.kind != "spot", "order lists are of spot", "unsupported"),
        (bool(name) and name == other_name, "two orders of a list have one client id", "duplicate"),
        (not (kinds & _BETTER and kinds & _WORSE), "a list is a limit or a take-profit, and a stop", "parameter"),
        ((one.instrument, one.side, one.size) != (other.instrument, other.side, other.size) or one.size is None,
         "orders of a list are of one instrument, side and size", "parameter"),
    )  # fmt: skip
    for wrong, text, reason in faults:
        if wrong:
            raise OrderRefused(text, reason=reason)


def on_grid(instrument: Instrument, name: str, value: Decimal, step: Decimal | None, reason: str) -> None:
    """Raises OrderRefused where a price is between ticks, a size between lots, or either not positive."""
    if value <= 0:
        raise OrderRefused(f"{instrument.id}: {name} {plain(value)} is not positive", reason="parameter")
    if step and ROUNDING.remainder(value, step):
        raise OrderRefused(f"{instrument.id}: {name} {plain(value)} is no multiple of {plain(step)}", reason=reason)


def reduces(intent: Intent) -> bool:
    """Whether an order may only reduce its position: in hedge mode side and position say so, whatever its flag."""
    return intent.reduce_only or (intent.position != "net" and (intent.side == "buy") is (intent.position == "short"))


def fits(instrument: Instrument, size: Decimal, price: Decimal | None, *, reduces: bool) -> None:
    """Raises OrderRefused where an order is too small."""
    if instrument.min_size is not None and size < instrument.min_size:
        least = plain(instrument.min_size)
        raise OrderRefused(f"{instrument.id}: size {plain(size)} is less than {least}", reason="min_size")
    if instrument.min_notional is not None and price is not None and not reduces:
        _worth(instrument, notional(instrument, price, size))


def in_band(intent_side: str, price: Decimal, market: Decimal | None, band: Decimal | None) -> None:
    """Raises OrderRefused where a price is worse for its owner than the band allows."""
    if market is None or band is None:
        return
    worst = EXACT.multiply(
        market, max(Decimal(0), EXACT.add(_ONE, band if intent_side == "buy" else band.copy_negate()))
    )
    if price > worst if intent_side == "buy" else price < worst:
        side = "above" if intent_side == "buy" else "below"
        raise OrderRefused(f"price {plain(price)} is {side} {plain(worst)}, the band's end", reason="price_band")


def may_hold(intent: Intent, instrument: Instrument, account: Account) -> None:
    """Check an order against the account's position and how it holds positions. Raises OrderRefused."""
    spot = instrument.kind == "spot"
    hedged = intent.position != "net"
    if hedged is not (account.hedge and not spot):
        how = "long and short apart" if account.hedge else "one net position"
        raise OrderRefused(f"account {account.name} holds {how}, not {intent.position!r}", reason="position_mode")
    if spot:
        if intent.reduce_only and intent.side == "buy":
            raise OrderRefused("a spot purchase reduces nothing", reason="reduce_only")
        return
    held = account.held(instrument.id, intent.position)
    against = held < 0 if intent.side == "buy" else held > 0
    if reduces(intent) and not against:
        raise OrderRefused(f"{instrument.id}: there is no position to reduce", reason="reduce_only")


def _worth(instrument: Instrument, value: Decimal) -> None:
    least = instrument.min_notional
    if least is not None and value < least:
        text = f"{instrument.id}: worth {plain(value)}, less than {plain(least)} {instrument.quote}"
        raise OrderRefused(text, reason="min_notional")

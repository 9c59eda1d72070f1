"""What a paper exchange answers about an account. Pure; nothing changes."""

from decimal import Decimal

import msgspec

from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.number import EXACT
from tapeline.trading.paper.funds import Account, Stake, Wallet, Working
from tapeline.trading.paper.margin import Margin


class Wanted(msgspec.Struct, frozen=True):
    """Which fills: of [from_ns, to_ns), after this id, of this order."""

    instrument: str | None = None
    after_id: str = ""
    from_ns: int | None = None
    to_ns: int | None = None
    venue_id: str = ""
    limit: int | None = None


def open_orders(account: Account, instrument: str | None, now_ns: int) -> list[OrderUpdate]:
    """Those that are not final, oldest first."""
    return [one.update(now_ns) for one in account.open.values() if _of(one, instrument)]


def orders(account: Account, instrument: str | None, now_ns: int) -> list[OrderUpdate]:
    """All that ever were, oldest first."""
    return [one.update(now_ns) for one in account.orders.values() if _of(one, instrument)]


def fills(account: Account, wanted: Wanted) -> list[Fill]:
    """Oldest first: with a start the oldest from it on, else the newest."""
    after = int(wanted.after_id) if wanted.after_id.isdecimal() else None
    found = [
        one
        for one in account.fills
        if (wanted.instrument is None or one.instrument == wanted.instrument)
        and (after is None or int(one.id) > after)
        and _within(one.at_ns, wanted.from_ns, wanted.to_ns)
        and (not wanted.venue_id or one.venue_id == wanted.venue_id)
    ]
    if wanted.limit is None:
        return found
    from_start = after is not None or wanted.from_ns is not None
    return found[: wanted.limit] if from_start else found[-wanted.limit :]


def balance(account: Account, currency: str, margin: Margin, now_ns: int, reason: str = "") -> Balance:
    """One currency: `locked` is all that is not free, what margin binds too."""
    wallet = account.wallets.get(currency) or Wallet()
    free = margin.free(account, currency)
    locked = max(Decimal(0), EXACT.subtract(wallet.total, free))
    return Balance(
        None, "balances", now_ns, now_ns, "paper", account.name, currency=currency, total=wallet.total, free=free,
        locked=locked, reason=reason,
    )  # fmt: skip


def balances(account: Account, margin: Margin, now_ns: int) -> list[Balance]:
    """Every currency it ever had."""
    return [balance(account, currency, margin, now_ns) for currency in account.wallets]


def position(account: Account, stake: Stake, margin: Margin, now_ns: int) -> Position:
    """One position; its size is zero where it is closed."""
    price = margin.price(stake) if stake.size else None
    return Position(
        stake.instrument, "positions", now_ns, now_ns, "paper", account.name, size=stake.size,
        position=stake.position, entry_price=stake.entry_price, mark_price=price,
        unrealised=None if price is None else stake.unrealised(price),
        liquidation_price=margin.liquidation_price(account, stake),
        leverage=account.leverage.get(stake.instrument, margin.leverage), margin_mode="cross",
    )  # fmt: skip


def positions(account: Account, instrument: str | None, margin: Margin, now_ns: int) -> list[Position]:
    """Those that are not flat."""
    return [
        position(account, stake, margin, now_ns)
        for stake in account.stakes.values()
        if stake.size and (instrument is None or stake.instrument == instrument)
    ]


def payments(account: Account, from_ns: int | None, to_ns: int | None) -> list[Payment]:
    """What no fill explains, oldest first."""
    return [one for one in account.payments if _within(one.at_ns, from_ns, to_ns)]


def mode(account: Account, now_ns: int) -> AccountMode:
    """How the account is set up."""
    return AccountMode(
        None, "account", now_ns, now_ns, "paper", account.name, hedge=account.hedge, may_trade=account.may_trade,
        level="paper",
    )  # fmt: skip


def _of(order: Working, instrument: str | None) -> bool:
    return instrument is None or order.instrument.id == instrument


def _within(at_ns: int | None, from_ns: int | None, to_ns: int | None) -> bool:
    at_ns = at_ns or 0
    return (from_ns is None or at_ns >= from_ns) and (to_ns is None or at_ns < to_ns)

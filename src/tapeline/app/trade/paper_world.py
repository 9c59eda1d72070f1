"""A paper venue in process: made from what the journal knows, so that a restart goes on where the run before ended."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tapeline.config import TradeConfig
from tapeline.model.account import Balance, OrderUpdate, Payment
from tapeline.model.instrument import Instrument
from tapeline.model.number import ZERO
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.paper.fees import Fees
from tapeline.trading.setup import Account

RESTARTED = "the paper venue was restarted, and its orders with it"


def paper_exchange(
    instruments: Mapping[str, Instrument], settings: TradeConfig, accounts: Iterable[Account], ledger: Ledger
) -> Exchange:
    """One venue's exchange, its accounts as the ledger has them, or with the configured balances where it has none.

    What was numbered in the run before would be known by its number: it goes on behind, by a number a millisecond.
    """
    fees = Fees(maker=settings.maker_fee, taker=settings.taker_fee)
    own = list(accounts)
    newest_ns = max((ledger.newest_ns(account.name) for account in own), default=0)
    exchange = Exchange(instruments, fees=fees, first=newest_ns // 1_000_000)
    for account in own:
        balances = dict(ledger.balances(account.name)) or dict(settings.balances)
        exchange.open_account(account.name, balances, hedge=account.hedge)
        for (name, position), held in ledger.holdings(account.name).items():
            instrument = instruments.get(name)
            if instrument is not None and instrument.kind != "spot" and held.size and held.entry_price is not None:
                stake = exchange.account(account.name).stake(instrument, position)
                stake.trade("buy" if held.size > ZERO else "sell", held.entry_price, held.size.copy_abs())
    return exchange


def deposits(account: str, balances: Mapping[str, Decimal], now_ns: int) -> list[Payment]:
    """What a new paper account begins with, as payments: once, whenever it is told."""
    return [
        Payment(
            None, "payments", now_ns, now_ns, "paper", account, id=f"deposit {account} {currency}", currency=currency,
            amount=amount, kind="transfer",
        )
        for currency, amount in balances.items()
    ]  # fmt: skip


def balances_of(exchange: Exchange, account: str, now_ns: int) -> list[Balance]:
    """What is free now, as the engine wants to hear it."""
    return [
        Balance(
            None, "balances", now_ns, now_ns, "paper", account, currency=currency, total=wallet.total,
            free=wallet.free,
        )
        for currency, wallet in exchange.account(account).wallets.items()
    ]  # fmt: skip


def gone_with_a_restart(blotter: Blotter, account: str, waiting: Mapping[str, str], now_ns: int) -> list[OrderUpdate]:
    """The venue's word on orders of the run before: it knows none of them any more."""
    return [
        OrderUpdate(
            order.intent.instrument, "orders", now_ns, now_ns, "paper", account, client_id=order.client_id,
            venue_id=order.venue_id, state="cancelled", side=order.intent.side, kind=order.intent.kind,
            size=order.size, price=order.price, filled=order.filled, why=RESTARTED,
        )
        for order in blotter.live(account)
        if order.client_id not in waiting
    ]  # fmt: skip

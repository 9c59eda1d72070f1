"""A backtest from a store or tapes: what to play, on which paper venues, and what came of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tapeline.app.trade.backtest import Backtest
from tapeline.app.trade.books import EngineBooks
from tapeline.app.trade.feed import Timed
from tapeline.app.trade.paper import Latency
from tapeline.app.trade.record import Record
from tapeline.app.trade.setting_up import accounts_of, setup_of
from tapeline.app.trade.statistics import Statistics, statistics
from tapeline.config import Config
from tapeline.errors import ConfigError
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.paper.fees import Fees
from tapeline.trading.paper.outcome import Matching
from tapeline.trading.risk.limits import Tables
from tapeline.trading.strategy import Strategy

Missing = Mapping[tuple[str, str], Sequence[tuple[int, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a backtest gives. `missing`: (instrument, channel) -> ranges of what was played that are not proven."""

    statistics: Statistics
    record: Record
    digest: str
    events: int
    missing: Missing = field(default_factory=dict)
    paused: Mapping[str, str] = field(default_factory=dict)  # strategies that failed, and in what


def backtest(
    config: Config, strategies: Sequence[Strategy], feeds: Mapping[str, Sequence[str]], events: Iterable[Timed], *,
    instruments: Mapping[str, Instrument], from_ns: int, to_ns: int, missing: Missing | None = None,
    progress: Callable[[int, int], None] | None = None, limited: bool = False,
) -> Outcome:  # fmt: skip
    """Play the events. `limited`: with the limits of `[risk]`, as a live run has them. Raises ConfigError."""
    if to_ns <= from_ns:
        raise ConfigError("there is nothing to play: --to is not after --from")
    accounts = accounts_of(config, feeds, "paper")
    setup = setup_of(config, accounts, instruments.values(), limits=None if limited else Tables())
    trade = config.trade
    exchanges = {
        venue: Exchange(
            {name: each for name, each in instruments.items() if each.venue == venue},
            fees=Fees(maker=trade.maker_fee, taker=trade.taker_fee), matching=Matching(slippage=trade.slippage),
        )
        for venue in dict.fromkeys(account.venue for account in accounts.values())
    }  # fmt: skip
    balances: dict[str, Decimal] = dict(trade.balances)
    run = Backtest(
        setup, strategies, exchanges, deposits=dict.fromkeys(accounts, balances), from_ns=from_ns, to_ns=to_ns,
        latency=Latency(send_ns=round(trade.send_ms * 1e6), answer_ns=round(trade.answer_ms * 1e6)),
        books=EngineBooks(), ledger=Ledger(trade.accounting),
    )  # fmt: skip
    record = run.play(events, progress)
    return Outcome(
        statistics=statistics(record, setup.currency, from_ns, to_ns), record=record, digest=run.digest,
        events=run.events, missing=missing or {},
        paused={name: seat.paused for name, seat in run.engine.seats.items() if seat.paused},
    )  # fmt: skip

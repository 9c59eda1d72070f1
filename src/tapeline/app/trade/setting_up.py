"""From a configuration to what an engine needs: strategies, accounts, limits, and the streams that they hear."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tapeline.app.instance import Instance
from tapeline.app.trade.books import EngineBooks
from tapeline.app.trade.loading import load
from tapeline.app.trade.recorder import Recorder
from tapeline.config import Config, StreamConfig
from tapeline.errors import ConfigError
from tapeline.model.channel import channel as parse_channel
from tapeline.model.instrument import Instrument, split_id
from tapeline.model.limits import RiskLimits
from tapeline.trading.engine import Engine
from tapeline.trading.record import Written
from tapeline.trading.recorded import RecordedEngine
from tapeline.trading.restore import Restored
from tapeline.trading.risk.limits import Tables
from tapeline.trading.setup import Abilities, Account, Setup
from tapeline.trading.strategy import Strategy
from tapeline.venues import venue_named

PAPER_KINDS = Abilities(
    kinds=frozenset({"market", "limit"}), times_in_force=frozenset({"gtc", "ioc", "fok", "gtd"}),
    amends=frozenset({"size", "price"}),
)  # fmt: skip
"""What is left to a paper venue: the rest waits with us, as it does where a venue lacks it."""


def strategies_of(config: Config, folder: Path | None) -> list[Strategy]:
    """Every `[[strategy]]`. Raises ConfigError where there is none, or one is wrong."""
    if not config.strategy:
        raise ConfigError("nothing to run: add a [[strategy]] table with `run`, or give --strategy")
    return [load(each, folder) for each in config.strategy]


def feeds_of(strategies: Iterable[Strategy]) -> dict[str, tuple[str, ...]]:
    """Instrument -> every channel that any of them hears. Raises ConfigError for a name that is none."""
    found: dict[str, dict[str, None]] = {}
    for strategy in strategies:
        feeds = strategy.feeds()
        if not feeds:
            raise ConfigError(f"strategy {strategy.name} watches nothing: set `instruments`")
        for instrument, channels in feeds.items():
            venue, symbol = split_id(instrument)
            if not symbol:
                raise ConfigError(f"strategy {strategy.name}: {instrument!r} is no instrument, write venue:SYMBOL")
            venue_named(venue)
            for text in channels:
                found.setdefault(instrument, {})[str(parse_channel(text))] = None
    return {instrument: tuple(channels) for instrument, channels in found.items()}


def accounts_of(config: Config, feeds: Mapping[str, Sequence[str]], mode: str) -> dict[str, Account]:
    """The accounts that trade these instruments: those of the configuration, else on paper one a venue, by its name.

    Raises ConfigError where orders would be real and the configuration does not say so.
    """
    for name, account in config.account.items():
        try:
            venue_named(account.venue)
        except ConfigError as error:
            raise ConfigError(f"account.{name}.venue: {error}") from None
    venues = list(dict.fromkeys(split_id(instrument)[0] for instrument in feeds))
    found: dict[str, Account] = {}
    for venue in venues:
        named = {name: each for name, each in config.account.items() if each.venue == venue}
        if mode == "live":
            named = {name: each for name, each in named.items() if each.mode == "live"}
            if not named:
                raise ConfigError(f"no live account of {venue}: add [account.NAME] with venue and mode = 'live'")
        for name in list(named) or [venue]:
            found[name] = Account(name=name, venue=venue)
    return found


def with_streams(config: Config, feeds: Mapping[str, Sequence[str]]) -> Config:
    """The same configuration, with streams for what strategies hear and it does not stream yet."""
    streamed: dict[tuple[str, str], set[str]] = {}
    for stream in config.stream:
        for symbol in stream.symbols:
            streamed.setdefault((stream.venue, symbol), set()).update(str(parse_channel(of)) for of in stream.channels)
    more = []
    for instrument, channels in feeds.items():
        missing = tuple(of for of in channels if of not in streamed.get(split_id(instrument), set()))
        if missing:
            venue, symbol = split_id(instrument)
            more.append(StreamConfig(venue=venue, symbols=(symbol,), channels=missing))
    return msgspec.structs.replace(config, stream=(*config.stream, *more)) if more else config


def limits_of(config: Config) -> Tables:
    """The limits of risk."""
    risk = config.risk
    names = RiskLimits.__struct_fields__
    every = RiskLimits(**{name: getattr(risk, name) for name in names})
    return Tables(
        every=every, account=dict(risk.account), strategy=dict(risk.strategy), instrument=dict(risk.instrument),
        venue=dict(risk.venue),
    )  # fmt: skip


def idle_limits(config: Config, accounts: Iterable[str], strategies: Iterable[str]) -> Iterator[str]:
    """Tables of limits that hold for nobody in this run: where a name is misspelt, nothing limits what was meant."""
    for kind, tables, names in (
        ("account", config.risk.account, list(accounts)),
        ("strategy", config.risk.strategy, list(strategies)),
    ):
        for name in tables:
            if name not in names:
                yield f"risk.{kind}.{name} holds for nobody: this run has {', '.join(names)}"


def setup_of(
    config: Config, accounts: Mapping[str, Account], instruments: Iterable[Instrument], *, live: bool = False,
    limits: Tables | None = None,
) -> Setup:  # fmt: skip
    """All that the engine is told before it begins."""
    abilities = {}
    for account in accounts.values():
        orders = venue_named(account.venue).orders
        if live and orders is None:
            raise ConfigError(f"{account.venue} takes no orders from Tapeline yet: trade it on paper")
        abilities[account.venue] = (
            Abilities(
                kinds=orders.kinds,
                times_in_force=orders.times_in_force,
                amends=orders.amends,
                lists="place_list" in orders.calls,
            )
            if live and orders is not None
            else PAPER_KINDS
        )
    return Setup(
        accounts=accounts, instruments={each.id: each for each in instruments}, abilities=abilities,
        limits=limits_of(config) if limits is None else limits, currency=config.trade.currency,
        at_stop=config.trade.at_stop, on_breach=config.risk.on_breach,
    )  # fmt: skip


def engine_of(
    setup: Setup, strategies: Sequence[Strategy], restored: Restored, recorder: Recorder | None
) -> tuple[Engine, Callable[[Written, int], None]]:
    """An engine from what the journal knows, and who hears of what is written beside its steps."""
    known: dict[str, Any] = {
        "blotter": restored.blotter, "ledger": restored.ledger, "books": EngineBooks(), "digest": restored.digest,
        "losses": restored.losses, "held": restored.held,
    }  # fmt: skip
    if recorder is None:
        return Engine(setup, strategies, **known), lambda _record, _at_ns: None
    engine = RecordedEngine(setup, strategies, take=recorder.inputs.take, **known)
    recorder.engine = engine
    return engine, engine.beside


def listed_of(instance: Instance, feeds: Mapping[str, Sequence[str]]) -> Iterator[Instrument]:
    """What these feeds are of, by the lists of the venues. Raises UnknownInstrument."""
    for name in feeds:
        venue, symbol = split_id(name)
        for desk in instance.desks.values():
            if desk.venue.name == venue:
                yield desk.symbols.find(symbol)
                break

"""What the engine is told of accounts and venues before it begins. Values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tapeline.errors import ConfigError
from tapeline.model.instrument import Instrument, split_id
from tapeline.trading.risk.limits import Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account; `hedge`: long and short are held side by side."""

    name: str
    venue: str
    hedge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a venue does by itself: order kinds, times in force, and what of an order it amends (size | price).

    `lists`: it takes a limit and a stop of spot as one list, of which one ends the other.
    """

    kinds: frozenset[str] = frozenset({"market", "limit"})
    times_in_force: frozenset[str] = frozenset({"gtc", "ioc", "fok"})
    amends: frozenset[str] = frozenset()
    lists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """All of it. `currency` is what accounts are valued in; `at_stop` what becomes of open orders: cancel | keep;
    `on_breach` what an account becomes where a limit is exceeded without an order: a state of the latch, or "refuse".
    """

    accounts: Mapping[str, Account]
    instruments: Mapping[str, Instrument]
    abilities: Mapping[str, Abilities] = field(default_factory=dict)  # by venue; market and limit where it is left out
    limits: Tables = field(default_factory=Tables)
    currency: str = "USDT"
    at_stop: str = "cancel"
    on_breach: str = "reduce_only"

    def account_of(self, instrument: str, account: str) -> Account:
        """The account that trades this. Raises ConfigError where it is none, or not said and not clear."""
        venue, _ = split_id(instrument)
        if account:
            found = self.accounts.get(account)
            if found is None:
                raise ConfigError(f"there is no account {account!r}: {', '.join(self.accounts) or 'none is set up'}")
            if found.venue != venue:
                raise ConfigError(f"account {account!r} is one of {found.venue}, and {instrument} is not")
            return found
        there = [each for each in self.accounts.values() if each.venue == venue]
        if len(there) != 1:
            names = ", ".join(each.name for each in there) or "none"
            raise ConfigError(f"{instrument}: say which account trades it; {venue} has {names}")
        return there[0]

    def able(self, venue: str) -> Abilities:
        """What a venue does by itself."""
        return self.abilities.get(venue) or Abilities()

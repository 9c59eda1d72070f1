"""Which limits hold for an order, and how they change: tighter at once, looser when a person confirms it. Pure."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.model.limits import RiskLimits, looser, tightest
from tapeline.model.number import plain

NO_LIMITS = RiskLimits()


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit there is. `every` holds for each account by itself; the others by name, beside it.

    A limit of an account or an instrument is compared with what the account holds (of that instrument), one of a
    strategy with what the strategy holds in all its accounts, one of a venue with all accounts of that venue.
    """

    every: RiskLimits = NO_LIMITS
    account: Mapping[str, RiskLimits] = {}
    strategy: Mapping[str, RiskLimits] = {}
    instrument: Mapping[str, RiskLimits] = {}
    venue: Mapping[str, RiskLimits] = {}

    def rules(self, account: str, strategy: str, instrument: str) -> list[tuple[str, RiskLimits]]:
        """All that hold for an order of this account, strategy and instrument, each with its scope."""
        found = [
            ("account", self.every),
            ("account", self.account.get(account)),
            ("strategy", self.strategy.get(strategy)),
            ("instrument", self.instrument.get(instrument)),
            ("venue", self.venue.get(instrument.partition(":")[0])),
        ]
        return [(scope, limits) for scope, limits in found if limits is not None and limits != NO_LIMITS]


class Changed(msgspec.Struct, frozen=True):
    """One limit that is not what it was. `path` as in the configuration, "" for no limit."""

    path: str
    before: str
    after: str
    looser: bool

    def __str__(self) -> str:
        return f"{self.path}: {self.before or 'no limit'} -> {self.after or 'no limit'}"


def changes(before: Tables, after: Tables) -> list[Changed]:
    """Every limit that differs, and whether it lets more through than before."""
    return [
        Changed(f"{path}.{name}", _text(old), _text(new), looser(name, old, new))
        for path, one, other in _pairs(before, after)
        for name in RiskLimits.__struct_fields__
        if (old := getattr(one, name)) != (new := getattr(other, name))
    ]


def tightened(before: Tables, after: Tables) -> Tables:
    """What holds at once when `after` is asked for: each limit the stricter of both."""
    return _paired(before, after, tightest)


def newly(before: Tables, after: Tables) -> Tables:
    """Of `after`, the limits that are others than before, and nothing else."""
    return _paired(before, after, lambda _name, old, new: None if old == new else new)


class Reins:
    """The limits in force, and those that were asked for and wait for a person's word."""

    def __init__(self, tables: Tables) -> None:
        self.now = tables
        self._asked = tables

    def change(self, tables: Tables) -> list[Changed]:
        """Ask for these: what is tighter holds at once. Returns what is looser, and waits for `confirm`."""
        self._asked = tables
        self.now = tightened(self.now, tables)
        return self.waiting()

    def waiting(self) -> list[Changed]:
        """What was asked for and is not in force."""
        return changes(self.now, self._asked)

    def confirm(self) -> list[Changed]:
        """Let what was asked for hold; who said so is for the caller to write down. Returns what changed."""
        done = self.waiting()
        self.now = self._asked
        return done


def _paired(before: Tables, after: Tables, pick: Callable[[str, Any, Any], Any]) -> Tables:
    """Of each limit, by its name, what is picked of both."""
    named: dict[str, dict[str, RiskLimits]] = {"account": {}, "strategy": {}, "instrument": {}, "venue": {}}
    for path, one, other in _pairs(before, after):
        both = {name: pick(name, getattr(one, name), getattr(other, name)) for name in RiskLimits.__struct_fields__}
        kind, _, name = path.removeprefix("risk").removeprefix(".").partition(".")
        if kind:
            named[kind][name] = RiskLimits(**both)
        else:
            every = RiskLimits(**both)
    return Tables(every=every, **named)


def _pairs(before: Tables, after: Tables) -> Iterator[tuple[str, RiskLimits, RiskLimits]]:
    yield "risk", before.every, after.every
    for kind in ("account", "strategy", "instrument", "venue"):
        one, other = getattr(before, kind), getattr(after, kind)
        for name in sorted({*one, *other}):
            yield f"risk.{kind}.{name}", one.get(name, NO_LIMITS), other.get(name, NO_LIMITS)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value) if isinstance(value, Decimal) else f"{value:g}"

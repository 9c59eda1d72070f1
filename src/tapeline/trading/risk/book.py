"""Risk with its memory: the limits in force, what is held and ordered, how fast, and what was lost. Pure.

The engine tells it what changes and asks `judge` for each order; nothing else approves.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from tapeline.model.instrument import Instrument
from tapeline.model.number import ROUNDING, ZERO, plain
from tapeline.model.order import Intent
from tapeline.trading.risk.check import Approved, Denied, Rules, check
from tapeline.trading.risk.checks import case
from tapeline.trading.risk.exposure import Exposure, Place, Sums
from tapeline.trading.risk.limits import Reins, Tables
from tapeline.trading.risk.losses import Losses, Since
from tapeline.trading.risk.rates import Key, Rates
from tapeline.trading.risk.standing import BEYOND, Figures, Market, Resting, RiskState

OF_ALL = ("max_gross", "max_net", "max_leverage", "max_margin_share")
"""Limits for which everything that is held has to be valued."""
OF_SUMS = frozenset({"max_position", "max_gross", "max_leverage"})
STANDING = (
    "max_daily_loss", "max_drawdown", "max_drawdown_share", "max_daily_fees", "max_position", "max_gross",
    "max_leverage",
)  # fmt: skip
"""Limits that can be exceeded without any order; those of `OF_SUMS` by what is held."""


class Around(NamedTuple):
    """What the engine knows of the moment, for `judge`; as the fields of RiskState."""

    instrument: Instrument | None
    market: Market
    halt: str = "running"
    resting: tuple[Resting, ...] = ()
    free: Decimal | None = None
    margin_rate: Decimal | None = None
    mode: str = "net"


class Breach(msgspec.Struct, frozen=True):
    """A limit that is exceeded as things stand, without any order: the market did it, or the limit was tightened."""

    account: str
    scope: str
    name: str
    code: str
    limit: str
    value: str

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.code} of {self.scope} {self.name} is {self.limit}, and it stands at {self.value}"


class RiskBook:
    """`worth(instrument, size)` values a size in the currency accounts are valued in; None where nobody knows."""

    def __init__(
        self, tables: Tables, *, worth: Callable[[str, Decimal], Decimal | None],
        losses: Mapping[str, Since] | None = None,
    ) -> None:  # fmt: skip
        self.limits = Reins(tables)
        self.exposure = Exposure(worth)
        self.rates = Rates()
        self.losses = Losses(dict(losses or {}))
        self._margin: dict[str, Decimal] = {}

    # ---- what happens ----------------------------------------------------------------------------------------------

    def marked(self, account: str, equity: Decimal, now_ns: int, margin: Decimal = ZERO) -> None:
        """What an account is worth now, unrealised profit included, and the margin it has in use."""
        self.losses.mark(("account", account), equity, now_ns)
        self._margin[account] = margin

    def won(self, key: Key, amount: Decimal, now_ns: int) -> None:
        """What a strategy, an instrument of an account or a venue has won up to now, unrealised profit included."""
        self.losses.mark(key, amount, now_ns)

    def paid(self, place: Place, fee: Decimal) -> None:
        """A fee, in the currency accounts are valued in."""
        for key in place.keys().values():
            self.losses.paid(key, fee)

    def cancelled(self, place: Place, now_ns: int) -> None:
        """A cancel was asked for."""
        self.rates.cancelled(list(place.keys().values()), now_ns)

    # ---- orders ------------------------------------------------------------------------------------------------------

    def judge(
        self, intent: Intent, around: Around, now_ns: int, *, client_id: str, already: Decimal = ZERO
    ) -> Approved | Denied:
        """Whether this order may be sent, or amended (`already` is what is counted of it). What passes is counted."""
        place = Place(intent.account, intent.strategy, intent.instrument, intent.position)
        rules = self.limits.now.rules(place.account, place.strategy, place.instrument)
        state = self.state(place, around, now_ns, rules)
        found = check(intent, state, rules, client_id=client_id, already=already)
        if isinstance(found, Approved):
            value = case(intent, state, already).value
            self.rates.ordered(list(place.keys().values()), intent, value, now_ns)
        return found

    def state(self, place: Place, around: Around, now_ns: int, rules: Rules) -> RiskState:
        """How things stand for an order at this place, as far as these limits ask for it."""
        wanted = {"account": False}
        for scope, limits in rules:
            wanted[scope] = wanted.get(scope, False) or any(getattr(limits, name) is not None for name in OF_ALL)
        duplicate_s = max((limits.duplicate_s or 0.0 for _, limits in rules), default=0.0)
        sums, unvalued = self.exposure.sums(place, wanted)
        recent = self.rates.recent(place.strategy, now_ns, duplicate_s) if duplicate_s else ()
        keys = place.keys()
        figures = {}
        for scope, (held, gross, low, high, orders) in sums.items():
            key = keys[scope]
            second, minute, cancels = self.rates.counts(key, now_ns)
            lost, share = self._drawdown(key, place.account)
            figures[scope] = Figures(
                held=held, gross=gross, net_low=low, net_high=high, open_orders=orders, orders_in_second=second,
                orders_in_minute=minute, cancels_in_minute=cancels, lost_today=self._lost(key),
                drawdown=lost, drawdown_share=share, fees_today=self.losses.fees(key),
                equity=self.losses.equity(("account", place.account)), margin=self._margin.get(place.account, ZERO),
                usual_value=self.rates.usual_value(place.strategy, place.instrument),
            )  # fmt: skip
        return RiskState(
            instrument=around.instrument, market=around.market, figures=figures, halt=around.halt,
            resting=around.resting, recent=recent, free=around.free,
            margin_rate=around.margin_rate, mode=around.mode, unvalued=unvalued,
        )  # fmt: skip

    # ---- what is exceeded as it stands -----------------------------------------------------------------------------

    def breaches(self) -> list[Breach]:
        """Limits of losses, fees and exposure that are exceeded now; for `on_breach` of the configuration."""
        found: dict[tuple[str, str, str], Breach] = {}
        for account in sorted({place.account for place in self.exposure.places()} | set(self._margin)):
            places = [place for place in self.exposure.places() if place.account == account]
            for place in places or [Place(account, "", "")]:
                for breach in self._breaches(place):
                    found.setdefault((breach.scope, breach.name, breach.code), breach)
        return list(found.values())

    def _breaches(self, place: Place) -> Iterator[Breach]:
        keys = place.keys()
        asked = [
            (scope, {code: limit for code in STANDING if (limit := getattr(limits, code)) is not None})
            for scope, limits in self.limits.now.rules(place.account, place.strategy, place.instrument)
        ]
        whole = dict[str, bool]()  # scopes whose sums are asked for, and whether those of all others are
        for scope, codes in asked:
            if not OF_SUMS.isdisjoint(codes):
                whole[scope] = whole.get(scope, False) or not OF_SUMS.isdisjoint(codes.keys() - {"max_position"})
        sums = self.exposure.sums(place, whole)[0] if whole else {}
        for scope, codes in asked:
            for code, limit in codes.items():
                value = self._stands(code, place, keys[scope], sums.get(scope))
                if value is not None and value > limit:
                    yield Breach(place.account, scope, ":".join(keys[scope][1:]), code, plain(limit), plain(value))

    def _stands(self, code: str, place: Place, key: Key, sums: Sums | None) -> Decimal | None:
        """The figure that a limit is about; None where nobody knows it. Only what is limited is asked for: it costs."""
        if code in _OF_LOSSES:
            return _OF_LOSSES[code](self, key, place.account)
        assert sums is not None, f"{code} is a limit of what is held"
        if code == "max_position":
            return sums.held.worst
        gross = self.exposure.value(place, sums)
        equity = self.losses.equity(("account", place.account)) if code == "max_leverage" else None
        if code == "max_gross" or gross is None:
            return gross
        return ROUNDING.divide(gross, equity) if equity else None

    def _known(self, key: Key) -> bool:
        """Whether what it has lost is known: an account is worth something, what is never marked has won nothing."""
        return key[0] != "account" or self.losses.equity(key) is not None

    def _lost(self, key: Key) -> Decimal:
        return self.losses.lost_today(key) if self._known(key) else BEYOND

    def _drawdown(self, key: Key, account: str) -> tuple[Decimal, Decimal]:
        """(lost since the best, as a share); of what is no account, as a share of the account's best equity."""
        if not self._known(key):
            return BEYOND, BEYOND
        lost, share = self.losses.drawdown(key)
        if key[0] != "account":
            peak = self.losses.peak(("account", account))
            share = ROUNDING.divide(lost, peak) if peak > ZERO else ZERO
        return lost, share


_OF_LOSSES: Mapping[str, Callable[[RiskBook, Key, str], Decimal]] = {
    "max_daily_loss": lambda book, key, _account: book._lost(key),  # noqa: SLF001  # here and below: its own
    "max_drawdown": lambda book, key, account: book._drawdown(key, account)[0],  # noqa: SLF001
    "max_drawdown_share": lambda book, key, account: book._drawdown(key, account)[1],  # noqa: SLF001
    "max_daily_fees": lambda book, key, _account: book.losses.fees(key),
}

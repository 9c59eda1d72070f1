"""Whether an order may be sent: an intent, how things stand and the limits in; `Approved` or `Denied` out. Pure.

Only `check` and `approve_flatten` make an `Approved`, and only an `Approved` can be submitted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import msgspec

from tapeline.model.limits import RiskLimits
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.model.order import Intent
from tapeline.trading.risk.checks import MEASURES, OF_ONE_ORDER, REFUSALS, Case, case
from tapeline.trading.risk.orderly import fault
from tapeline.trading.risk.standing import Figures, Held, Market, Resting, RiskState
from tapeline.trading.terms import GONE

__all__ = [
    "CODES", "Approved", "Denied", "Figures", "Held", "Market", "Resting", "RiskLimits", "RiskState",
    "Rules", "approve_flatten", "check",
]  # fmt: skip

_SHOWN, _WRITTEN = Context(prec=12), 30
_PASSED_BY_RISK = object()  # the token: the architecture test allows this name in no other file

NO_FIGURES = Figures()
Rules = Sequence[tuple[str, RiskLimits]]
"""Every limit that holds for an order, each with the scope whose figures it is compared with (see `limits.Book`)."""

CODES = (
    "halted", "reduce_only", "instrument", "market_closed", "parameter", "tick", "lot", "min_size", "min_notional",
    "no_price", "no_rate", "balance", "position_mode", "no_figures",
)  # fmt: skip
"""Why an order is refused, besides the limits by name."""


@dataclass(frozen=True, slots=True)
class Approved:
    """An order that risk has let through. It can be written to JSON, and never read from it.

    `closes`: it can only make a position smaller, so it passes where an account is reduce-only.
    """

    client_id: str
    intent: Intent
    token: InitVar[object]
    closes: bool = False

    def __post_init__(self, token: object) -> None:
        if token is not _PASSED_BY_RISK:
            raise TypeError("only trading/risk/check.py approves an order: call check()")


class Denied(msgspec.Struct, frozen=True, tag="denied"):
    """An order that risk refuses: `code` is the name of a limit or one of CODES; `scope` is whose limit it is.

    `limit` and `value` are plain text, "" where the code has none.
    """

    code: str
    limit: str
    value: str
    text: str
    scope: str = ""


def check(
    intent: Intent, state: RiskState, limits: Rules, *, client_id: str, already: Decimal = ZERO
) -> Approved | Denied:
    """Whether this order may be sent under this id. Every limit of every scope holds: the strictest wins.

    To amend an order, give the intent as it will be (its size without what is filled) and what `state` counts of it
    `already`.
    """
    denied = _gate(intent, state) or next(_denials(intent, state, limits, already), None)
    return denied or Approved(client_id, intent, _PASSED_BY_RISK, case(intent, state, already).closing)


def overstep(intent: Intent, state: RiskState, limits: Rules) -> Denied | None:
    """Which of these limits of one order a resting one exceeds, as it stands now; None: none that it can be told of."""
    if state.instrument is None or (intent.size is None and intent.quote_size is None):
        return None
    found = case(intent, state, ZERO)
    for scope, each in limits:
        for name in OF_ONE_ORDER:
            limit, value = getattr(each, name), MEASURES[name](found, NO_FIGURES)
            if limit is not None and value is not None and value > limit:
                most, is_now = _text(limit), _text(value)
                return Denied(name, most, is_now, f"{name} of the {scope} is {most} now, and it is {is_now}", scope)
    return None


def approve_flatten(intent: Intent, size: Decimal, *, client_id: str) -> Approved | Denied:
    """An order of the emergency path: whatever the limits, it may make a position of this size smaller, and no more."""
    closes = intent.side == ("sell" if size > ZERO else "buy")
    if size == ZERO or not closes or intent.size is None or not ZERO < intent.size <= EXACT.abs(size):
        wanted = "?" if intent.size is None else plain(intent.size)
        return Denied("reduce_only", plain(size), wanted, f"{intent.side} {wanted} does not close {plain(size)}")
    return Approved(client_id, intent, _PASSED_BY_RISK, closes=True)


def _gate(intent: Intent, state: RiskState) -> Denied | None:
    """The halt, before anything else."""
    if state.halt == "running":
        return None
    if state.halt == "reduce_only":
        if state.instrument is not None and case(intent, state, ZERO).closing:
            return None
        return Denied("reduce_only", "", "", f"the account is {state.halt}: only what closes a position passes")
    return Denied("halted", "", "", f"the account is {state.halt}: nothing but cancels passes")


def _denials(intent: Intent, state: RiskState, limits: Rules, already: Decimal) -> Iterator[Denied]:
    yield from _itself(intent, state)
    if state.instrument is None:
        return  # a caller takes the first denial only; what follows needs an instrument
    found = case(intent, state, already)
    if state.instrument.status == GONE and not found.closing:  # whether it may still be closed, the venue knows
        text = f"{intent.instrument} is {GONE}: only what closes a position is sent"
        yield Denied("market_closed", "", GONE, text)
    yield from _priced(found)
    for scope, each in limits:
        figures = state.figures.get(scope)
        if figures is None:
            yield Denied(
                "no_figures", "", "", f"there are limits of the {scope}, and nothing says how it stands", scope
            )
            return
        for name, limit in _given(each):
            yield from _limited(found, figures, name, limit, scope)


def _itself(intent: Intent, state: RiskState) -> Iterator[Denied]:
    """What is wrong with the order whatever the limits."""
    instrument = state.instrument
    if instrument is None:
        yield Denied("instrument", "", "", f"nothing is known of {intent.instrument}")
        return
    if instrument.status not in {"trading", GONE}:
        yield Denied("market_closed", "", instrument.status, f"{instrument.id} is {instrument.status}")
    wrong = fault(intent, instrument, state.market.price)
    if wrong is not None:
        yield Denied(wrong[0], "", "", wrong[1])
    if (intent.position != "net") is not (state.mode == "hedge"):
        yield Denied("position_mode", state.mode, intent.position, f"position {intent.position!r} in {state.mode} mode")


def _priced(found: Case) -> Iterator[Denied]:
    """Without a price or a rate nothing can be valued: what closes passes all the same."""
    market, unvalued = found.state.market, found.state.unvalued
    if unvalued and not found.closing:
        yield Denied("no_price", "", "", f"something is held of {unvalued}, and no price or rate of it is known")
    if found.price is None and not found.closing:
        yield Denied("no_price", "", "", f"no price of {found.intent.instrument} is known")
    if market.rate is None and not found.closing:
        yield Denied("no_rate", "", "", f"{found.intent.instrument} cannot be valued in the account's currency")
    free = found.state.free
    if free is not None and found.price is not None:
        spent = found.more if found.intent.side == "sell" else _spent(found)
        if spent > free:
            yield Denied("balance", plain(free), plain(spent), f"it takes {plain(spent)} of {plain(free)} that is free")


def _spent(found: Case) -> Decimal:
    """What a spot buy takes, in quote currency."""
    if found.intent.quote_size is not None:
        return found.intent.quote_size
    price = found.intent.price or found.intent.stop_price or found.price
    assert price is not None, "the caller has looked"
    return EXACT.multiply(price, found.more)


def _limited(found: Case, figures: Figures, name: str, limit: Any, scope: str) -> Iterator[Denied]:
    refusal = REFUSALS.get(name)
    if refusal is not None:
        why = refusal(found, limit)
        if why:
            yield Denied(name, _text(limit), "", why, scope)
        return
    value = MEASURES[name](found, figures)
    if value is not None and value > limit:
        most, would = _text(limit), _text(value)
        yield Denied(name, most, would, f"{name} of the {scope} is {most}, and it would be {would}", scope)


@lru_cache(maxsize=1024)
def _given(limits: RiskLimits) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name in limits.__struct_fields__ if (value := getattr(limits, name)) is not None)


def _divided(value: Decimal) -> bool:
    """Whether it came of a division: nobody writes so many digits."""
    return len(value.as_tuple().digits) > _WRITTEN


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(_SHOWN.plus(value) if _divided(value) else value) if value.is_finite() else "beyond measure"
    return f"{value:g}"

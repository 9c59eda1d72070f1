"""On which terms an instrument is traded, and what of a newer list is taken over while a run goes on. Pure.

Tick, lot, minima and status are terms: a run goes on with new ones. What the instrument *is* (its native name, its
currencies, what a contract holds) is not: under another one a size means something else, and only a new run takes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec.structs import replace

from tapeline.model.instrument import Instrument
from tapeline.model.number import plain

TERMS = ("status", "tick", "lot", "min_size", "min_notional", "expiry_ns", "code")
IDENTITY = ("native", "kind", "base", "quote", "settle", "size_unit", "contract_size", "inverse")
GONE = "delisted"
FEW = 3  # of a kind that may leave a list at once, however short it is
MOST_SHARE = 10  # and a tenth of it: more is half a list
_NAMED = 5


class Change(NamedTuple):
    """What a list says newly of one instrument: what holds from now on, and why, where that is not as it is listed."""

    instrument: Instrument
    why: str = ""


def differences(old: Instrument, new: Instrument, names: Iterable[str] = TERMS) -> str:
    """What changed, in words: "tick 0.01 -> 0.1, status trading -> halted"; "" where nothing did."""
    return ", ".join(
        f"{name} {_text(getattr(old, name))} -> {_text(getattr(new, name))}"
        for name in names
        if getattr(old, name) != getattr(new, name)
    )


def relisted(old: Instrument, listed: Instrument | None) -> Change | None:
    """What holds from now on of an instrument that a list has so, or has no more; None where nothing is new."""
    if listed is None:
        gone = replace(old, status=GONE)
        return None if gone == old else Change(gone, "the venue's list has it no more")
    other = differences(old, listed, IDENTITY)
    if other:
        gone = replace(old, status=GONE)
        why = f"the venue's list has something else under its name ({other}): a new run takes that"
        return None if gone == old else Change(gone, why)
    taken = replace(old, **{name: getattr(listed, name) for name in TERMS})
    return None if taken == old else Change(taken)


def lacking(known: Iterable[Instrument], listed: Mapping[str, Instrument], now_ns: int) -> str:
    """Why a list cannot be the whole one, by what was known before: nothing of a kind is left, or much is missing.

    What is delisted or has expired may go. "" where it can be.
    """
    if not listed:
        return "the list is empty"
    of: dict[str, list[Instrument]] = {}
    for each in known:
        if each.status != GONE and (each.expiry_ns is None or each.expiry_ns > now_ns):
            of.setdefault(each.kind, []).append(each)
    for kind, every in sorted(of.items()):
        gone = [each for each in every if each.id not in listed]
        if gone and (len(gone) == len(every) or len(gone) > max(FEW, len(every) // MOST_SHARE)):
            return f"the list lacks {len(gone)} of {len(every)} that were listed as {kind}: {_names(gone)}"
    return ""


def _names(some: Sequence[Instrument]) -> str:
    more = "" if len(some) <= _NAMED else " and others"
    return ", ".join(each.symbol for each in some[:_NAMED]) + more


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return plain(value) if isinstance(value, Decimal) else str(value)

"""The ladder of the emergency stop: running -> reduce_only -> halted -> flattening -> flat. Pure.

Anybody may ask for a worse state, only a named person with a reason for a better one. One latch stands for one
account in one mode (paper or live) and is shared by every process that trades with it.
"""

from collections.abc import Mapping

import msgspec

STATES = ("running", "reduce_only", "halted", "flattening", "flat")
"""From best to worst. `flat` is flattening that has ended, with the venue's word that nothing is open."""

MEANS: Mapping[str, str] = {
    "running": "every order that risk approves passes",
    "reduce_only": "what closes a position passes, and cancels",
    "halted": "nothing but cancels passes",
    "flattening": "open orders are cancelled and positions closed; nothing else passes, so that nothing is in the way",
    "flat": "no order is open and nothing is held, by the venue's word; nothing but cancels passes",
}

COMPONENTS = frozenset({
    "engine", "watchdog", "health", "risk", "strategy", "reconciliation", "gateway", "flattener", "latch", "tapeline",
    "shutdown", "overload", "journal",
})  # fmt: skip
"""Who asks for worse states without being a person: none of these names resumes."""

KEPT = 50  # changes a latch remembers, the newest last


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the ladder, taken."""

    state: str
    at_ns: int
    who: str
    why: str
    before: str = "running"


class Latch(msgspec.Struct, frozen=True, kw_only=True):
    """How an account stands, since when, by whom and why. `changes` are the last ones, this one included.

    `outside`: whoever asked for this does it by itself, in its own process (`tapeline halt`, the watchdog).
    """

    state: str = "running"
    at_ns: int = 0
    who: str = ""
    why: str = ""
    changes: tuple[Change, ...] = ()
    outside: bool = False

    @property
    def rank(self) -> int:
        """0 is running, 4 is flat."""
        return STATES.index(self.state)


class Kept(msgspec.Struct, frozen=True):
    """Nothing changed, and why: it stands there already, or it must not."""

    text: str
    refused: bool = False


def worsen(latch: Latch, state: str, *, who: str, why: str, at_ns: int, outside: bool = False) -> Latch | Kept:
    """Ask for a worse state, whoever asks. `flat` is where flattening ends, and is reached from nowhere else."""
    if state not in STATES:
        return Kept(f"{state!r} is none of {', '.join(STATES)}", refused=True)
    if state == "flat" and latch.state not in {"flattening", "flat"}:
        return Kept(f"only flattening ends flat, and it is {latch.state}", refused=True)
    if state == "flattening" and latch.state == "flat":
        return _changed(latch, state, who, why, at_ns, outside=outside)  # somebody wants to see it done once more
    if STATES.index(state) <= latch.rank:
        return Kept(f"it is {latch.state} already, by {latch.who or 'nobody'}: {latch.why or 'no reason'}")
    return _changed(latch, state, who, why, at_ns, outside=outside)


def resume(latch: Latch, state: str = "running", *, who: str, why: str, at_ns: int) -> Latch | Kept:
    """Ask for a better state: a person's name and a reason are needed."""
    if state not in STATES[:3]:
        return Kept(f"{state!r} is nothing to resume to: one of {', '.join(STATES[:3])}", refused=True)
    if not who.strip() or who.strip().lower() in COMPONENTS:
        return Kept(f"a person resumes, by name; {who!r} is none", refused=True)
    if not why.strip():
        return Kept("a reason is needed to resume: it is written to the journal", refused=True)
    if STATES.index(state) >= latch.rank:
        return Kept(f"it is {latch.state}: {state} is no better")
    return _changed(latch, state, who.strip(), why.strip(), at_ns)


def was_flat_since(latch: Latch, at_ns: int) -> bool:
    """Whether flattening has ended after then, by the changes that the latch remembers; whatever came later."""
    return any(each.state == "flat" and each.at_ns > at_ns for each in latch.changes)


def passes(state: str, *, closes: bool) -> bool:
    """Whether an order passes the gate; `closes`: it can only make a position smaller. Cancels always pass.

    Orders of the flattening itself do not come here. What a strategy would close with meanwhile rests in its way.
    """
    return state == "running" or (closes and state == "reduce_only")


def _changed(latch: Latch, state: str, who: str, why: str, at_ns: int, *, outside: bool = False) -> Latch:
    change = Change(state=state, at_ns=at_ns, who=who, why=why, before=latch.state)
    return Latch(state=state, at_ns=at_ns, who=who, why=why, changes=(*latch.changes, change)[-KEPT:], outside=outside)

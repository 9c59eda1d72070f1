"""What an emergency stop did, and what it could not: a value for the journal, and lines for a person."""

from decimal import Decimal

import msgspec

from tapeline.model.number import plain
from tapeline.trading.halt import MEANS, STATES


class Left(msgspec.Struct, frozen=True):
    """A position that is still there, and why."""

    instrument: str
    size: Decimal
    why: str
    dust: bool = False


class Report(msgspec.Struct, kw_only=True):
    """One account. `verified`: the venue's own word, read afresh at the end; `left_orders` are client or venue ids.

    `others` are those of `cancelled` that are not of our making. `cancels` False: open orders were to be left.
    """

    account: str
    mode: str
    state: str
    who: str
    why: str
    flatten: bool = False
    began_ns: int = 0
    ended_ns: int = 0
    cancels: bool = True
    cancelled: list[str] = []
    others: list[str] = []
    closed: list[str] = []
    slices: int = 0
    left_orders: list[str] = []
    left_positions: list[Left] = []
    verified: bool = False
    problems: list[str] = []

    @property
    def done(self) -> bool:
        """Whether all that was asked for is so, by the venue's word; dust that no venue takes is left aside.

        Not where the gate is open: what was cancelled could be ordered again.
        """
        orders = not self.left_orders or not self.cancels
        gated = stands(self.state, worst_of(flatten=self.flatten, cancels=self.cancels))
        return gated and self.verified and orders and (not self.flatten or all(p.dust for p in self.left_positions))

    def lines(self, *, gate_only: bool = False) -> list[str]:
        """In words, one fact a line; `gate_only`: nothing was done at the venue, nor was it to be."""
        took_s = (self.ended_ns - self.began_ns) / 1e9
        found = [
            f"account {self.account} ({self.mode}): {self.state}, {MEANS[self.state]}",
            f"  by {self.who}: {self.why or 'no reason given'}; it took {took_s:.1f} s",
        ]
        if gate_only or (self.mode == "paper" and not self.verified):
            return found + [f"  {text}" for text in self.problems]
        if self.cancels:
            none = "no order was open" if self.verified else "nothing, as far as is known"
            found.append(f"  cancelled: {', '.join(self.cancelled) or none}")
        if self.others:
            found.append(f"  of them of other origin: {', '.join(self.others)}")
        if self.flatten:
            found.append(f"  closed: {', '.join(self.closed) or 'nothing'} in {self.slices} orders")
        found += [f"  {'STILL OPEN' if self.cancels else 'open'}: order {name}" for name in self.left_orders]
        for each in self.left_positions:
            word = "dust" if each.dust else "STILL HELD" if self.flatten else "held"
            found.append(f"  {word}: {plain(each.size)} {each.instrument}{f' ({each.why})' if each.why else ''}")
        found += [f"  problem: {text}" for text in self.problems]
        word = "verified with the venue" if self.verified else "NOT VERIFIED: look at the venue yourself"
        return [*found, f"  {word}"]


def worst_of(*, flatten: bool, cancels: bool) -> str:
    """The state of the ladder that a stop begins with."""
    return "flattening" if flatten else "halted" if cancels else "reduce_only"


def stands(state: str, asked: str) -> bool:
    """Whether an account is in this state, or in a worse one."""
    return STATES.index(state) >= STATES.index(asked)

"""One order's life: what we asked, what the venue said, in whatever order it came. States move by the table only. Pure.

A venue's words come late, twice and out of order; what contradicts the table changes nothing, and is told.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.model.order import FINAL, TRANSITIONS, Intent, Order
from tapeline.trading.command import Note
from tapeline.trading.input import Failed, Sent

GONE = frozenset({"already_final", "unknown_order"})  # reasons that leave open what became of the order itself
_OURS = frozenset({"intended", "submitted"})  # what only we know
_ALIVE = frozenset({"open", "partly_filled"})
_UNTOUCHED = frozenset({"intended", "submitted", "open"})
_DEAD = frozenset({"rejected", "withdrawn", "never_arrived"})  # final states that say it never was at the venue
_IN_FLIGHT = frozenset({"intended", "submitted", "cancelling", "unknown"})
_CANCELLABLE = frozenset({"submitted", "open", "partly_filled", "unknown"})
# A venue's word that is two steps away by the table: in between, nobody knew.
_BETWEEN = {
    ("submitted", "never_arrived"): "unknown",
    ("cancelling", "never_arrived"): "unknown",
    ("cancelling", "rejected"): "unknown",
}


class Worst(NamedTuple):
    """What may still be filled: sizes, and `quote` currency of buys whose size only the venue will know."""

    buy: Decimal
    sell: Decimal
    quote: Decimal


class Life(msgspec.Struct, eq=False):
    """An order, and what `Order` has no room for. Each method gives what is odd about its news, "" where nothing is."""

    order: Order
    held: Decimal = ZERO  # of the fills we have
    held_value: Decimal = ZERO
    lacking_since_ns: int | None = None  # when the venue said that there are more
    new_size: Decimal | None = None  # of an amend that has no answer
    new_price: Decimal | None = None
    contradicted: bool = False  # it is final here, and alive by a later word of the venue
    _told: Decimal = ZERO  # cumulative, by the venue's updates
    _told_value: Decimal | None = None
    _venue_ns: int | None = None  # stamp of the newest update
    _acknowledged: bool = False
    _before: str = "submitted"  # the state a cancel found it in

    @property
    def lacking(self) -> Decimal:
        """How much more is filled, by the venue's word, than the fills we have explain."""
        return max(ZERO, EXACT.subtract(self._told, self.held))

    @property
    def most(self) -> Decimal | None:
        """What may still come beyond the fills we have, at its worst; None where only a quote size is known."""
        if self.order.final and not self.contradicted:
            return self.lacking
        if self.order.size is None:
            return None
        size = max(self.order.size, self.new_size or ZERO, self._told)
        return max(ZERO, EXACT.subtract(size, self.held))

    @property
    def counts(self) -> bool:
        """Whether anything may still come of it."""
        return not self.order.final or self.contradicted or bool(self.lacking)

    # ---- what we did ---------------------------------------------------------------------------------------------

    def ask(self, what: str, now_ns: int, size: Decimal | None, price: Decimal | None) -> str:
        """A cancel or an amend is about to be sent."""
        if self.order.final:
            return f"{what} of an order that is {self.order.state}"
        if what == "amend":
            self.new_size, self.new_price = size, price
        self._change(now_ns, asked=what)
        return ""

    def revise(self, intent: Intent, now_ns: int) -> None:
        """It is wanted otherwise, before anything was sent."""
        self._change(now_ns, intent=intent, size=intent.size, price=intent.price)

    def sent(self, sent: Sent, now_ns: int) -> str:
        """The bytes of a command left us."""
        if sent.what == "submit":
            if self.order.submitted_ns is None:
                self._change(now_ns, submitted_ns=sent.at_ns)
            if self.order.state == "intended":
                self._move("submitted", now_ns)
        elif sent.what == "cancel" and self.order.state in _CANCELLABLE:
            self._move("cancelling", now_ns, asked="cancel")
        return ""

    def failed(self, failed: Failed, now_ns: int) -> str:
        """A command had no good answer."""
        if self.order.final:
            return ""
        if failed.what == "submit":
            return self._submit_failed(failed, now_ns)
        if failed.outcome == "unknown":
            return self._move("unknown", now_ns, why=failed.why)
        if failed.what == "amend":
            self.new_size = self.new_price = None
        asked = "" if self.order.asked == failed.what else self.order.asked
        unclear = failed.outcome == "refused" and failed.reason in GONE
        state = self.order.state
        if state == "cancelling" and failed.what == "cancel":
            # Only of an order that is known to rest does a refused cancel say that it still does.
            unclear = unclear or failed.outcome == "unsent" or self._before in {"submitted", "unknown"}
            state = "partly_filled" if self.order.filled else "open"
        return self._move("unknown" if unclear else state, now_ns, asked=asked, why=failed.why)

    def _submit_failed(self, failed: Failed, now_ns: int) -> str:
        if self._acknowledged or self.held:
            return "" if failed.outcome == "unknown" else f"{failed.outcome} ({failed.why}) after the venue had it"
        if failed.outcome == "unsent" and self.order.state == "intended":
            return self._move("withdrawn", now_ns, why=failed.why, reason=failed.reason)
        # That an id is taken says that an earlier copy arrived, and not what became of it.
        if failed.outcome == "refused" and failed.reason != "duplicate":
            return self._move("rejected", now_ns, why=failed.why, reason=failed.reason)
        self._move("unknown", now_ns, why=failed.why)
        return "" if failed.outcome != "unsent" else f"not sent ({failed.why}) after it was told to be sent"

    def doubt(self, now_ns: int, why: str) -> bool:
        """We may have missed an answer: whatever is in flight is unknown from now on. Whether anything was."""
        if self.order.final or not (self.order.state in _IN_FLIGHT or self.order.asked):
            return False
        self._move("unknown", now_ns, why=why)
        return True

    def waive(self, now_ns: int) -> None:
        """Fills that the venue told of are not to be had: what we have is all."""
        self._told, self._told_value = self.held, None
        self._count(now_ns)

    # ---- what the venue says -------------------------------------------------------------------------------------

    def told(self, update: OrderUpdate, now_ns: int) -> str:
        """The venue's word on the order."""
        late = update.at_ns is not None and self._venue_ns is not None and update.at_ns < self._venue_ns
        filled = update.filled
        if filled is None and update.state == "filled":
            filled = update.size or self.order.size
        if filled is not None and filled > self._told:
            self._told = filled
            self._told_value = None if update.average is None else EXACT.multiply(update.average, filled)
        self._count(now_ns)
        was = self.order.state
        odd = self._state_told(update, now_ns, late=late)
        if not late:
            if self._answers_amend(update, was):
                self.new_size = self.new_price = None
                asked = "" if self.order.asked == "amend" else self.order.asked
                self._change(now_ns, asked=asked)
            if update.at_ns is not None:
                self._venue_ns = update.at_ns
            self._change(now_ns, size=update.size or self.order.size, price=update.price or self.order.price)
        self._change(now_ns, venue_id=update.venue_id or self.order.venue_id)
        return odd

    def filled(self, fill: Fill, now_ns: int) -> str:
        """A fill that was not known: it counts in any state, and changes no final one."""
        self.held = EXACT.add(self.held, fill.size)
        self.held_value = EXACT.fma(fill.price, fill.size, self.held_value)
        self._count(now_ns)
        self._change(now_ns, venue_id=self.order.venue_id or fill.venue_id)
        state = self.order.state
        if state in _DEAD:
            self.contradicted = True
            return f"fill {fill.id} of an order that is {state}"
        if state in _UNTOUCHED or (state == "unknown" and not self.order.asked):
            self._move("partly_filled", now_ns)
        most = max(self.order.size or self.held, self.new_size or ZERO)
        if self.held > most:
            return f"fill {fill.id} makes {plain(self.held)} filled of {plain(most)}"
        if state in FINAL and self.held > self._told:
            return f"fill {fill.id} came after the order was {state} with {plain(self._told)} filled"
        return ""

    # ---- within --------------------------------------------------------------------------------------------------

    def _state_told(self, update: OrderUpdate, now_ns: int, *, late: bool) -> str:
        state, to = self.order.state, update.state
        if to == "open" and self.order.filled:
            to = "partly_filled"
        if state in FINAL:
            return self._told_after(to, update, now_ns)
        alive = to in _ALIVE
        arrived = self._acknowledged or bool(self.held)
        self._acknowledged |= alive
        if to in _OURS or (state == "cancelling" and alive):
            return ""  # the cancel is still out: only its own answer ends it
        if state == "unknown" and alive:
            streamed = update.source == "ws"
            if (late and streamed) or (self.order.asked == "amend" and not self._answers_amend(update, state)):
                return ""
            return self._move(to, now_ns, asked="", why=update.why)  # an unknown cancel did not work
        if to in {"rejected", "never_arrived"} and arrived:
            return f"{to} ({update.why}) after the venue had it"
        return self._move(to, now_ns, why=update.why, reason=update.reason)

    def _told_after(self, to: str, update: OrderUpdate, now_ns: int) -> str:
        """A word after the final one: most often an acknowledgement that was overtaken."""
        state = self.order.state
        if to in FINAL:
            self.contradicted = False
            return "" if to == state else f"{to} ({update.why}) after {state}"
        newer = update.at_ns is not None and self._venue_ns is not None and update.at_ns > self._venue_ns
        if to in _ALIVE and (state in _DEAD or newer):
            self.contradicted = True
            self._change(now_ns, why=f"{to} by a later word of the venue")
            return f"{to} after {state}: it may be alive, and counts as if it were"
        return ""

    def _answers_amend(self, update: OrderUpdate, state: str) -> bool:
        """Whether this tells what became of an amend: a stream may only repeat what was before it."""
        if self.order.final:
            return True
        if state == "unknown" and update.source != "ws":
            return True
        return (self.new_size is None or self.new_size == update.size) and (
            self.new_price is None or self.new_price == update.price
        )

    def _move(self, to: str, now_ns: int, **fields: object) -> str:
        """Go there by the table; what it does not allow changes nothing, and is said."""
        state = self.order.state
        if to != state and to not in TRANSITIONS[state]:
            between = _BETWEEN.get((state, to)) or ("submitted" if state == "intended" else "")
            if not between:
                # "open" of an order that is filled in part is what was before.
                return "" if (state, to) == ("partly_filled", "open") else f"{to} after {state}"
            self._move(between, now_ns)
            return self._move(to, now_ns, **fields)
        if to in FINAL:
            self.new_size = self.new_price = None
            fields["asked"] = ""
        elif to == "cancelling":
            self._before = state
        self._change(now_ns, state=to, **fields)
        return ""

    def _count(self, now_ns: int) -> None:
        if self.lacking:
            if self.lacking_since_ns is None:
                self.lacking_since_ns = now_ns
            value = self.held_value if self._told_value is None else self._told_value
            self._change(now_ns, filled=self._told, filled_value=value)
        else:
            self.lacking_since_ns = None
            self._change(now_ns, filled=self.held, filled_value=self.held_value)

    def _change(self, now_ns: int, **fields: object) -> None:
        if any(getattr(self.order, name) != value for name, value in fields.items()):
            self.order = msgspec.structs.replace(self.order, updated_ns=now_ns, **fields)


def told_of(update: OrderUpdate, strategy: str, *, ours: bool) -> Order:
    """An order that only the venue tells of."""
    intent = Intent(
        instrument=update.instrument or "", side=update.side, kind=update.kind or "limit", size=update.size,
        price=update.price, stop_price=update.stop_price, time_in_force=update.time_in_force or "gtc",
        post_only=update.post_only, reduce_only=update.reduce_only, position=update.position,
        account=update.account, strategy=strategy, note=update.origin,
    )  # fmt: skip
    return Order(
        client_id=update.client_id, intent=intent, state="submitted", size=update.size, price=update.price,
        venue_id=update.venue_id, claimed=ours,
    )  # fmt: skip


def note_of(order: Order, text: str) -> Note:
    """What is odd about an order, for the journal."""
    intent = order.intent
    return Note(
        "order", intent.account, f"{intent.instrument} {order.client_id}: {text}", order.client_id, intent.strategy
    )

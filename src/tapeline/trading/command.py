"""What the engine wants done: the only way out of it. Whoever executes them differs; the commands do not."""

from decimal import Decimal

import msgspec

from tapeline.model.order import Intent
from tapeline.trading.risk.check import Approved


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """Send this order. It is journalled as `intended` before a byte leaves; risk has approved it."""

    order: Approved


class SubmitList(msgspec.Struct, frozen=True, tag="submit_list"):
    """Send these as one order list, of which the venue itself ends one as it fills the other. Both, or none.

    `client_id` is the list's own. Each order is journalled as `intended` before a byte leaves; risk has approved it.
    """

    client_id: str
    orders: tuple[Approved, ...]


class Hold(msgspec.Struct, frozen=True, tag="hold"):
    """Journal an order that waits with us and is not sent yet: for a price, or for the fills of the order `after`.

    A `Submit` of the same id follows once its time has come, or a `Withdraw`; another `Hold` is what it was amended to.
    """

    client_id: str
    intent: Intent
    after: str = ""


class Withdraw(msgspec.Struct, frozen=True, tag="withdraw"):
    """Journal that an order which was held is over, and was never sent. `reason` is one of model.order.REASONS."""

    client_id: str
    why: str
    reason: str = ""


class Amend(msgspec.Struct, frozen=True, tag="amend"):
    """Change an order's total size (what is filled included) or price; None leaves it."""

    client_id: str
    size: Decimal | None = None
    price: Decimal | None = None


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Cancel one order of ours."""

    client_id: str


class CancelAll(msgspec.Struct, frozen=True, tag="cancel_all"):
    """Cancel every order of ours of an account, or of one instrument of it."""

    account: str
    instrument: str | None = None


class SetHalt(msgspec.Struct, frozen=True, tag="halt"):
    """Ask for a worse state of an account: reduce_only | halted | flattening."""

    account: str
    state: str
    why: str
    who: str = "engine"


class Note(msgspec.Struct, frozen=True, tag="note"):
    """A decision worth a line in the journal: a denial, a strategy paused, an adjustment."""

    kind: str
    account: str
    text: str
    client_id: str = ""
    strategy: str = ""


OF_STOPS = frozenset({"halt", "halt_report", "flatten"})
"""Kinds of notes that an emergency stop writes into the journal, from whatever process: they are of no step of the
engine, and its digest does not have them.
"""

Command = Submit | SubmitList | Hold | Withdraw | Amend | Cancel | CancelAll | SetHalt | Note

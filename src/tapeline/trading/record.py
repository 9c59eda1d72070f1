"""What the journal holds: commands, what came back, and what a restart has to know besides. Pure.

Commands and news are written as they are; the structs here are those that only the journal has.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tapeline.errors import BadData
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.trading.accounting.ledger import Adjustment
from tapeline.trading.command import (
    Amend,
    Cancel,
    CancelAll,
    Command,
    Hold,
    Note,
    SetHalt,
    Submit,
    SubmitList,
    Withdraw,
)
from tapeline.trading.input import Failed, Forget, Halted, Healthy, Operator, Sent
from tapeline.trading.risk.losses import Since


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A run began: of which version, with which settings (JSON, without secrets)."""

    version: str
    settings: str
    at_ns: int


class Listed(msgspec.Struct, frozen=True, tag="listed"):
    """An instrument as it was when the fills after this were booked. Write it before its first, and when it changes.

    An engine that runs takes it, too: what comes after is rounded and judged by it. `why`: see `terms.Change`.
    """

    instrument: Instrument
    at_ns: int
    why: str = ""


class Marked(msgspec.Struct, frozen=True, tag="marked"):
    """A price that fees were valued at: write it before a fill whose fee is in a third coin."""

    instrument: str
    price: str
    at_ns: int


class Remembered(msgspec.Struct, frozen=True, tag="remembered"):
    """What loss limits have seen; the last one holds."""

    losses: Mapping[str, Since]
    at_ns: int


class Digest(msgspec.Struct, frozen=True, tag="digest"):
    """The engine's digest after the commands before this, since the last of its kind. The last one holds."""

    digest: str
    at_ns: int


class Agreed(msgspec.Struct, frozen=True, tag="agreed"):
    """A reconciliation has come to its end: our figures are the venue's now, by `adjustments` adjustments.

    `unexplained` of them nothing explains; `accepted` is who took them as they are, and why. `at_ns` is the venue's
    clock when it was asked.
    """

    account: str
    adjustments: int
    unexplained: int
    accepted: str
    at_ns: int


class Ordered(msgspec.Struct, frozen=True):
    """What was approved, read back: it can be sent no more."""

    client_id: str
    intent: Intent


class Submitted(msgspec.Struct, frozen=True, tag="submit"):
    """A `Submit`, read back."""

    order: Ordered


class SubmittedList(msgspec.Struct, frozen=True, tag="submit_list"):
    """A `SubmitList`, read back."""

    client_id: str
    orders: tuple[Ordered, ...]


News = (
    OrderUpdate | Fill | Balance | Position | Payment | AccountMode | Sent | Failed | Operator | Halted | Healthy
    | Forget
)  # fmt: skip
Written = Command | News | Adjustment | Begun | Listed | Marked | Remembered | Agreed | Digest
"""What may be appended."""

Reread = (
    Submitted | SubmittedList | Hold | Withdraw | Amend | Cancel | CancelAll | SetHalt | Note | News | Adjustment
    | Begun | Listed | Marked | Remembered | Agreed | Digest
)  # fmt: skip
"""What comes back: the same, but for what was submitted."""

COMMANDS = (Submit, Submitted, SubmitList, SubmittedList, Hold, Withdraw, Amend, Cancel, CancelAll, SetHalt, Note)
encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Reread).decode


class Entry(NamedTuple):
    """A record as it stands in the journal: when, what, its very text, and its number there."""

    at_ns: int
    record: Reread
    body: str
    number: int = 0


class Heading(msgspec.Struct, frozen=True):
    """What a record can be found by."""

    kind: str
    account: str
    client_id: str
    at_ns: int


def heading(record: Written, now_ns: int) -> Heading:
    """Of a record that is written now. Commands have no time of their own: it is `now_ns`."""
    of: Any = record.order if isinstance(record, Submit) else record
    tag = type(record).__struct_config__.tag
    assert isinstance(tag, str), f"{type(record)} has no tag"
    whose = record.orders[0] if isinstance(record, SubmitList) else of
    account: str = getattr(of, "account", "") or getattr(getattr(whose, "intent", None), "account", "")
    at_ns: int = getattr(of, "received_ns", None) or getattr(of, "at_ns", None) or now_ns
    return Heading(tag, account, getattr(of, "client_id", ""), at_ns)


def decode(body: bytes | str) -> Reread:
    """A record as it was written. Raises BadData where it is none."""
    try:
        record: Reread = _decode(body)
    except msgspec.MsgspecError as error:
        raise BadData(f"no record of a journal: {error}", kind="bad_record") from error
    return record

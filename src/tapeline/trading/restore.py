"""A journal played back: orders, books, halts and what strategies waited for, as they were. Pure, sends nothing."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from tapeline.errors import Broken
from tapeline.model.account import Fill, OrderUpdate, Payment
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.command import OF_STOPS, Amend, Cancel, Hold, Note, Withdraw
from tapeline.trading.forgetting import forget
from tapeline.trading.input import Failed, Forget, Halted, Operator, Sent
from tapeline.trading.memo import Memo
from tapeline.trading.orders import Blotter
from tapeline.trading.record import (
    COMMANDS,
    Agreed,
    Begun,
    Digest,
    Entry,
    Listed,
    Marked,
    Remembered,
    Submitted,
    SubmittedList,
)
from tapeline.trading.risk.losses import Since
from tapeline.trading.whose import is_stop, strategy_of

RESTART = "a restart: what was in flight may have arrived or not"
MOST_PROBLEMS = 100
_SAME = tuple(name for name in Memo.__struct_fields__ if name not in {"blotter", "commands"})  # by these names in both


@dataclass(slots=True)
class Restored:
    """What a journal says. `held`: orders that wait with us, client id -> the order they wait for, or "".

    `problems` are records that make no sense any more, in words: nothing is traded before a person has seen them.
    """

    blotter: Blotter
    ledger: Ledger
    halts: dict[str, str] = field(default_factory=dict)
    halted_ns: dict[str, int] = field(default_factory=dict)  # account -> when it was told how it stands
    begun_ns: int = 0  # when the first run began
    held: dict[str, str] = field(default_factory=dict)
    losses: dict[str, Since] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    unexplained: dict[str, int] = field(default_factory=dict)  # account -> as its last reconciliation left it
    digest: str = ""
    records: int = 0
    played: int = 0  # of them, behind the memo that it began with
    last_ns: int = 0
    problems: list[str] = field(default_factory=list)

    def listened_ns(self, account: str) -> int:
        """Up to when a run has heard how an account stands, or none had to; before the first, nothing is unheard."""
        return max(self.begun_ns, self.halted_ns.get(account, 0)) if self.begun_ns else sys.maxsize


def restore(
    entries: Iterable[Entry], instance: str, now_ns: int, *, method: str = "average",
    instruments: Mapping[str, Instrument] | None = None, memo: Memo | None = None,
) -> Restored:  # fmt: skip
    """Play a journal back in order. Whatever was in flight at the end is unknown: it is asked for, never resent.

    `instruments` serve where the journal lists none. `memo` is of the records before these: the state is that of all.
    Raises Broken for a memo that makes no sense.
    """
    playback = Playback(instance, method=method, instruments=instruments, memo=memo)
    for entry in entries:
        playback.play(entry)
    return playback.end(now_ns)


class Playback:
    """A journal on its way: `play` each record in order, `memo` at any point, and `end` it."""

    def __init__(
        self, instance: str, *, method: str = "average", instruments: Mapping[str, Instrument] | None = None,
        memo: Memo | None = None,
    ) -> None:  # fmt: skip
        self._to = (
            Restored(Blotter(instance), Ledger(method), instruments=dict(instruments or {}))
            if memo is None
            else Restored(Blotter.recall(instance, memo.blotter), **{name: getattr(memo, name) for name in _SAME})
        )
        self._commands: list[str] = [] if memo is None else memo.commands  # since the last digest
        self._parts: Mapping[type, Callable[[Any, int], None]] = {
            Submitted: self._submitted, SubmittedList: self._submitted_list,
            Hold: self._hold, Withdraw: self._withdraw, Amend: self._asked,
            Cancel: self._asked, OrderUpdate: self._news, Sent: self._news, Failed: self._news, Fill: self._fill,
            Payment: self._payment, Adjustment: self._adjustment, Halted: self._halted, Operator: self._operator,
            Listed: self._listed, Marked: self._marked, Remembered: self._remembered, Agreed: self._agreed,
            Digest: self._digest, Forget: self._forget, Begun: self._begun,
        }  # fmt: skip

    def memo(self) -> Memo:
        """The state after the records so far: write it down before the next is played."""
        to = self._to
        return Memo(
            blotter=to.blotter.memo(), commands=self._commands, **{name: getattr(to, name) for name in _SAME}
        )  # fmt: skip

    def end(self, now_ns: int) -> Restored:
        """Nothing comes any more: what was in flight is unknown."""
        self._to.blotter.doubt(now_ns, RESTART, sparing=self._to.held)
        return self._to

    def play(self, entry: Entry) -> None:
        """Take the next record."""
        to, record, at_ns = self._to, entry.record, entry.at_ns
        to.records += 1
        to.played += 1
        to.last_ns = max(to.last_ns, at_ns)
        if isinstance(record, COMMANDS) and not (isinstance(record, Note) and record.kind in OF_STOPS):
            self._commands.append(entry.body)
        part = self._parts.get(type(record))
        if part is None:
            return
        try:
            part(record, at_ns)
        except Broken as error:
            self._problem(f"record {to.records}: {error}")

    def _submitted(self, record: Submitted, at_ns: int) -> None:
        order = record.order
        self._to.held.pop(order.client_id, None)
        if self._to.blotter.order(order.client_id) is None:
            self._to.blotter.intend(order.client_id, order.intent, at_ns)

    def _submitted_list(self, record: SubmittedList, at_ns: int) -> None:
        for order in record.orders:
            self._submitted(Submitted(order), at_ns)
        self._to.blotter.tie(record.client_id, [order.client_id for order in record.orders])

    def _hold(self, record: Hold, at_ns: int) -> None:
        if record.client_id in self._to.held:
            self._to.blotter.revise(record.client_id, record.intent, at_ns)
        else:
            self._to.blotter.intend(record.client_id, record.intent, at_ns)
        self._to.held[record.client_id] = record.after

    def _withdraw(self, record: Withdraw, at_ns: int) -> None:
        self._to.held.pop(record.client_id, None)
        self._news(Failed(record.client_id, "submit", "unsent", at_ns, record.why, record.reason), at_ns)

    def _asked(self, record: Amend | Cancel, at_ns: int) -> None:
        if isinstance(record, Amend):
            self._to.blotter.asked(record.client_id, "amend", at_ns, record.size, record.price)
        else:
            self._to.blotter.asked(record.client_id, "cancel", at_ns)

    def _news(self, record: OrderUpdate | Sent | Failed, at_ns: int) -> None:
        self._to.blotter.apply(record, at_ns)

    def _fill(self, record: Fill, at_ns: int) -> None:
        applied = self._to.blotter.apply(record, at_ns)
        if applied.fill not in {"new", "fee"}:
            return
        order = applied.order
        instrument = self._to.instruments.get(record.instrument or "")
        if instrument is None:
            self._problem(f"record {self._to.records}: a fill of {record.instrument}, which nobody lists")
            return
        self._to.ledger.apply(record, instrument, strategy_of(order), stopped=is_stop(record, order))

    def _payment(self, record: Payment, _at_ns: int) -> None:
        self._to.ledger.pay(record)

    def _adjustment(self, record: Adjustment, _at_ns: int) -> None:
        instrument = self._to.instruments.get(record.instrument)
        if record.instrument and instrument is None:
            self._problem(f"record {self._to.records}: a position of {record.instrument}, which nobody lists")
            return
        self._to.ledger.adjust(record, instrument)

    def _begun(self, record: Begun, _at_ns: int) -> None:
        self._to.begun_ns = self._to.begun_ns or record.at_ns

    def _halted(self, record: Halted, _at_ns: int) -> None:
        self._to.halts[record.account], self._to.halted_ns[record.account] = record.state, record.at_ns
        self._to.ledger.stand(record.account, record.state, record.prices)

    def _operator(self, record: Operator, at_ns: int) -> None:
        if record.action == "claim":
            instrument, _, venue_id = record.value.rpartition(" ")
            self._to.blotter.claim(record.account, instrument, venue_id, at_ns)

    def _listed(self, record: Listed, _at_ns: int) -> None:
        self._to.instruments[record.instrument.id] = record.instrument

    def _marked(self, record: Marked, _at_ns: int) -> None:
        self._to.ledger.mark(record.instrument, Decimal(record.price))

    def _remembered(self, record: Remembered, _at_ns: int) -> None:
        self._to.losses = dict(record.losses)

    def _agreed(self, record: Agreed, at_ns: int) -> None:
        self._to.blotter.waive(record.account, at_ns)
        self._to.ledger.agree(record.account, record.at_ns)
        self._to.unexplained[record.account] = 0 if record.accepted else record.unexplained

    def _digest(self, record: Digest, _at_ns: int) -> None:
        expected = digest_of(self._to.digest, self._commands)
        if record.digest != expected:
            self._problem(f"record {self._to.records}: the commands before it are not those of its digest")
        self._to.digest = record.digest
        self._commands.clear()

    def _forget(self, record: Forget, _at_ns: int) -> None:
        forget(record, self._to.blotter, self._to.ledger)

    def _problem(self, text: str) -> None:
        if len(self._to.problems) < MOST_PROBLEMS:
            self._to.problems.append(text)


def digest_of(before: str, commands: list[str]) -> str:
    """What the engine's digest is after these commands of one step, each as JSON."""
    return blake2b(f"{before}[{','.join(commands)}]".encode(), digest_size=16).hexdigest()

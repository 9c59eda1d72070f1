"""Keeps one account's books those of its venue: asks for a statement, applies what was missed, books what differs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import structlog

from tapeline.clock import Clock
from tapeline.errors import Retry
from tapeline.model.account import Balance
from tapeline.model.instrument import Instrument
from tapeline.model.number import plain
from tapeline.model.order import Order
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.orders import Blotter
from tapeline.trading.reconcile import Reconciliation, Statement, reconcile, settle
from tapeline.trading.record import Written

ROUNDS = 5  # statements until one is of a single moment; the next reconciliation tries again
PAUSE_S = 1.0
MARGIN_NS = 60 * 10**9  # fills are asked for from so long before the newest one known: some come late to a list
MOST_REASONS = 100  # a currency
NOT_YET = "the account has not been reconciled with its venue yet"
_log = structlog.get_logger("tapeline")


class Books(Protocol):
    """Where events and records go: `Execution`."""

    def offer(self, event: Any) -> None:
        """For the engine, in turn."""
        ...

    def write(self, record: Written, at_ns: int | None = None) -> None:
        """For the journal: it was put into the books at this time."""
        ...

    async def settled(self) -> None:
        """Until everything offered so far was decided on, and is durable."""
        ...


@dataclass(slots=True)
class Reconciled:
    """How an account stood when it was last compared. `unexplained` and `foreign` are in words."""

    at_ns: int = 0
    done: int = 0
    adjusted: int = 0
    unexplained: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    waiting: str = NOT_YET  # why its figures could not be compared; "" where they were


class Reconciler:
    """One account's. `statement(since_ns)` asks the venue, `look_up` has an order asked for until its fate is known.

    Until the first comparison `waiting` says so; the gate is reduce-only for as long as it says anything. `told` hears
    of every comparison that came to an end.
    """

    def __init__(
        self, account: str, *, blotter: Blotter, ledger: Ledger, instruments: Mapping[str, Instrument], books: Books,
        statement: Callable[[int, Mapping[str, Sequence[str]]], Awaitable[Statement]],
        look_up: Callable[[Order], None], clock: Clock, told: Callable[[str, Reconciled], None],
    ) -> None:  # fmt: skip
        self._account, self._blotter, self._ledger, self._instruments = account, blotter, ledger, instruments
        self._books, self._statement, self._look_up = books, statement, look_up
        self._clock, self._told = clock, told
        self._one = asyncio.Lock()
        self._reasons: dict[str, list[str]] = {}
        self.state = Reconciled()

    def heard(self, balance: Balance) -> None:
        """The venue's own word for a change of a currency may explain what nothing else does."""
        if balance.reason:
            words = self._reasons.setdefault(balance.currency, [])
            words.append(balance.reason)
            del words[:-MOST_REASONS]

    async def run(self, why: str, accepted: str = "") -> Reconciled:
        """Compare now. `accepted` (who, and why): a person takes what differs as it is. Raises what asking raises.

        Raises Retry where no statement was of a single moment: fills kept coming, or the venue's lists lag behind.
        """
        async with self._one:
            for attempt in range(ROUNDS):
                if attempt:
                    await asyncio.sleep(PAUSE_S)
                if await self._once(why, accepted):
                    return self.state
            raise Retry(f"account {self._account}: {self.state.waiting}")

    # ---- within --------------------------------------------------------------------------------------------------

    async def _once(self, why: str, accepted: str) -> bool:
        reasons, self._reasons = self._reasons, {}
        ours_ns = self._clock.wall_ns()
        try:
            said = await self._statement(self._from_ns(), reasons)
        except BaseException:
            self._reasons = reasons
            raise
        statement = msgspec.structs.replace(said, ours_ns=ours_ns)
        if statement.mode is not None:
            self._books.offer(statement.mode)
        await self._books.settled()  # what came meanwhile is in the books before they are compared
        found = reconcile(statement, self._blotter, self._ledger, self._instruments, accepted=accepted)
        for event in found.events:
            self._books.offer(event)
        await self._books.settled()
        for order in found.ask:
            self._look_up(order)
        self.state.foreign = tuple(f"{each.instrument} {each.venue_id}" for each in found.foreign)
        if found.again:
            self._reasons = reasons | self._reasons
            self.state.waiting = self.state.waiting and found.again  # what was agreed on stays so for the moment
            return False
        await self._book(found)
        state = self.state
        state.at_ns, state.done, state.waiting = statement.at_ns, state.done + 1, ""
        state.adjusted += len(found.adjustments)
        state.unexplained = () if accepted else tuple(in_words(each) for each in found.unexplained)
        self._say(found, why)
        self._told(self._account, state)
        return True

    async def _book(self, found: Reconciliation) -> None:
        now_ns = self._clock.wall_ns()
        for record in settle(found, self._blotter, self._ledger, self._instruments, now_ns):
            self._books.write(record, now_ns)
        for adjustment in found.adjustments:
            self._books.offer(adjustment)  # risk counts what was put right
        await self._books.settled()

    def _from_ns(self) -> int:
        """Since when fills may have been missed."""
        # Not since the newest that is known: before that one, others may have been missed.
        known = max(self._ledger.agreed_ns(self._account), self._ledger.begun_ns(self._account) or 0)
        return max(0, (known or self._clock.wall_ns()) - MARGIN_NS)

    def _say(self, found: Reconciliation, why: str) -> None:
        for words in found.found:
            _log.warning("reconciled", account=self._account, found=words, why=why)
        for each in found.adjustments:
            tell = _log.warning if each.explained else _log.error
            tell("adjusted", account=self._account, what=in_words(each))


def in_words(adjustment: Adjustment) -> str:
    """Both figures, and what explains the difference."""
    what = adjustment.currency or f"{adjustment.instrument} {adjustment.position}"
    why = adjustment.why or "nothing explains it"
    return f"{what}: ours {plain(adjustment.ours)}, the venue's {plain(adjustment.theirs)}: {why}"

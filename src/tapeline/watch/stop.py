"""The emergency stop of one account: gate, cancel all, verify, flatten, verify, report. It needs no engine."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TypeVar

from tapeline.clock import Clock
from tapeline.errors import OrderRefused, OutcomeUnknown, Refused, Retry, TapelineError
from tapeline.model.account import OrderUpdate, Position
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.store.latch import HaltLatch
from tapeline.trading.client_ids import slice_id
from tapeline.trading.flatten import Closing, Steps, Stuck
from tapeline.trading.halt import Change
from tapeline.trading.risk.check import Approved, approve_flatten
from tapeline.watch.hand import Hand
from tapeline.watch.report import Left, Report, worst_of

T = TypeVar("T")
AGAIN_S = 0.5  # between two questions
SETTLE_S = 1.0  # what left just before the gate closed has arrived by then
CALL_S = 10.0  # longest one question may take
AT_ONCE = 10  # cancels that are under way together
ROUNDS = 5  # of cancel and flatten, where new orders show up behind our back
STILL = 3  # slices at the widest band that change nothing: then what is left stays


class Undone(Exception):
    """A step could not be finished; the text says why."""


@dataclass(slots=True, kw_only=True)
class Stop:
    """One stop of one account. `note(kind, text)` writes a line to the journal; it must not raise.

    `cancels` False: the account becomes reduce-only, and what is open is looked at and left. `owns` says which client
    ids are of our making: the others are told apart in the report.
    """

    hand: Hand
    latch: HaltLatch
    clock: Clock
    who: str
    why: str
    flatten: bool = False
    cancels: bool = True
    owns: Callable[[str], bool] = lambda _client_id: True
    steps: Steps = field(default_factory=Steps)
    wait_s: float = 2.0
    give_up_s: float = 300.0
    note: Callable[[str, str], None] = lambda _kind, _text: None
    _report: Report = field(init=False)
    _ends_at: float = field(init=False, default=0.0)
    _sent: int = field(init=False, default=0)

    async def run(self) -> Report:
        """Do it. What could not be done is in the report; nothing is raised but cancellation."""
        began_ns = self.clock.wall_ns()
        self._ends_at = self.clock.now() + self.give_up_s
        worst = worst_of(flatten=self.flatten, cancels=self.cancels)
        self._report = Report(
            account=self.hand.account, mode=self.hand.mode, state=worst, who=self.who, why=self.why,
            flatten=self.flatten, cancels=self.cancels, began_ns=began_ns,
        )  # fmt: skip
        self._gate(worst)
        self.hand.begin()
        try:
            for _ in range(ROUNDS):
                if self.cancels:
                    await self._cancel_all()
                if self.flatten:
                    await self._flatten()
                if await self._verify():
                    break
        except Undone as undone:
            self._problem(str(undone))
        if self.flatten and self._report.done:
            self._gate("flat")
        self._report.state = self.latch.state
        self._report.ended_ns = self.clock.wall_ns()
        for line in self._report.lines():
            self.note("halt_report", line.strip())
        return self._report

    # ---- the gate ----------------------------------------------------------------------------------------------------

    def _gate(self, state: str) -> None:
        """From here on no process that shares the account opens anything."""
        who, why = ("flattener", "verified with the venue") if state == "flat" else (self.who, self.why)
        try:
            found = self.latch.worsen(state, who=who, why=why)
        except OSError as error:
            self._problem(f"the latch could not be written ({error}): stop every process that trades with it")
            return
        if isinstance(found, Change):
            self.note("halt", f"{found.before} -> {found.state} by {found.who}: {found.why}")

    # ---- cancel and verify -------------------------------------------------------------------------------------------

    async def _cancel_all(self) -> None:
        """Cancel until the venue says twice, some time apart, that there is nothing."""
        silent = False
        while True:
            orders = await self._asked("open orders", self.hand.open_orders)
            if not orders and silent:
                return
            silent = not orders
            if not orders:
                await self._wait(SETTLE_S)
                continue
            await self._tried("cancel all", partial(self.hand.cancel_all, orders))
            left = await self._asked("open orders", self.hand.open_orders)
            for at in range(0, len(left), AT_ONCE):
                await asyncio.gather(*map(self._cancel, left[at : at + AT_ONCE]))
            told = set(self._report.cancelled)  # some are told of twice: on two pages, or under two kinds
            new = {name: order for order in orders if (name := _name(order)) not in told}
            self._report.cancelled += new
            self._report.others += [name for name, order in new.items() if not self.owns(order.client_id)]
            await self._wait(AGAIN_S)

    async def _cancel(self, order: OrderUpdate) -> None:
        await self._tried(f"cancel {_name(order)}", lambda: self.hand.cancel(order))

    async def _verify(self) -> bool:
        """Fresh reads of everything; whether it is as it was asked for."""
        report = self._report
        orders = await self._asked("open orders", self.hand.open_orders)
        positions = await self._asked("positions", self.hand.positions)
        report.left_orders = [_name(order) for order in orders]
        known = {(left.instrument, left.size): left for left in report.left_positions}
        report.left_positions = [
            known.get((each.instrument or "", each.size)) or Left(each.instrument or "", each.size, "")
            for each in positions
            if each.size != ZERO
        ]
        report.verified = not (self.flatten and self.hand.unsure)
        if not report.verified and self.hand.unsure not in report.problems:
            self._problem(self.hand.unsure)
        return report.done

    # ---- flatten -----------------------------------------------------------------------------------------------------

    async def _flatten(self) -> None:
        self._report.left_positions = []
        for position in await self._asked("positions", self.hand.positions):
            if position.size != ZERO:
                await self._close(position)

    async def _close(self, position: Position) -> None:
        """Slice by slice; after each the position is read anew, and none is sent for more than is there."""
        name = position.instrument or ""
        known = await self._asked(f"what {name} is", lambda: self.hand.instrument(name))
        closing = Closing(known, self.hand.account, position.size, self.steps, position.position)
        still = 0
        while closing.size != ZERO:
            bid, ask = await self._asked(f"the price of {name}", lambda: self.hand.top(name))
            found = closing.slice(bid, ask)
            if isinstance(found, Stuck):
                self._report.left_positions.append(Left(name, closing.size, found.text, found.dust))
                break
            assert found.size is not None, "a slice has a size"
            before = closing.size
            self._sent += 1
            order = approve_flatten(found, closing.size, client_id=slice_id(self._report.began_ns, self._sent))
            assert isinstance(order, Approved), f"a slice that does not close: {order}"
            await self._slice(order)
            closing.told(await self._size(position), found.size)
            if closing.size != ZERO and (closing.size > ZERO) is not (before > ZERO):
                raise Undone(f"{name} turned from {plain(before)} to {plain(closing.size)}: somebody else trades it")
            still = still + 1 if closing.size == before and closing.widest else 0
            if still >= STILL:
                text = f"nobody took it within {plain(closing.band)} of the price"
                self._report.left_positions.append(Left(name, closing.size, text))
                break
        closed = EXACT.subtract(EXACT.abs(position.size), EXACT.abs(closing.size))
        if closed > ZERO:
            self._report.closed.append(f"{plain(closed)} {name}")

    async def _slice(self, order: Approved) -> None:
        """Send one, and wait until it is certain what became of it: none is sent while another may still be filled."""
        self._report.slices += 1
        try:
            async with asyncio.timeout(CALL_S):
                await self.hand.place(order)
        except OrderRefused as refused:
            self.note("flatten", f"{order.client_id}: {refused}")
            return  # the next one goes further through the market
        except (OutcomeUnknown, TimeoutError) as unsure:
            self.note("flatten", f"{order.client_id}: {unsure or 'no answer'}")
        except Retry as trouble:
            self.note("flatten", f"{order.client_id} was not sent: {trouble}")
            await self._wait(trouble.after_s or AGAIN_S)
            return
        except Refused as refused:
            raise Undone(f"{order.intent.instrument}: {refused}") from refused
        until = self.clock.now() + self.wait_s
        lost_at = self.clock.now() + max(self.wait_s, self.hand.lag_s)
        while True:
            asking = partial(self.hand.order, order.client_id, order.intent.instrument)
            found = await self._asked(f"what became of {order.client_id}", asking)
            if found is not None and found.state in {"filled", "cancelled", "rejected", "expired"}:
                return
            if found is None and self.clock.now() >= lost_at:
                return  # it never arrived, by the venue's word and after its own delay
            if found is not None and self.clock.now() >= until:
                await self._cancel(found)
            await self._wait(AGAIN_S / 2)

    async def _size(self, of: Position) -> Decimal:
        for each in await self._asked("positions", self.hand.positions):
            if each.instrument == of.instrument and each.position == of.position:
                return each.size
        return ZERO

    # ---- patience ----------------------------------------------------------------------------------------------------

    async def _asked(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, however often it takes, until time is up. Raises Undone."""
        while True:
            try:
                async with asyncio.timeout(CALL_S):
                    return await ask()
            except Refused as refused:
                raise Undone(f"{what}: the venue says no: {refused}") from refused
            except (TapelineError, TimeoutError) as trouble:
                self._time_left(f"{what}: {trouble or 'no answer'}")
                after_s = trouble.after_s if isinstance(trouble, Retry) else None
                await self._wait(max(AGAIN_S, after_s or 0.0))

    async def _tried(self, what: str, act: Callable[[], Awaitable[None]]) -> None:
        """Done, or not: what is open afterwards says it."""
        try:
            async with asyncio.timeout(CALL_S):
                await act()
        except (TapelineError, TimeoutError) as trouble:
            self.note("halt", f"{what}: {trouble or 'no answer'}")

    async def _wait(self, seconds: float) -> None:
        self._time_left("time is up")
        await asyncio.sleep(min(seconds, max(0.0, self._ends_at - self.clock.now()) + AGAIN_S))

    def _time_left(self, what: str) -> None:
        if self.clock.now() >= self._ends_at:
            raise Undone(f"given up after {self.give_up_s:g} s: {what}")

    def _problem(self, text: str) -> None:
        self._report.problems.append(text)
        self.note("halt", text)


def _name(order: OrderUpdate) -> str:
    return order.client_id or order.venue_id


async def stop_all(stops: Sequence[Stop]) -> list[Report]:
    """Every account at once: none waits for another."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run(), name=f"stop {each.hand.account}") for each in stops]
    return [task.result() for task in running]

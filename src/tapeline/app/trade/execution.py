"""Runs an engine: events in, one journal transaction for the commands of a step, then the gateways. In that order.

Nothing is sent before it is durable. Gateways answer by events, which come in as market events do.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tapeline.clock import Clock
from tapeline.errors import Broken, TimedOut
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.model.number import plain
from tapeline.model.order import Order
from tapeline.trading.command import Amend, Cancel, CancelAll, Command, Hold, Note, SetHalt, Submit, SubmitList
from tapeline.trading.engine import Engine
from tapeline.trading.input import Failed, Forget, Halted, Healthy, Operator, Sent, Timer
from tapeline.trading.record import Digest, Listed, Marked, Written

MOST_WAITING = 100_000  # market events that wait to be decided on; more are dropped, and the accounts halted
SETTLED_WITHIN_S = 30.0
CANCEL_AGAIN_S = 2.0  # between two cancels of an order, at a stop
AT_ONCE = 500  # events between two looks at everything else that wants to run
ROUND_S = 0.05  # and no longer than this, but for a step that takes longer by itself
KEPT = (OrderUpdate, Fill, Payment, Sent, Failed, Operator, Halted, Forget, Listed)  # what the state is rebuilt from
_NEVER_DROPPED = (*KEPT, Balance, Position, AccountMode, Healthy, Timer)


class Gateway(Protocol):
    """Executes commands of one account; what becomes of them comes back as events."""

    def execute(self, command: Command) -> None:
        """Send it; returns at once."""
        ...


Keep = Callable[[Sequence[Written], int], Awaitable[object]]
"""Writes down what happened, at this time, in one transaction: durable when it returns."""


@dataclass(frozen=True, slots=True)
class ExecutionStatistics:
    """What went through; `behind_s` is how old the event was that was decided on last, `slowest_s` the worst."""

    events: int
    steps: int
    commands: int
    orders: int
    denied: int
    dropped: int
    waiting: int
    commits: int
    behind_s: float
    slowest_s: float
    commit_s: float  # the mean time of a journal transaction
    digest: str


class Execution:
    """One engine at work. `offer` is for the bus and gateways, and never waits; `run` goes on until cancelled.

    `halt(account, state, why, who)` asks the latch, which answers with a `Halted`; `keep` writes to the journal; `told`
    hears of every note, and `beside` of every record that is written without a step, with its time. `relisted` hears of
    new terms of an instrument before the engine decides by them: gateways have to know them then.
    """

    def __init__(
        self, engine: Engine, gateways: Mapping[str, Gateway], *, clock: Clock, keep: Keep,
        halt: Callable[[str, str, str, str], None], told: Callable[[Note], None] = lambda _note: None,
        most_behind_s: float = 2.0, beside: Callable[[Written, int], None] = lambda _record, _at_ns: None,
        relisted: Callable[[Instrument], None] = lambda _new: None,
    ) -> None:  # fmt: skip
        self.engine = engine
        self._gateways, self._clock, self._keep, self._halt, self._told = gateways, clock, keep, halt, told
        self._most_behind_s, self._beside, self._relisted = most_behind_s, beside, relisted
        self._waiting: deque[tuple[float, Any]] = deque()
        self._awake = asyncio.Event()
        self._settling: deque[tuple[int, asyncio.Future[None]]] = deque()  # each after so many events
        self._kept: list[Written] = []  # to be journalled
        self._overloaded = False
        self._events = self._steps = self._commands = self._orders = self._denied = self._dropped = self._commits = 0
        self._behind_s = self._slowest_s = self._commit_s = 0.0

    def offer(self, event: Any) -> None:
        """Take an event; it is decided on in turn."""
        if len(self._waiting) >= MOST_WAITING and not isinstance(event, _NEVER_DROPPED):
            self._dropped += 1
            return
        self._waiting.append((self._clock.now(), event))
        if not self._awake.is_set():
            self._awake.set()

    async def start(self) -> None:
        """Begin: every strategy's `on_start`."""
        await self._do(self.engine.start(self._clock.wall_ns()))

    async def run(self) -> None:
        """Decide on events as they come, and when timers are due."""
        while True:
            if not self._waiting and not self._settling:
                await self._wait()
            await self._round()
            await asyncio.sleep(0)

    async def stop(self, within_s: float) -> list[Order]:
        """No new orders; open ones are cancelled or kept, as the setup says. Returns those that are not certain to be.

        `run` has to go on meanwhile: answers come through it. A cancel that was refused is asked again.
        """
        await self._do(self.engine.stop(self._clock.wall_ns()))
        blotter = self.engine.situation.blotter
        keeping = self.engine.situation.setup.at_stop == "keep"
        asked_at = self._clock.now()
        until = asked_at + within_s
        while self._clock.now() < until:
            open_orders = [each for each in blotter.live() if each.claimed and not (keeping and not each.asked)]
            if not [each for each in open_orders if each.client_id not in self.engine.situation.waiters]:
                break
            if self._clock.now() >= asked_at + CANCEL_AGAIN_S and any(not each.asked for each in open_orders):
                asked_at = self._clock.now()
                await self._do(self.engine.stop(self._clock.wall_ns()))
            await asyncio.sleep(0.02)
        await self.flush()
        return (
            [] if keeping else [each for each in blotter.live() if each.client_id not in self.engine.situation.waiters]
        )

    def write(self, record: Written, at_ns: int | None = None) -> None:
        """Something else for the journal, with what comes next; `at_ns`: when it was put into the books."""
        self._kept.append(record)
        self._beside(record, self._clock.wall_ns() if at_ns is None else at_ns)

    async def settled(self) -> None:
        """Until everything offered so far was decided on, and is durable. Raises TimedOut; `run` has to go on."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.append((self._events + len(self._waiting), done))
        self._awake.set()
        try:
            async with asyncio.timeout(SETTLED_WITHIN_S):
                await done
        except TimeoutError as error:
            raise TimedOut(f"events were not decided on within {SETTLED_WITHIN_S:g} s") from error

    async def flush(self) -> None:
        """Write down what came back and waits to be."""
        if self._kept:
            await self._commit(())

    def oldest_s(self) -> float:
        """How long the oldest event waits that was not decided on yet."""
        return self._clock.now() - self._waiting[0][0] if self._waiting else 0.0

    def statistics(self) -> ExecutionStatistics:
        """Counts since the start."""
        return ExecutionStatistics(
            self._events, self._steps, self._commands, self._orders, self._denied, self._dropped, len(self._waiting),
            self._commits, self._behind_s, self._slowest_s,
            self._commit_s / self._commits if self._commits else 0.0, self.engine.digest,
        )  # fmt: skip

    # ---- within --------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Until an event comes, or a timer is due."""
        self._awake.clear()
        due_s = (self.engine.due_ns - self._clock.wall_ns()) / 1e9
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(due_s, 60.0))):
                await self._awake.wait()

    async def _round(self) -> None:
        now_ns = self._clock.wall_ns()
        if self.engine.due_ns <= now_ns:
            await self._step(Timer("due", self.engine.due_ns), now_ns)
        began = now = self._clock.now()
        for _ in range(min(AT_ONCE, len(self._waiting))):
            came_at, event = self._waiting.popleft()
            self._behind_s = now - came_at
            self._slowest_s = max(self._slowest_s, self._behind_s)
            self._watch_load()
            self._events += 1
            await self._step(event, self._clock.wall_ns())
            now = self._clock.now()
            if now > began + ROUND_S:  # a strategy is slow: gates, heartbeats and answers need their turn meanwhile
                break
        await self.flush()  # what came back is durable too, though nothing was decided on it
        while self._settling and self._settling[0][0] <= self._events:
            _, done = self._settling.popleft()
            if not done.done():
                done.set_result(None)

    async def _step(self, event: Any, now_ns: int) -> None:
        if isinstance(event, KEPT):
            mark = self.engine.fee_mark(event) if isinstance(event, Fill) else None
            if mark is not None:
                self._kept.append(Marked(mark[0], plain(mark[1]), now_ns))
            if isinstance(event, Halted):
                event = self.engine.priced(event)
            elif isinstance(event, Listed):
                self._relisted(event.instrument)
            self._kept.append(event)
        commands = self.engine.step(event, now_ns)
        self._steps += 1
        if commands:
            await self._do(commands)

    async def _do(self, commands: Sequence[Command]) -> None:
        if not commands:
            return
        await self._commit(commands)
        for command in commands:
            self._commands += 1
            match command:
                case Submit(order):
                    self._orders += 1
                    self._gateway(order.intent.account).execute(command)
                case SubmitList(_, orders):
                    self._orders += len(orders)
                    self._gateway(orders[0].intent.account).execute(command)
                case Amend(client_id) | Cancel(client_id):
                    found = self.engine.situation.blotter.order(client_id)
                    if found is None:
                        raise Broken(f"the engine commands {client_id}, which is no order of ours")
                    self._gateway(found.intent.account).execute(command)
                case CancelAll(account):
                    self._gateway(account).execute(command)
                case SetHalt(account, state, why, who):
                    self._halt(account, state, why, who)
                case Hold() | Note():
                    note = _waits(command) if isinstance(command, Hold) else command
                    self._denied += note.kind == "denied"
                    self._told(note)

    async def _commit(self, commands: Sequence[Command]) -> None:
        now_ns = self._clock.wall_ns()
        kept, self._kept = [*self._kept, *commands], []
        if commands:
            kept.append(Digest(self.engine.digest, now_ns))
        began = self._clock.now()
        await self._keep(kept, now_ns)
        self._commits += 1
        self._commit_s += self._clock.now() - began

    def _gateway(self, account: str) -> Gateway:
        return self._gateways[account]

    def _watch_load(self) -> None:
        """Deciding on old news is dangerous: reduce-only, and halted where events are lost."""
        overloaded = self._behind_s > self._most_behind_s
        if overloaded == self._overloaded and not self._dropped:
            return
        if overloaded and not self._overloaded:
            why = f"events wait for {self._behind_s:.1f} s to be decided on"
            for account in self._gateways:
                self._halt(account, "reduce_only", why, "overload")
        if self._dropped and len(self._waiting) > MOST_WAITING // 2:
            for account in self._gateways:
                self._halt(
                    account, "halted", f"{self._dropped} events were lost: more came than can be decided on", "overload"
                )
        self._overloaded = overloaded


def _waits(hold: Hold) -> Note:
    """For people: the journal has the command itself."""
    intent = hold.intent
    what = f"for the fills of {hold.after}" if hold.after else "for its price"
    text = f"this {intent.kind} waits with us {what}: it stands at no venue, and acts while this process lives"
    return Note("waits_with_us", intent.account, text, hold.client_id, intent.strategy)

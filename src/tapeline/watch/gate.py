"""The choke point: what leaves for a venue passes the account's latch, as it stands on disk this moment."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Never, Protocol

import structlog

from tapeline.clock import Clock
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Amend, Command, Submit
from tapeline.trading.halt import Change, passes
from tapeline.trading.input import Failed, Halted

LOOK_S = 0.1  # how soon a halt by another process is acted on; what is sent meanwhile is stopped at the gate
_log = structlog.get_logger("tapeline")


class Onward(Protocol):
    """Whatever executes commands."""

    def execute(self, command: Command) -> None:
        """Send it; returns at once."""
        ...


class Gate:
    """A gateway before a gateway: orders pass while the latch lets them, cancels always. Not sent is said at once."""

    def __init__(
        self, onward: Onward, latches: Mapping[str, HaltLatch], *, account_of: Callable[[str], str], clock: Clock,
        tell: Callable[[Failed], None],
    ) -> None:  # fmt: skip
        self._onward, self._latches, self._account_of = onward, latches, account_of
        self._clock, self._tell = clock, tell

    def execute(self, command: Command) -> None:
        """Send it on, or say that it was not sent. `account_of` gives the account of an order by its client id."""
        match command:
            case Submit(order):
                client_id, account, closes, what = order.client_id, order.intent.account, order.closes, "submit"
            case Amend(client_id):
                account, closes, what = self._account_of(client_id), False, "amend"
            case _:
                self._onward.execute(command)
                return
        latch = self._latches[account].read()
        if passes(latch.state, closes=closes):
            self._onward.execute(command)
            return
        why = f"account {account} is {latch.state}, by {latch.who}: {latch.why}"
        self._tell(Failed(client_id, what, "unsent", self._clock.wall_ns(), why, "other"))


class Latches:
    """All latches of an engine: it asks them for worse states, and hears here of what others have done to them."""

    def __init__(self, latches: Mapping[str, HaltLatch], tell: Callable[[Halted], None]) -> None:
        self.latches = latches
        self._tell = tell
        self._told: dict[str, tuple[str, int]] = {}

    def worsen(self, account: str, state: str, why: str, who: str = "engine") -> None:
        """Ask for a worse state of an account; "" is all. It holds when this returns, whether the disk is full or not.

        A latch that cannot be written is told of: the account is then halted in this process only.
        """
        for name, latch in self.latches.items() if not account else [(account, self.latches[account])]:
            try:
                found = latch.worsen(state, who=who, why=why)
            except OSError as error:
                _log.error("halt", account=name, state=state, why=why, problem=f"the latch cannot be written: {error}")
                self._tell(Halted(name, "halted", f"{why}; the latch cannot be written: {error}", 0))
                continue
            if isinstance(found, Change):
                _log.warning("halt", account=name, before=found.before, state=found.state, who=who, why=why)
        self.look()

    def look(self) -> None:
        """Tell of every latch that stands elsewhere than when it was last told of."""
        for name, latch in self.latches.items():
            now = latch.read()
            if self._told.get(name) != (now.state, now.at_ns):
                first = name not in self._told
                self._told[name] = (now.state, now.at_ns)
                if not (first and now.state == "running"):
                    self._tell(Halted(name, now.state, f"{now.who}: {now.why}", now.at_ns))

    async def run(self) -> Never:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

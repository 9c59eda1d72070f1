"""The gate of one account: every command passes here, and none but cancels while the account's latch says halted.

The latch is read before each order, so that a halt by any process holds at once.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Never

import structlog

from tapeline.app.trade.execution import Gateway
from tapeline.clock import Clock
from tapeline.errors import TapelineError
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Amend, CancelAll, Command, Submit, SubmitList
from tapeline.trading.halt import MEANS, Latch, passes
from tapeline.trading.input import Failed, Halted

LOOK_EVERY_S = 0.2
CANCELS = frozenset({"halted", "flattening"})
_log = structlog.get_logger("tapeline")


class Gate:
    """A gateway behind a latch. `tell` gets what is refused here, and every change of the latch.

    `hold` says why nothing may be opened for a moment (a stream is down, the books are not compared yet), "" where it
    may. That is no halt: orders that rest are left alone. `look_every_s` says how soon a change of the latch is told:
    an order hears of it in any case, the latch is read before each.
    """

    def __init__(
        self, gateway: Gateway, latch: HaltLatch, *, clock: Clock, tell: Callable[[Any], None],
        hold: Callable[[], str] = lambda: "", look_every_s: float = LOOK_EVERY_S,
    ) -> None:  # fmt: skip
        self._gateway, self._latch, self._clock, self._tell, self._hold = gateway, latch, clock, tell, hold
        self._known = latch.state
        self._look_every_s = look_every_s

    @property
    def state(self) -> str:
        """How the account stands this moment."""
        state = self._latch.state
        return "reduce_only" if state == "running" and self._hold() else state

    @property
    def latched(self) -> str:
        """How the latch says that it stands."""
        return self._latch.state

    def latch(self) -> Latch:
        """The same, since when, by whom and why."""
        return self._latch.read()

    def execute(self, command: Command) -> None:
        """Let it pass, or refuse it: only what risk has found to close a position passes where it is reduce-only."""
        state = self.state
        orders = (command.order,) if isinstance(command, Submit) else getattr(command, "orders", ())
        closes = bool(orders) and all(each.closes for each in orders)
        if isinstance(command, Submit | SubmitList | Amend) and not passes(state, closes=closes):
            why = f"the account is {state}: {self._hold() if self._latch.state == 'running' else MEANS[state]}"
            names = [command.client_id] if isinstance(command, Amend) else [each.client_id for each in orders]
            what = "amend" if isinstance(command, Amend) else "submit"
            for client_id in names:
                self._tell(Failed(client_id, what, "unsent", self._clock.wall_ns(), why, "permission"))
            self._look()
            return
        self._gateway.execute(command)

    async def halt(self, state: str, why: str, who: str) -> None:
        """Ask the latch for a worse state, and tell how it stands then."""
        try:
            await asyncio.to_thread(self._latch.worsen, state, who=who, why=why)
        except (OSError, TapelineError) as error:
            _log.error("the latch was not written", account=self._latch.account, state=state, error=str(error))
            self._tell(Halted(self._latch.account, state, f"{why} (the latch was not written: {error})", self._now()))
        self._look()

    async def watch(self) -> Never:
        """Hear of changes that others made, until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(self._look_every_s)

    def _look(self) -> None:
        latch = self._latch.read()
        if latch.state != self._known:
            self._known = latch.state
            _log.warning("account halted" if latch.rank else "account resumed", account=self._latch.account,
                         state=latch.state, who=latch.who, why=latch.why)  # fmt: skip
            if latch.state in CANCELS:
                self._gateway.execute(CancelAll(self._latch.account))  # an engine that is behind comes to it later
            at_ns = max(self._now(), latch.at_ns)  # what the latch says of later was not heard: our clock may be set
            self._tell(Halted(self._latch.account, latch.state, f"{latch.who}: {latch.why}", at_ns))

    def _now(self) -> int:
        return self._clock.wall_ns()

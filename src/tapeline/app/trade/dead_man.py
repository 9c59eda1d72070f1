"""The last line: the venue's own timer of an account, which cancels what is open should this process or machine die."""

import asyncio
from collections.abc import Callable, Container, Sequence
from typing import Never, Protocol

from tapeline.clock import Clock
from tapeline.errors import BadData, Refused, Retry
from tapeline.trading.orders import Blotter

LOOK_EVERY_S = 1.0
AGAIN_S = 5.0  # after one that failed, unless what is open has changed meanwhile
LEAVE_WITHIN_S = 5.0


class Timer(Protocol):
    """Whoever can set it: a LiveGateway."""

    async def dead_man(self, countdown_s: int, instruments: Sequence[str] = ()) -> None:
        """Arm or renew; 0 takes it away."""
        ...


class DeadMan:
    """Armed while orders are open that may open a position, and renewed three times as often as it would run out.

    Where nothing rests but what closes a position there is no timer: it would take away what protects it. `whole`: the
    venue has one for the account, and not one for each instrument. `instruments`: those that the timer can be asked of.
    """

    def __init__(
        self, account: str, timer: Timer, blotter: Blotter, *, instruments: Container[str], countdown_s: int,
        whole: bool, clock: Clock, problem: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._account, self._timer, self._blotter, self._clock = account, timer, blotter, clock
        self._countdown_s, self._whole, self._problem = countdown_s, whole, problem
        # A run before may have left it running, wherever it had orders: until it was set anew nobody knows.
        self._armed = frozenset(each for each in blotter.instruments(account) if each in instruments)
        self._set = asyncio.Lock()
        self._over = False

    async def run(self) -> Never:
        """Until cancelled."""
        due, tried = float("-inf"), None
        while True:
            wanted, now = self._wanted(), self._clock.now()
            if not self._over and (now >= due or wanted != tried) and (wanted or self._armed):
                tried = wanted
                due = now + (self._countdown_s / 3 if await self._tell(wanted) else min(AGAIN_S, self._countdown_s / 3))
            await asyncio.sleep(LOOK_EVERY_S)

    async def leave(self) -> None:
        """This process ends, in order: what it leaves open is to stay, and the timer is taken away."""
        self._over = True
        try:
            async with asyncio.timeout(LEAVE_WITHIN_S):
                if self._armed:
                    await self._tell(frozenset())
        except TimeoutError:
            self._problem("dead man", f"it may still run: what is open may be cancelled within {self._countdown_s} s")

    def _wanted(self) -> frozenset[str]:
        """Where something is at the venue, or on its way there, that may open a position."""
        live = self._blotter.live(self._account)
        return frozenset(
            each.intent.instrument for each in live if not (each.intent.reduce_only or each.state == "intended")
        )

    async def _tell(self, wanted: frozenset[str]) -> bool:
        async with self._set:
            gone = self._armed - wanted
            self._armed |= wanted  # one whose answer is lost may run
            try:
                if wanted:
                    await self._timer.dead_man(self._countdown_s, sorted(wanted))
                if gone and not (self._whole and wanted):
                    await self._timer.dead_man(0, sorted(gone))
            except (Retry, Refused, BadData) as error:
                self._problem("dead man", str(error))
                return False
            self._armed = wanted
            return True

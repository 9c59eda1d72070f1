"""What is told of one account: its private streams together, the gaps in them, and when to reconcile."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Never

from tapeline.clock import Clock
from tapeline.errors import BadData, Refused, Retry
from tapeline.model.account import AccountEvent, OrderUpdate
from tapeline.model.event import Gap
from tapeline.model.instrument import Instrument
from tapeline.venues.orders import Orders
from tapeline.venues.spec import Venue
from tapeline.wire.pipe import Dial
from tapeline.wire.private.listening import Listening
from tapeline.wire.private.signed import SignedRest


class AccountStream:
    """One account's private streams as one.

    `tell` gets its events, and a Gap (channel "account", instrument "venue:ACCOUNT") when the first of them is lost,
    and when all are back. `reconcile` is called, with the reason, whenever something may have been missed: after each
    opening, after a frame that could not be read, and every `reconcile_every_s`; where it raises Retry, Refused or
    BadData, again after a back-off. `problem` gets (kind, text) of what else goes wrong.
    """

    def __init__(
        self, account: str, venue: Venue, orders: Orders, rest: SignedRest, instruments: Mapping[str, Instrument], *,
        dial: Dial, clock: Clock, delays: Callable[[], Iterator[float]],
        tell: Callable[[AccountEvent | Gap], None], reconcile: Callable[[str], Awaitable[None]],
        problem: Callable[[str, str], None], reconcile_every_s: float = 300.0,
    ) -> None:  # fmt: skip
        self._name, self._account, self._clock, self._delays = f"{venue.name}:{account}", account, clock, delays
        self._tell, self._reconcile, self._problem = tell, reconcile, problem
        self._every_s = reconcile_every_s
        self._streams = [
            Listening(
                account, venue, stream, rest, instruments, dial=dial, clock=clock, delays=delays, keeper=self,
                problem=problem,
            )
            for stream in (orders.private, *orders.more)
        ]  # fmt: skip
        self._heard_ns: int | None = None  # when something was last heard of all; None before all were open
        self._cause = "link_down"  # of the last loss
        self._lost = True
        self._doubt = ""
        self._wanted = asyncio.Event()
        self._losses = self._reconciled = 0

    @property
    def open(self) -> bool:
        """Whether everything of the account is told as it happens, as far as one can know."""
        return not self._lost

    @property
    def why(self) -> str:
        """Why it is not open, in words; "" where it is."""
        return "; ".join(each.statistics.why for each in self._streams if each.statistics.why)

    def statistics(self) -> dict[str, Any]:
        """How it does, as plain values."""
        return {
            "open": self.open, "losses": self._losses, "reconciled": self._reconciled,
            "streams": [asdict(each.statistics) for each in self._streams],
        }  # fmt: skip

    async def run(self) -> Never:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._streams:
                tasks.create_task(each.run(), name=f"{each.statistics.endpoint} stream of {self._account}")
            await self._reconciling()
        raise AssertionError("an account is kept for ever")

    def shown(self, update: OrderUpdate, at_ns: int | None) -> None:
        """A request showed this, of that time by the venue's clock: the stream has to tell it too."""
        self._streams[0].shown(update, at_ns)

    # ---- what its streams call ------------------------------------------------------------------------------------

    def hear(self, event: AccountEvent) -> None:
        """See `listening.Keeper`."""
        self._tell(event)

    def rose(self, listening: Listening, at_ns: int) -> None:
        """See `listening.Keeper`. Whatever of the others is lost, this one's share can be fetched now."""
        if all(each.open for each in self._streams):
            if self._heard_ns is not None:
                self._gap(before_ns=at_ns)
            self._lost = False
        self.doubt(f"the {listening.statistics.endpoint} stream was opened")

    def fell(self, listening: Listening, cause: str, heard_ns: int) -> None:  # noqa: ARG002  # it is the protocol's
        """See `listening.Keeper`. One loss, however many fall."""
        if self._lost:
            return
        self._lost = True
        self._losses += 1
        self._cause, self._heard_ns = cause, heard_ns
        self._gap(before_ns=None)

    def doubt(self, why: str) -> None:
        """See `listening.Keeper`. Have it reconciled soon."""
        self._doubt = self._doubt or why
        self._wanted.set()

    def _gap(self, *, before_ns: int | None) -> None:
        self._tell(
            Gap(
                self._name, "account", before_ns, self._clock.wall_ns(), "ws", self._heard_ns, before_ns, None, None,
                self._cause, open=before_ns is None,
            )
        )  # fmt: skip

    # ---- reconciliation -------------------------------------------------------------------------------------------

    async def _reconciling(self) -> Never:
        """One at a time."""
        waits = self._delays()
        while True:
            await self._until_wanted()
            self._wanted.clear()
            why, self._doubt = self._doubt or "it was time", ""
            try:
                await self._reconcile(why)
            except (Retry, Refused, BadData) as trouble:
                self._problem("reconciliation", str(trouble))
                self.doubt(why)
                await asyncio.sleep(max(1.0, next(waits), getattr(trouble, "after_s", None) or 0.0))
            else:
                self._reconciled += 1
                waits = self._delays()

    async def _until_wanted(self) -> None:
        try:
            async with asyncio.timeout(self._every_s):
                await self._wanted.wait()
        except TimeoutError:
            return

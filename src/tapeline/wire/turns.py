"""Whose turn it is to ask a venue: its budgets, those who go first, and the silence it asked for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from tapeline.clock import Clock
from tapeline.errors import BadData, ConnectionLost, RateLimited, Refused, Retry, TapelineError
from tapeline.venues.spec import Priority, Request, Venue
from tapeline.wire.pace import Budget, SharedBudget, TokenBucket, retry_after_s
from tapeline.wire.pipe import Dial, Pipe, Response

T = TypeVar("T")
MOST_WAIT_S = 120.0  # a longer silence is told to the caller, who may have something better to do
LIMITED_S = 10.0  # silence after a body that says "too many requests", and not how long
MOST_DOUBLINGS = 5  # of a silence that the venue did not put a number to, each time it has to ask again
BOUNDARY_S = 1.0  # how well we know where a calendar window ends


def dials_in_turn(dial: Dial, gate: TokenBucket, clock: Clock) -> Dial:
    """The same, as often as the gate allows: a venue counts every connection of an address, whatever it is for."""

    @asynccontextmanager
    async def paced(url: str) -> AsyncIterator[Pipe]:
        while not gate.take(now := clock.now()):  # noqa: ASYNC110  # it waits for time alone
            await asyncio.sleep(max(0.001, gate.ready_at(now) - now))
        async with dial(url) as pipe:
            yield pipe

    return paced


class _Line:
    """Who waits for one budget: by priority, then by order of arrival. Only the first asks; the others are woken."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._waiting: list[tuple[Priority, int]] = []
        self._tickets = 0
        self._moved = asyncio.Event()

    def join(self, priority: Priority) -> tuple[Priority, int]:
        """A place in the line."""
        self._tickets += 1
        ticket = (priority, self._tickets)
        self._waiting.append(ticket)
        self._waiting.sort()
        self._move()
        return ticket

    def leave(self, ticket: tuple[Priority, int]) -> None:
        """Gone, served or not."""
        self._waiting.remove(ticket)
        self._move()

    def is_first(self, ticket: tuple[Priority, int]) -> bool:
        """Whether it is this one's turn to ask."""
        return self._waiting[0] == ticket

    async def wait_moved(self, within_s: float | None) -> None:
        """Until somebody comes or goes, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._moved.wait()

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


class Turns:
    """What one venue lets us ask at one address, for everybody who asks it: market data and orders alike.

    `shared` is what other processes on this host spend there; None where there are none.
    """

    def __init__(self, venue: Venue, clock: Clock, shared: SharedBudget | None = None) -> None:
        self._venue = venue
        self._clock = clock
        self._shared = shared
        now = clock.now()
        self._lines = {allowance.name: _Line(Budget(allowance, now)) for allowance in venue.limits.rest}
        self._not_before = 0.0
        self._unnumbered = 0  # silences in a row that the venue put no number to
        self.limited = 0

    def silent_s(self) -> float:
        """Seconds left of the silence that the venue asked for, as far as this process knows."""
        return max(0.0, self._not_before - self._clock.now())

    def used(self) -> Mapping[str, tuple[float, float]]:
        """Of each allowance, by its name: what is used of it now, and how much it is."""
        now = self._clock.now()
        return {
            name: (line.budget.used(now), line.budget.allowance.weight) for name, line in self._lines.items()
        }  # fmt: skip

    async def wait(self, request: Request, priority: Priority) -> None:
        """Until the request may go. Raises RateLimited where the venue asked for a long silence."""
        line = self._lines[request.budget]
        ticket = line.join(priority)
        try:
            while True:
                if not line.is_first(ticket):
                    await line.wait_moved(None)
                    continue
                wait_s = self._try(line.budget, request.weight, priority)
                if wait_s <= 0:
                    return
                await line.wait_moved(max(0.001, wait_s))
        finally:
            line.leave(ticket)

    def _try(self, budget: Budget, weight: float, priority: Priority) -> float:
        """Spend it and 0, or seconds until it is worth trying again. Raises RateLimited for a long silence."""
        now = self._clock.now()
        silent_s = self._not_before - now
        wait_s = max(silent_s, budget.wait_s(now, weight, priority))
        if wait_s <= 0 and self._shared is not None:
            silent_s, wait_s = self._shared.take(budget.allowance, budget.cost(weight, priority), budget.most(priority))
            self._not_before = max(self._not_before, now + silent_s)
            wait_s = max(silent_s, wait_s)
        if silent_s > MOST_WAIT_S:
            raise RateLimited(f"{self._venue.name}: the venue asked for {silent_s:.0f} s of silence", after_s=silent_s)
        if wait_s <= 0:
            budget.take(now, weight, priority)
        return wait_s

    def correct(self, response: Response, venue_ns: int | None) -> None:
        """Take over what the venue says is used: others may be asking from this address. `venue_ns` is its clock."""
        for line in self._lines.values():
            allowance = line.budget.allowance
            said = retry_after_s(response.headers.get(allowance.used, "")) if allowance.used else None
            if said is None:
                continue
            left_s = allowance.window_s
            if allowance.fixed:
                at_s = (self._clock.wall_ns() if venue_ns is None else venue_ns) / 1e9
                left_s = allowance.window_s - at_s % allowance.window_s + BOUNDARY_S
            line.budget.told(self._clock.now(), said, left_s)

    def reading(self, what: str, response: Response, parse: Callable[[], T]) -> T:
        """What the answer to `what` holds.

        Raises what `parse` does; RateLimited, and all are silent; ConnectionLost for a 5xx and Refused for a 3xx or
        4xx whose body does not say more.
        """
        where = f"{self._venue.name} {what}"
        said = f"{where}: HTTP {response.status}: {response.body[:200]!r}"
        after_s = retry_after_s(response.headers.get("retry-after", ""))
        silent_s = self._venue.limits.silence_s.get(response.status)
        try:
            answer = parse()
        except RateLimited as limited:
            raise self._silenced(str(limited), after_s or limited.after_s, silent_s or LIMITED_S) from limited
        except TapelineError as trouble:
            if silent_s is not None:
                raise self._silenced(said, after_s, silent_s) from trouble
            if response.status >= 500 and not isinstance(trouble, Retry):
                raise ConnectionLost(said, after_s=after_s) from trouble
            if response.status >= 300 and isinstance(trouble, BadData):
                raise Refused(said, code=str(response.status)) from trouble
            raise
        if silent_s is not None:
            raise self._silenced(said, after_s, silent_s)
        if response.status >= 500:
            raise ConnectionLost(said, after_s=after_s)
        if response.status >= 300:
            raise Refused(said, code=str(response.status))
        if self._clock.now() >= self._not_before:
            self._unnumbered = 0
        return answer

    def _silenced(self, said: str, after_s: float | None, default_s: float) -> RateLimited:
        """Nothing is asked of this venue until the time is over, by whomever; longer each time it gives no number."""
        self.limited += 1
        now = self._clock.now()
        if after_s is None:
            self._unnumbered += now >= self._not_before  # the answers to what was under way count once
            after_s = default_s * 2 ** min(max(0, self._unnumbered - 1), MOST_DOUBLINGS)
        self._not_before = max(self._not_before, now + after_s)
        if self._shared is not None:
            self._shared.silence(after_s)
        return RateLimited(f"{said}: asked to wait {after_s:g} s", after_s=after_s)

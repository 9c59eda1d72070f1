"""A venue asked for history over REST alone: its instruments, its clock, and answers with patience."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tapeline.app.settings import delays, rebased
from tapeline.app.symbols import Symbols
from tapeline.clock import Clock
from tapeline.config import Place
from tapeline.errors import BadData, RateLimited, Refused, Retry
from tapeline.model.instrument import Instrument
from tapeline.venues.spec import Answer, Ask, Priority, Venue
from tapeline.wire.pace import SharedBudget
from tapeline.wire.pipe import Fetch
from tapeline.wire.rest import Rest

CLOCK_EVERY_S = 60.0
ROUNDS = 20  # of several attempts each: about a quarter of an hour without any answer
MOST_WAIT_S = 60.0
BAD_MOST = 4  # answers in a row that cannot be read (cut off, a page of a proxy); then it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is real or simulated, injected."""

    fetch: Fetch
    clock: Clock
    chance: Callable[[], float]
    budget: Callable[[str, str], SharedBudget] | None = None  # (venue, REST URL) -> what its other users here spend


class HistoryDesk:
    """One venue's history."""

    def __init__(self, venue: Venue, outside: Outside, place: Place | None = None) -> None:
        self.venue = venue
        self._clock = outside.clock
        place = place or Place()
        base = rebased(venue.urls["rest"], place.rest_url)
        self.rest = Rest(
            venue, base, fetch=outside.fetch, clock=outside.clock, delays=delays(place.connection, outside.chance),
            shared=outside.budget(venue.name, base) if outside.budget is not None else None,
        )  # fmt: skip
        self.symbols = Symbols(venue.name)

    async def open(self) -> None:
        """Read the instrument lists and the clock. Raises Refused, BadData or Retry where the venue does not answer.

        As with `answers`, a limit is waited for, and an answer that was cut off is asked for again.
        """
        for part in self.venue.rest["instruments"].parts:
            items = await self._answer(Ask("instruments", part=part), {})
            self.symbols.learn([item for item in items if isinstance(item, Instrument)])
        for pause_s in (0.0, 2.0, 4.0, 8.0) if "time" in self.venue.rest else ():
            await asyncio.sleep(pause_s)
            await self._read_clock()
            if self.rest.venue_now_ns() is not None:
                return  # without it our own clock decides which bar is over, and may be wrong

    async def watch_clock(self) -> None:
        """Keep the venue's clock read, until cancelled."""
        while "time" in self.venue.rest:
            await asyncio.sleep(CLOCK_EVERY_S)
            await self._read_clock()

    def now_ns(self) -> int:
        """The venue's clock, or ours where it does not tell."""
        told = self.rest.venue_now_ns()
        return self._clock.wall_ns() if told is None else told

    async def answers(self, ask: Ask, instrument: Instrument) -> Sequence[Answer] | str:
        """The answer, or why there is none, after a long time of asking. Raises Refused where there never will be.

        A limit or a ban is waited for however long it takes; it is no failure.
        """
        ids = {instrument.native: instrument.id}
        rounds = 0
        while True:
            try:
                return await self._answer(ask, ids)
            except Retry as trouble:
                rounds += 1
                if rounds >= ROUNDS:
                    return str(trouble)
                await asyncio.sleep(max(trouble.after_s or 0.0, min(MOST_WAIT_S, 2.0**rounds)))
            except BadData as trouble:
                return str(trouble)

    async def _answer(self, ask: Ask, ids: Mapping[str, str]) -> Sequence[Answer]:
        """Limits are waited for, and what cannot be read is asked for again."""
        bad = 0
        while True:
            try:
                return await self.rest.call(ask, ids, priority=Priority.BACKFILL)
            except RateLimited as limited:
                await asyncio.sleep(max(1.0, limited.after_s or 0.0))
            except BadData:
                bad += 1
                if bad >= BAD_MOST:
                    raise
                await asyncio.sleep(2.0**bad)

    async def _read_clock(self) -> None:
        try:
            await self.rest.server_time(priority=Priority.BACKFILL)
        except (Retry, BadData, Refused):
            return  # the last reading stands; without any, our own clock does

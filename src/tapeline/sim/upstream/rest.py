"""Questions of clients, asked upstream within its budget: one at a time of a sort, and answers kept for a moment."""

import asyncio
from collections.abc import Sequence

import msgspec

from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.errors import TimedOut
from tapeline.venues.spec import Answer, Ask, Priority

WITHIN_S = 10.0
KEPT_S = 1.0  # an answer this young is given to the next one who asks the same
BRIEF_S = {"depth": 0.2, "trades": 0.5, "aggtrades": 0.5}
MOST_KEPT = 500


class Asked:
    """What was asked upstream, and what it answered. Nothing is given that `prepare` did not see to."""

    def __init__(self, desk: VenueDesk, clock: Clock) -> None:
        self._desk, self._clock = desk, clock
        self._kept: dict[Ask, tuple[float, Sequence[Answer]]] = {}  # oldest first
        self._asking: dict[Ask, asyncio.Lock] = {}

    def rows(self, ask: Ask) -> Sequence[Answer] | None:
        """The newest answer to this question; None where it has not been asked lately."""
        found = self._kept.get(_same(ask))
        return None if found is None else found[1]

    async def prepare(self, ask: Ask) -> None:
        """Ask, unless the answer is there. Our own questions go first. Raises Refused, Retry, BadData."""
        ask = _same(ask)
        if ask.call not in self._desk.venue.rest:
            return
        lock = self._asking.setdefault(ask, asyncio.Lock())
        try:
            async with asyncio.timeout(WITHIN_S), lock:
                if not self._fresh(ask):
                    ids = {ask.native: self._desk.symbols.id_of(ask.native)}
                    self._keep(ask, await self._desk.rest.call(ask, ids, priority=Priority.BACKFILL))
        except TimeoutError as error:
            raise TimedOut(f"{ask.call} {ask.native}: upstream has not answered within {WITHIN_S:g} s") from error
        finally:
            if not lock.locked():
                self._asking.pop(ask, None)

    def _fresh(self, ask: Ask) -> bool:
        found = self._kept.get(ask)
        return found is not None and self._clock.now() < found[0] + BRIEF_S.get(ask.call, KEPT_S)

    def _keep(self, ask: Ask, rows: Sequence[Answer]) -> None:
        self._kept.pop(ask, None)
        self._kept[ask] = (self._clock.now(), rows)
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]


def _same(ask: Ask) -> Ask:
    """The question without the moment it is asked at."""
    return msgspec.structs.replace(ask, venue_ns=None)

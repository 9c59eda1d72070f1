"""A venue's clock, asked for now and then."""

import asyncio
from collections.abc import Callable

from tapeline.errors import BadData, Refused, Retry
from tapeline.market.watermark import VenueClock
from tapeline.wire.rest import Rest

AGAIN_S, SETTLED = 3.0, 3  # the first readings come soon after one another
EVERY_S, UNSTEADY_S = 180.0, 30.0  # once settled; of a clock that does not keep our pace (a tape's)


NOW_FOR_S = 0.25


class VenueNow:
    """A venue's clock at a glance: an estimate serves for a moment, as it only has to tell 5 s ahead."""

    def __init__(self, clock: VenueClock) -> None:
        self._clock = clock
        self._now_ns: int | None = None
        self._read_at = float("-inf")

    def at(self, now: float) -> int | None:
        """The venue's time at this monotonic instant, a quarter of a second old at most; None where it is not known."""
        if now - self._read_at > NOW_FOR_S:
            self._now_ns, self._read_at = self._clock.estimate(now), now
        return self._now_ns


async def watch_clock(rest: Rest, clock: VenueClock, trouble: Callable[[str, str], None]) -> None:
    """Keep it read, until cancelled."""
    while True:
        try:
            sent, server_ns, received = await rest.server_time()
        except (Retry, Refused, BadData) as error:
            trouble("clock", str(error))
        else:
            clock.sample(sent, server_ns, received)
        found = clock.statistics()
        pause_s = EVERY_S if found.running else UNSTEADY_S
        await asyncio.sleep(pause_s if found.samples >= SETTLED else AGAIN_S)

"""A venue's clock, asked for now and then."""

import asyncio
from collections.abc import Callable

from tapeline.errors import BadData, Refused, Retry
from tapeline.market.watermark import VenueClock
from tapeline.wire.rest import Rest

AGAIN_S, SETTLED = 3.0, 3  # the first readings come soon after one another
EVERY_S, UNSTEADY_S = 180.0, 30.0  # once settled; of a clock that does not keep our pace (a tape's)


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

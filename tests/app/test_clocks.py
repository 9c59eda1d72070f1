"""A venue's clock is asked for soon at first, seldom once it is settled, and on after trouble."""

import asyncio
from typing import Any

from tapeline.app.clocks import AGAIN_S, EVERY_S, SETTLED, VenueNow, watch_clock
from tapeline.errors import TimedOut
from tapeline.market.watermark import VenueClock
from tapeline.sim.loop import run


class Venue:
    """Its REST side, of which the second answer is lost."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def server_time(self) -> tuple[float, int, float]:
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        if len(self.asked) == 2:
            raise TimedOut("nothing came")
        return now, int(now * 1e9), now


def test_the_pauses_between_readings_and_a_reading_that_is_lost() -> None:
    async def scene() -> None:
        venue, told = Venue(), list[tuple[str, str]]()
        rest: Any = venue
        task = asyncio.create_task(watch_clock(rest, VenueClock(), lambda *words: told.append(words)))
        await asyncio.sleep(SETTLED * AGAIN_S + 2 * EVERY_S + 1)
        task.cancel()
        pauses = [round(after - before) for before, after in zip(venue.asked, venue.asked[1:], strict=False)]
        assert pauses == [AGAIN_S] * SETTLED + [EVERY_S] * 2
        assert told == [("clock", "nothing came")]

    run(scene())


def test_a_glance_at_the_clock_serves_for_a_quarter_of_a_second() -> None:
    clock = VenueClock()
    glance = VenueNow(clock)
    assert glance.at(0.0) is None
    clock.sample(1.0, 5_000, 1.0)
    assert glance.at(0.2) is None
    assert glance.at(1.1) == 5_000
    clock.sample(1.15, 9_000, 1.15)
    assert glance.at(1.3) == 5_000
    assert glance.at(1.4) == 9_000

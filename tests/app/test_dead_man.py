"""The venue's own timer: armed while it is to strike, taken away where it would strike what is to stay."""

import asyncio
from collections.abc import Sequence

import pytest

from account_fixtures import BTC, A, placed, update
from tapeline.app.trade.dead_man import AGAIN_S, LEAVE_WITHIN_S, DeadMan
from tapeline.errors import Retry
from tapeline.sim.loop import VirtualClock, run
from tapeline.trading.orders import Blotter

ETH = "v:ETH/USDT"


class Venue:
    """What was set, as (after how many seconds, countdown, instruments); `down` while it answers nothing."""

    def __init__(self, clock: VirtualClock, *, hangs: bool = False) -> None:
        self.clock, self.hangs, self.down = clock, hangs, False
        self.asked: list[tuple[float, int, tuple[str, ...]]] = []

    async def dead_man(self, countdown_s: int, instruments: Sequence[str] = ()) -> None:
        self.asked.append((self.clock.now(), countdown_s, tuple(instruments)))
        if self.hangs:
            await asyncio.sleep(3600)
        if self.down:
            raise Retry("no answer")


class Stage:
    def __init__(self, blotter: Blotter, *, whole: bool = False, hangs: bool = False) -> None:
        self.blotter, self.problems = blotter, list[str]()
        clock = VirtualClock(0)
        self.venue = Venue(clock, hangs=hangs)
        self.dead_man = DeadMan(
            A, self.venue, blotter, instruments={BTC, ETH}, countdown_s=60, whole=whole, clock=clock,
            problem=lambda kind, text: self.problems.append(f"{kind}: {text}"),
        )  # fmt: skip

    async def goes_on(self, for_s: float) -> list[tuple[float, int, tuple[str, ...]]]:
        """What was asked meanwhile."""
        seen = len(self.venue.asked)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(for_s):
                await self.dead_man.run()
        return self.venue.asked[seen:]


def gone(blotter: Blotter, client_id: str) -> None:
    blotter.apply(update(client_id, "cancelled", 20, venue_id=f"v{client_id}", filled="0"), 21)


def test_it_is_renewed_three_times_as_often_as_it_would_run_out_and_goes_with_the_last_order() -> None:
    async def main() -> None:
        blotter = Blotter("bot")
        stage = Stage(blotter)
        assert await stage.goes_on(50) == [], "nothing is open, nor ever was"
        order = placed(blotter)
        assert [(each[1], each[2]) for each in await stage.goes_on(59.5)] == [(60, (BTC,))] * 3
        other = placed(blotter, instrument=ETH)
        gone(blotter, order)
        assert [each[1:] for each in await stage.goes_on(5)] == [(60, (ETH,)), (0, (BTC,))]
        gone(blotter, other)
        assert [each[1:] for each in await stage.goes_on(50)] == [(0, (ETH,))]

    run(main())


def test_what_a_run_that_died_left_running_is_taken_away_before_it_strikes_what_protects() -> None:
    async def main() -> None:
        blotter = Blotter("bot")
        gone(blotter, placed(blotter))  # an entry, filled or cancelled since; for it the timer was armed
        placed(blotter, side="sell", reduce_only=True, instrument=ETH)
        placed(blotter, instrument="v:GONE/USDT")  # not of this run's instruments: the venue cannot be asked
        gone(blotter, "t3bot0000003s")
        stage = Stage(blotter)
        ((at, countdown_s, where),) = await stage.goes_on(120)
        assert (at, countdown_s, where) == (0.0, 0, (BTC, ETH))

    run(main())


def test_of_an_account_with_one_timer_nothing_is_taken_away_while_it_is_wanted() -> None:
    async def main() -> None:
        blotter = Blotter("bot")
        gone(blotter, placed(blotter, instrument=ETH))
        order = placed(blotter)
        stage = Stage(blotter, whole=True)
        assert [each[1] for each in await stage.goes_on(10)] == [60]
        gone(blotter, order)
        assert [each[1] for each in await stage.goes_on(10)] == [0]

    run(main())


def test_orders_that_wait_with_us_arm_nothing() -> None:
    async def main() -> None:
        blotter = Blotter("bot")
        order = placed(blotter)
        gone(blotter, order)
        intent = blotter.order(order)
        assert intent is not None
        blotter.intend(blotter.next_id("s"), intent.intent, 30)
        stage = Stage(blotter)
        assert [each[1] for each in await stage.goes_on(30)] == [0]

    run(main())


def test_a_venue_that_does_not_answer_is_asked_again_and_not_each_second() -> None:
    async def main() -> None:
        blotter = Blotter("bot")
        placed(blotter)
        stage = Stage(blotter)
        stage.venue.down = True
        assert [each[0] for each in await stage.goes_on(3 * AGAIN_S)] == [0.0, AGAIN_S, 2 * AGAIN_S]
        assert stage.problems == ["dead man: no answer"] * 3
        stage.venue.down = False
        assert [each[1] for each in await stage.goes_on(10)] == [60]

    run(main())


def test_who_leaves_in_order_takes_it_away_and_what_is_kept_open_stays() -> None:
    async def main() -> None:
        blotter = Blotter("bot")
        placed(blotter)
        stage = Stage(blotter)
        await stage.goes_on(5)
        await stage.dead_man.leave()
        assert stage.venue.asked[-1][1:] == (0, (BTC,))
        assert await stage.goes_on(300) == [], "and is not armed again behind it"
        await stage.dead_man.leave()
        assert len(stage.venue.asked) == 2, "once is enough"

    run(main())


def test_who_leaves_waits_for_no_venue_for_ever_and_says_what_may_become_of_it() -> None:
    async def main() -> None:
        blotter = Blotter("bot")
        placed(blotter)
        stage = Stage(blotter, hangs=True)
        began = stage.venue.clock.now()
        await stage.dead_man.leave()
        assert stage.venue.clock.now() - began == LEAVE_WITHIN_S
        assert stage.problems == ["dead man: it may still run: what is open may be cancelled within 60 s"]

    run(main())

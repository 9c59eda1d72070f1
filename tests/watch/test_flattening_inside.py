"""Who closes the positions of a live account: the engine, unless whoever halted it does so from outside."""

import asyncio
from decimal import Decimal

import pytest
from hand_stage import PERP, StageHand, a_latch, exchange, show, taken

from tapeline.app.trade.flattening import Flattening
from tapeline.config import FlattenConfig
from tapeline.sim.loop import run


@pytest.mark.parametrize(
    ("who", "outside", "closed"), [("ann", False, True), ("ann", True, False), ("risk", False, True)]
)
def test_it_is_done_once_by_one(who: str, closed: bool, *, outside: bool) -> None:
    async def main() -> None:
        hand, latch = StageHand(exchange()), a_latch()
        hand.at.place("main", "p1", taken("buy", "8"), 5)
        show(hand.at, PERP, seq=6)
        notes: list[tuple[str, str, str]] = []
        flattening = Flattening(
            {"main": hand}, {"main": latch}, FlattenConfig(band=Decimal("0.02"), band_max=Decimal("0.1")),
            clock=hand.clock, note=lambda *note: notes.append(note),
        )  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            for second in range(60):
                if second == 2:
                    latch.worsen("flattening", who=who, why="a test", outside=outside)
                flattening.look(tasks)
                await asyncio.sleep(1)
        assert (hand.at.positions("main") == []) is closed
        assert latch.state == ("flat" if closed else "flattening")
        assert ("main" in flattening.reports) is closed
        assert hand.calls.count("place") == (4 if closed else 0)
        assert bool(notes) is closed

    run(main())


def test_an_account_that_could_not_be_closed_is_not_tried_again_by_itself() -> None:
    async def main() -> None:
        hand, latch = StageHand(exchange()), a_latch()
        hand.at.place("main", "p1", taken("buy", "8"), 5)
        show(hand.at, PERP, bids=[("99", "1"), ("10", "50")], seq=8)
        flattening = Flattening(
            {"main": hand}, {"main": latch}, FlattenConfig(), clock=hand.clock, note=lambda *_: None
        )
        latch.worsen("flattening", who="risk", why="a test")
        async with asyncio.TaskGroup() as tasks:
            for _ in range(400):
                flattening.look(tasks)
                await asyncio.sleep(1)
        report = flattening.reports["main"]
        assert (report.done, report.state, report.left_positions[0].instrument) == (False, "flattening", PERP.id)
        sent = hand.calls.count("place")
        assert sent < 60

    run(main())

"""Who waits for a topic's outcome hears it, whether it came before or after; who waits too long is told so."""

import asyncio

from tapeline.app.answers import Answers
from tapeline.model.topic import Topic
from tapeline.sim.loop import run
from tapeline.wire.wants import Outcome

A, B, C = (Topic("trades", name) for name in "ABC")


def test_outcomes_before_after_and_never() -> None:
    async def scene() -> None:
        answers = Answers()
        answers.told(Outcome(A, "live"))
        asyncio.get_running_loop().call_later(1.0, answers.told, Outcome(B, "refused", "7", "no"))
        found = await answers.wait([A, B, C], 5.0)
        assert found == [
            Outcome(A, "live"), Outcome(B, "refused", "7", "no"), Outcome(C, "timed_out", text="no answer within 5 s")
        ]  # fmt: skip
        answers.told(Outcome(C, "live"))  # nobody waits any more
        assert await answers.wait([C], 0.1) == [Outcome(C, "live")]
        answers.forget(C)
        assert (await answers.wait([C], 0.1))[0].state == "timed_out"
        assert await answers.wait([], 1.0) == []

    run(scene())

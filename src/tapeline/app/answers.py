"""What became of the topics that were asked for, and who waits to hear it."""

import asyncio
from collections.abc import Sequence

from tapeline.model.topic import Topic
from tapeline.wire.wants import Outcome


class Answers:
    """The last outcome of every topic of a venue."""

    def __init__(self) -> None:
        self._outcomes: dict[Topic, Outcome] = {}
        self._waiting: dict[Topic, list[asyncio.Future[Outcome]]] = {}

    def told(self, outcome: Outcome) -> None:
        """Tell whoever waits for it."""
        self._outcomes[outcome.topic] = outcome
        for future in self._waiting.pop(outcome.topic, []):
            if not future.done():
                future.set_result(outcome)

    def forget(self, topic: Topic) -> None:
        """The topic is wanted no more."""
        self._outcomes.pop(topic, None)

    async def wait(self, topics: Sequence[Topic], within_s: float) -> list[Outcome]:
        """What became of each topic, in order; those without an answer in time are timed out."""
        loop = asyncio.get_running_loop()
        futures = []
        for topic in topics:
            future: asyncio.Future[Outcome] = loop.create_future()
            if topic in self._outcomes:
                future.set_result(self._outcomes[topic])
            else:
                self._waiting.setdefault(topic, []).append(future)
            futures.append(future)
        if futures:
            await asyncio.wait(futures, timeout=within_s)
        late = f"no answer within {within_s:g} s"
        return [
            future.result() if future.done() else Outcome(topic, "timed_out", text=late)
            for topic, future in zip(topics, futures, strict=True)
        ]

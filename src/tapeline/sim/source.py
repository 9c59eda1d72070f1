"""What a simulated venue has to say: a recording or a synthetic market, both seen through `Source`."""

import asyncio
from collections.abc import Callable, Collection, Container, Sequence
from typing import Protocol, TypeVar

from tapeline.model.event import BookSnapshot, Event
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.spec import Answer, Ask

Moment = tuple[int, Topic, bytes]  # when (ns), under which topic, the frame
Row = TypeVar("Row")


class Live(Protocol):
    """What a source can do of which nobody knows what comes next: the real market."""

    arrived: asyncio.Event  # set when something has come

    def want(self, topics: Collection[Topic]) -> None:
        """All that somebody listens to, each time that changes."""
        ...

    async def prepare(self, ask: Ask) -> None:
        """See to it that `rows` knows the answer. Raises what became of the question: Refused, Retry, BadData."""
        ...

    async def follow(self, instrument: Instrument, hear: Callable[[Event], None]) -> None:
        """Let `hear` have the market of an instrument from now on; the first time, wait a little for its book.

        While its book is not known to be right it is told as empty.
        """
        ...


class Source(Protocol):
    """A timeline of frames, and answers to REST about everything up to now."""

    waits: bool  # time starts with the first subscriber

    @property
    def start_ns(self) -> int:
        """When it begins; of a live one: now."""
        ...

    @property
    def live(self) -> Live | None:
        """None where all that will come is known already."""
        ...

    @property
    def at_ns(self) -> int:
        """Everything before this has been taken or skipped."""
        ...

    def next_ns(self) -> int | None:
        """When something next happens; None at the end."""
        ...

    def take(self, before_ns: int | None, most: int, wanted: Container[Topic]) -> Sequence[Moment]:
        """The next moments before this time, about `most` of them; those of other topics may be left out."""
        ...

    def skip_to(self, at_ns: int) -> None:
        """Let everything before this time pass unseen."""
        ...

    def served_as(self, topic: Topic) -> Topic | None:
        """The topic of the timeline that serves this one (another speed of it); None where nothing does."""
        ...

    def knows(self, native: str) -> bool:
        """Whether the venue lists this symbol; "" is the venue itself."""
        ...

    def book(self, topic: Topic) -> BookSnapshot | None:
        """The book as of `at_ns`, for a subscriber to a stream that starts with a snapshot; None where it will come."""
        ...

    def rows(self, ask: Ask, now_ns: int) -> Sequence[Answer] | None:
        """What a REST answer holds, oldest first; None where only `answer` knows, or nothing is known about it."""
        ...

    def answer(self, ask: Ask, now_ns: int) -> bytes | None:
        """The body of a REST answer; None where nothing is known about it."""
        ...

    def number_anew(self, at_ns: int, repeated: int) -> None:
        """From this time on trades repeat that many numbers, as after a venue's restart; a recording keeps its own."""
        ...


def window(
    rows: Sequence[Row], ask: Ask, at_ns: Callable[[Row], int], number: Callable[[Row], int | None], most: int
) -> Sequence[Row]:
    """What a venue answers of rows that are oldest first: the oldest from a start on, else the newest."""
    limit = min(ask.limit or most, most)
    if ask.from_id is not None:
        least = ask.from_id
        return [row for row in rows if (number(row) or 0) >= least][:limit]
    if ask.to_ns is not None:
        before = ask.to_ns
        rows = [row for row in rows if at_ns(row) < before]
    if ask.from_ns is not None:
        after = ask.from_ns
        return [row for row in rows if at_ns(row) >= after][:limit]
    return rows[-limit:]

"""Where the findings of connections go: events, signs of life, links. App has the real one."""

from collections.abc import Sequence
from typing import Protocol

from tapeline.model.event import Event, Link
from tapeline.model.topic import Topic
from tapeline.wire.shards import Shard
from tapeline.wire.wants import Outcome


class Sink(Protocol):
    """Where a lane's findings go."""

    recording: bool  # whether frames that come in are wanted by `frame`

    def offer(self, events: Sequence[Event], stamps: Sequence[int | None], shard: Shard, now: float) -> None:
        """Events of frames that came together, in order; of each frame, the stamp of its last event."""

    def alive(self, shard: Shard, heard_at: float) -> None:
        """The connection was provably alive at this moment, whether or not there was data."""

    def frame(self, connection: str, direction: str, raw: bytes, at_ns: int, reason: str) -> None:
        """A frame, or the opening or closing, for the tape."""

    def problem(self, connection: str, kind: str, text: str, frame: bytes) -> None:
        """Something that could not be read."""

    def slow(self) -> None:
        """What was handed on just now took long: find out whose callback it was."""

    def sample(self, connection: str, frame: bytes, events: Sequence[Event]) -> None:
        """Now and then a frame with what it meant, to see whether the venue has changed its messages."""

    def outcome(self, outcome: Outcome) -> None:
        """What became of a topic."""

    def count(self, topic: Topic) -> int:
        """Events of this topic so far, over all lanes."""

    async def probe(self, topic: Topic) -> bool | None:
        """Ask the venue whether a silent topic should have spoken: True dead, False quiet, None cannot tell."""

    def silent(self, topic: Topic) -> None:
        """This topic was dead and is asked for again: what it missed is a hole."""

    @property
    def blocked(self) -> bool:
        """Whether `room` would wait."""

    async def room(self) -> None:
        """Wait while a subscriber of policy `block` is over its mark."""


class LinkSink(Sink, Protocol):
    """What a feed tells besides events."""

    def link(self, link: Link) -> None:
        """A change of this shard's connection."""

    def down(self, topics: frozenset[Topic], cause: str) -> None:
        """No lane delivers these topics any more."""

    def unproven(self, topics: frozenset[Topic], cause: str) -> None:
        """Nobody may have delivered these for a while: what cannot prove that nothing is missing has a hole."""

    def overlap(self, topics: frozenset[Topic], *, on: bool) -> None:
        """Two lanes deliver these topics, or only one again."""

"""Topics to connections, by endpoint and then by the venue's limit. Pure."""

from collections.abc import Callable, Iterable, Iterator

from tapeline.model.channel import channel
from tapeline.model.topic import Topic
from tapeline.venues.spec import Venue


class Shard:
    """The topics one connection keeps. `changed` is called whenever the set changes."""

    def __init__(self, venue: str, endpoint: str, number: int) -> None:
        self.endpoint = endpoint
        self.name = f"{venue}/{endpoint}/{number}"
        self.topics: set[Topic] = set()
        self.changed: Callable[[], None] = lambda: None
        self.closed = False  # its connection has given up for good: what comes later goes elsewhere
        self.stamped = False  # whether the stamp of each frame is wanted beside its events

    def __repr__(self) -> str:
        return f"<Shard {self.name}, {len(self.topics)} topics>"


class Shards:
    """Every shard of one venue. A topic stays where it is while others come and go."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._shards: list[Shard] = []
        self._place: dict[Topic, Shard] = {}

    def __iter__(self) -> Iterator[Shard]:
        return iter(self._shards)

    def add(self, topics: Iterable[Topic]) -> list[Shard]:
        """Place these topics; returns the shards that are new. Those that changed are told."""
        fresh, touched = [], []
        for topic in sorted(set(topics) - self._place.keys()):
            shard = self._room_for(topic)
            if shard is None:
                shard = Shard(self._venue.name, self._endpoint(topic), len(self._shards) + 1)
                self._shards.append(shard)
                fresh.append(shard)
            shard.topics.add(topic)
            self._place[topic] = shard
            if shard not in touched:
                touched.append(shard)
        for shard in touched:
            shard.changed()
        return fresh

    def remove(self, topics: Iterable[Topic]) -> None:
        """Give these topics back; a shard left empty stays, idle, for what comes next."""
        touched = []
        for topic in topics:
            shard = self._place.pop(topic, None)
            if shard is not None:
                shard.topics.discard(topic)
                touched.append(shard)
        for shard in dict.fromkeys(touched):
            shard.changed()

    def shard_of(self, topic: Topic) -> Shard | None:
        """Where a topic is kept."""
        return self._place.get(topic)

    def _endpoint(self, topic: Topic) -> str:
        return self._venue.feeds[channel(topic.channel).kind].endpoint

    def _room_for(self, topic: Topic) -> Shard | None:
        endpoint = self._endpoint(topic)
        for shard in self._shards:
            if (
                shard.endpoint == endpoint
                and not shard.closed
                and len(shard.topics) < self._venue.limits.topics_per_connection
            ):
                return shard
        return None

"""One client of a simulated venue, as the venue sees it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tapeline.model.topic import Topic
from tapeline.sim.limits import Meter
from tapeline.sim.pipe import Line


@dataclass(slots=True, eq=False)
class Client:
    """A connection: what it asked for, what it has not been sent yet, how much it has said."""

    line: Line
    endpoint: str | None
    opened_s: float
    messages: Meter
    requests: Meter
    topics: dict[Topic, Topic | None] = field(default_factory=dict)  # asked for -> what serves it, None: nothing does
    outbox: list[bytes] = field(default_factory=list)


class Clients:
    """Everybody who is connected, and who listens to which topic of the timeline."""

    def __init__(self) -> None:
        self.all: list[Client] = []
        self.listening: dict[Topic, list[tuple[Client, Topic | None]]] = {}  # None: under its own name
        self._kept: frozenset[Topic] = frozenset()

    def add(self, client: Client) -> None:
        """A connection has opened."""
        self.all.append(client)

    def remove(self, client: Client) -> None:
        """It is gone, and its subscriptions with it."""
        if client in self.all:
            self.all.remove(client)
        self.unsubscribe(client, list(client.topics))

    def keep(self, topics: Iterable[Topic]) -> None:
        """Play these topics though nobody listens."""
        self._kept = frozenset(topics)
        for topic in self._kept:
            self.listening.setdefault(topic, [])

    def subscribe(self, client: Client, topic: Topic, served_as: Topic | None) -> None:
        """A confirmed subscription; asking twice changes nothing."""
        if topic in client.topics:
            return
        client.topics[topic] = served_as
        if served_as is not None:
            name = None if served_as == topic else topic
            self.listening.setdefault(served_as, []).append((client, name))

    def unsubscribe(self, client: Client, topics: Iterable[Topic]) -> None:
        """Give topics back."""
        for topic in topics:
            served_as = client.topics.pop(topic, None)
            if served_as is None:
                continue
            left = [one for one in self.listening[served_as] if one[0] is not client or (one[1] or served_as) != topic]
            if left or served_as in self._kept:
                self.listening[served_as] = left
            else:
                del self.listening[served_as]

    def chosen(self, whose: str) -> list[Client]:
        """Those a fault strikes: all for "" and "all", the nth oldest for a number, else who carries this channel."""
        if whose in {"", "all"}:
            return list(self.all)
        if whose.isdecimal():
            return [self.all[(int(whose) - 1) % len(self.all)]] if self.all else []
        return [client for client in self.all if any(carries(topic, whose) for topic in client.topics)]

    def wants(self) -> Counter[Topic]:
        """How many connections asked for each topic."""
        return Counter(topic for client in self.all for topic in client.topics)


def carries(topic: Topic, channel: str) -> bool:
    """Whether a topic is of this channel, or of this kind of channel."""
    return same_kind(topic.channel, channel)


def same_kind(of: str, channel: str) -> bool:
    """Whether a channel (`book:5@100ms`) is this one, or of this kind (`book`)."""
    return channel in {of, of.partition(":")[0].partition("@")[0]}

"""The topics a connection should deliver, and how far each has come. Pure.

wanted -> asked -> confirmed -> live, or refused, or timed out. An acknowledgement is not success: a topic is live when
its first data came, or when its feed may rightly be quiet, or when the venue says (a probe) that nothing happened.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from tapeline.model.channel import channel
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.spec import Ack, Refusal, Subscribe, Venue

State = Literal["wanted", "asked", "confirmed", "live", "refused", "timed_out"]
SPLIT_AFTER_S = 0.5  # a refused batch: acknowledgements of its other topics may still arrive
RENEWALS = 2


class Outcome(msgspec.Struct, frozen=True):
    """What became of a topic: live, refused (the venue's code and text), or timed out."""

    topic: Topic
    state: Literal["live", "refused", "timed_out"]
    code: str = ""
    text: str = ""


class _Want:
    __slots__ = ("asked", "due_at", "renewals", "request_id", "state", "topic", "unsure")

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.state: State = "wanted"
        self.request_id = 0
        self.due_at = 0.0  # when `wanted` may be asked, when `asked` is late, when `confirmed` should have spoken
        self.asked = 0
        self.renewals = 0  # in a row, without data
        self.unsure = 0


class Wants:
    """The desired set of one connection, its differences as requests, its answers by topic."""

    def __init__(self, venue: Venue, instruments: Mapping[str, Instrument], ack_s: float, first_data_s: float) -> None:
        self._venue = venue
        self._ids = {native: instrument.id for native, instrument in instruments.items()}
        self._ack_s = ack_s
        self._first_data_s = first_data_s
        self._wants: dict[Topic, _Want] = {}
        self._leaving: list[Topic] = []
        self._alone: set[Topic] = set()  # to be asked one by one, since their batch was refused
        self._requests = 0
        self._outcomes: deque[Outcome] = deque(maxlen=100_000)
        self.awaiting: dict[tuple[str, str | None], _Want] = {}
        self.doubts: list[Topic] = []  # no first data in time: ask the venue (a probe) whether there should be any

    def set(self, topics: Iterable[Topic]) -> None:
        """Make this the desired set; the difference is asked for, or given back, by `request`."""
        wanted = set(topics)
        for topic in sorted(wanted - self._wants.keys()):
            want = self._wants[topic] = _Want(topic)
            self.awaiting[self.key(topic)] = want
        for topic in sorted(self._wants.keys() - wanted):
            want = self._wants.pop(topic)
            self.awaiting.pop(self.key(topic), None)
            self._alone.discard(topic)
            if want.asked and want.state != "refused" and not self._shared(topic):
                self._leaving.append(topic)

    def key(self, topic: Topic) -> tuple[str, str | None]:
        """(channel, instrument id) of the events this topic brings."""
        if not topic.native:
            return topic.channel, None
        return topic.channel, self._ids.get(topic.native, f"{self._venue.name}:{topic.native}")

    def request(self, now: float) -> Subscribe | None:
        """The next request that is due, batched to the venue's limit; None where nothing is."""
        size = self._venue.limits.topics_per_request
        if self._leaving:
            batch, self._leaving = self._leaving[:size], self._leaving[size:]
            return self._request(batch, on=False)
        due = (want for want in self.awaiting.values() if want.state == "wanted" and now >= want.due_at)
        wants: list[_Want] = []
        for want in due:
            alone = want.topic in self._alone
            if alone and wants:
                continue
            wants.append(want)
            if alone or len(wants) == size:
                break
        if not wants:
            return None
        request = self._request([want.topic for want in wants], on=True)
        for want in wants:
            want.state, want.request_id, want.due_at = "asked", request.request_id, now + self._ack_s
            want.asked += 1
        return request

    def acknowledged(self, ack: Ack, now: float) -> None:
        """The venue confirmed a request, or one topic."""
        for want in self._meant(ack.request_id, ack.topic):
            if want.state == "asked":
                self._confirm(want, now)

    def refused(self, refusal: Refusal, now: float) -> None:
        """The venue refused one topic; or a batch, whose unconfirmed topics are then asked one by one."""
        meant = [want for want in self._meant(refusal.request_id, refusal.topic) if want.state == "asked"]
        if len(meant) == 1:
            self._settle(meant[0], "refused", refusal.code, refusal.text)
            return
        for want in meant:
            want.state, want.due_at = "wanted", now + SPLIT_AFTER_S
            self._alone.add(want.topic)

    def delivered(self, of_channel: str, instrument: str | None) -> bool:
        """Data came: that is what live means, acknowledged or not. Returns whether that is news."""
        want = self.awaiting.get((of_channel, instrument))
        if want is None or not want.asked:  # not asked: the last of an earlier subscription, which is being given back
            return False
        want.renewals = want.unsure = 0
        self._settle(want, "live")
        return True

    def quiet(self, topic: Topic) -> None:
        """The venue says that nothing has happened there: the topic is live, and silent rightly."""
        want = self._wants.get(topic)
        if want is not None and want.state != "live":
            self._settle(want, "live")

    def unsure(self, topic: Topic) -> None:
        """Nobody can tell whether the topic is rightly silent: ask once more, then believe it."""
        want = self._wants.get(topic)
        if want is not None:
            want.unsure += 1
            if want.unsure > 1:
                self.quiet(topic)

    def renew(self, topic: Topic) -> bool:
        """Ask for this topic again, it should have spoken. False where that was tried often enough."""
        want = self._wants.get(topic)
        if want is None:
            return True
        want.renewals += 1
        if want.renewals > RENEWALS:
            return False
        self.again(topic)
        return True

    def again(self, topic: Topic) -> None:
        """Give a topic back and ask for it anew."""
        want = self._wants.get(topic)
        if want is not None and want.state not in {"wanted", "asked"}:
            self._leaving.append(topic)
            want.state, want.due_at, want.asked = "wanted", 0.0, 0
            self.awaiting[self.key(topic)] = want

    def _shared(self, topic: Topic) -> bool:
        """Whether another wanted topic comes in the same stream of the venue: giving this one back would silence it.

        A mark price and a funding rate may be one stream, or liquidations of a whole class of instruments; the venue's
        own request says so.
        """
        own = self._venue.requests(Subscribe((topic,), 0))
        return any(self._venue.requests(Subscribe((other,), 0)) == own for other in self._wants)

    def deadline(self) -> float:
        """When `tick` or `request` has something to do."""
        if self._leaving:
            return 0.0
        return min((want.due_at for want in self.awaiting.values() if want.state != "timed_out"), default=float("inf"))

    def tick(self, now: float) -> str:
        """Act on what is late. Returns why the connection is of no use, "" where it is of some."""
        late = [w for w in self.awaiting.values() if now >= w.due_at and w.state in {"asked", "confirmed"}]
        for want in late:
            if want.state == "confirmed":
                self.doubts.append(want.topic)
                want.due_at = now + self._first_data_s
            elif want.asked == 1:
                want.state, want.due_at = "wanted", now
            else:
                self._settle(
                    want, "timed_out", text=f"not confirmed within {self._ack_s:g} s, asked {want.asked} times"
                )
                self.awaiting[self.key(want.topic)] = want  # should data come after all, it is live
        dead = sum(want.state == "timed_out" for want in self._wants.values())
        if dead and all(want.state in {"timed_out", "refused"} for want in self._wants.values()):
            return f"{dead} topics not confirmed"
        return ""

    @property
    def settled(self) -> bool:
        """Whether every topic has been answered, one way or another."""
        return all(want.state not in {"wanted", "asked"} for want in self._wants.values())

    @property
    def delivering(self) -> bool:
        """Whether every topic that was not refused delivers."""
        return all(want.state in {"live", "refused", "timed_out"} for want in self._wants.values())

    def states(self) -> dict[Topic, State]:
        """How far each topic has come."""
        return {topic: want.state for topic, want in self._wants.items()}

    def outcomes(self) -> list[Outcome]:
        """What became of topics since the last call."""
        out = list(self._outcomes)
        self._outcomes.clear()
        return out

    def _meant(self, request_id: int | None, topic: Topic | None) -> list[_Want]:
        if topic is not None:
            want = self._wants.get(topic)
            return [want] if want is not None else []
        if request_id is None:
            return []
        return [want for want in self._wants.values() if want.request_id == request_id]

    def _confirm(self, want: _Want, now: float) -> None:
        want.state, want.due_at = "confirmed", now + self._first_data_s
        feed = self._venue.feeds[channel(want.topic.channel).kind]
        if feed.quiet:
            self._settle(want, "live")

    def _settle(
        self, want: _Want, state: Literal["live", "refused", "timed_out"], code: str = "", text: str = ""
    ) -> None:
        want.state = state
        self._alone.discard(want.topic)
        self.awaiting.pop(self.key(want.topic), None)
        self._outcomes.append(Outcome(want.topic, state, code, text))

    def _request(self, topics: list[Topic], *, on: bool) -> Subscribe:
        self._requests += 1
        return Subscribe(tuple(topics), self._requests, on)

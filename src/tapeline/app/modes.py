"""The modes of a running instance: who is streamed, who is polled, and every switch between the two as it happens."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from tapeline.app.claims import Wish, allot, most_topics, wishes
from tapeline.app.instance import Instance
from tapeline.app.polling import Poller, PollingStatistics
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.config import Config, StreamConfig
from tapeline.control import Overrides, read_overrides, write_overrides
from tapeline.errors import ConfigError, Refused
from tapeline.model.event import Bar, Link, ModeChange, Trade
from tapeline.model.interval import SECOND_NS
from tapeline.model.topic import Topic
from tapeline.sync.mode import MODES, Course, Rules, Switch

TICK_S = 1.0
_log = structlog.get_logger("tapeline")


@dataclass(frozen=True, slots=True)
class ModeStatistics:
    """Groups of channels by the way they come, and switches so far."""

    streamed: int
    polled: int
    fallbacks: int
    returns: int


@dataclass(slots=True, eq=False)
class _Way:
    """One wish and how it comes."""

    wish: Wish
    course: Course
    topics: tuple[Topic, ...]


class ModeKeeper:
    """Watches what streams do, and polls where they fail. Whoever opens a desk asks it for its streams."""

    def __init__(
        self, instance: Instance, config: Config, *, clock: Clock, folder: Path | None = None,
        tell: Callable[[Trade | Bar], None] = lambda _row: None, origins: Mapping[str, str] | None = None,
        tick_s: float = TICK_S,
    ) -> None:  # fmt: skip
        self._instance, self._config, self._clock, self._folder, self._tell = instance, config, clock, folder, tell
        self._origins, self._tick_s = origins or {}, tick_s
        self._overrides = read_overrides(folder) if folder is not None else Overrides()
        sync = config.sync
        self._rules = Rules(
            failures=sync.failures, silence_s=sync.silence_s, cooldown_s=sync.cooldown_s, steady_s=sync.steady_s,
            longest_s=max(sync.cooldown_s, Rules().longest_s),
        )  # fmt: skip
        self._ways: list[_Way] = []
        self._by_topic: dict[tuple[str, str], list[_Way]] = {}  # (venue, topic as text)
        self._pollers: dict[VenueDesk, Poller] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._fallbacks = self._returns = 0
        instance.bus.subscribe(self._linked, channel="link", types=(Link,), name="tapeline.modes")

    # ---- life ------------------------------------------------------------------------------------------------

    def open(self, desk: VenueDesk, streams: Sequence[StreamConfig]) -> None:
        """Ask for these streams, each by its mode. Raises ConfigError or UnknownInstrument."""
        found = wishes(desk, streams, self._config, self._origins)
        others = sum(
            len(way.topics) for way in self._ways
            if way.wish.desk.venue.name == desk.venue.name and way.wish.desk is not desk and way.course.terms.place
        )  # fmt: skip
        allot(found, most_topics(desk, self._config) - others, self._overrides)
        for wish in found:
            if wish.asked:
                desk.want(wish.instrument, wish.channels)
        found = [wish for wish in found if not wish.asked]
        terms = [wish.terms(self._overrides) for wish in found]  # all are checked before any is asked for
        desk.failed = lambda topic, why, refused: self._failed(desk, topic, why, refused=refused)
        for wish, each in zip(found, terms, strict=True):
            course = Course(each, self._clock.now(), self._rules)
            topics = tuple(
                dict.fromkeys(desk.want(wish.instrument, wish.channels, polled=course.uses == "polling"))
            )  # fmt: skip
            way = _Way(wish, course, topics)
            self._ways.append(way)
            for topic in topics:
                self._by_topic.setdefault((desk.venue.name, str(topic)), []).append(way)
            if course.uses == "polling":
                self._poll(way)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for poller in self._pollers.values():
                tasks.create_task(poller.run(), name=f"polling {poller.desk.venue.name}")
            while True:
                self.look()
                await asyncio.sleep(self._tick_s)

    def look(self) -> None:
        """What time brings to each."""
        now = self._clock.now()
        live: dict[VenueDesk, set[Topic]] = {}
        for way in self._ways:
            course, desk = way.course, way.wish.desk
            if course.state != "streaming" or course.failures:
                if desk not in live:
                    live[desk] = desk.live_topics()
                if live[desk].issuperset(way.topics):
                    course.up()
                    course.heard(now)
            switch = course.tick(now)
            if course.retry_due:
                self._retry(way, live.get(desk, set()))
            if switch is not None:
                self._make(way, switch)

    # ---- asked for at run time ---------------------------------------------------------------------------------

    def set_mode(self, mode: str | None, instrument: str | None = None) -> list[dict[str, Any]]:
        """Set a mode of everything or of an instrument, None to clear it. Raises Refused where that cannot be."""
        if mode is not None and mode not in MODES:
            raise Refused(f"{mode!r} is no mode: one of {', '.join(MODES)}")
        meant = [way for way in self._ways if instrument in (None, way.wish.instrument.id)]
        if instrument is not None and not meant:
            raise Refused(f"{instrument} is not among what this instance wants")
        before = self._overrides
        after = before.without(instrument) if mode is None else before.with_mode(mode, instrument)
        try:
            terms = [way.wish.terms(after) for way in meant]
        except ConfigError as error:
            raise Refused(str(error)) from error
        if self._folder is not None:
            write_overrides(self._folder, after)
        self._overrides = after
        for way, each in zip(meant, terms, strict=True):
            if each == way.course.terms:
                continue
            switch = way.course.set(each, self._clock.now(), "set at run time" if mode else "cleared at run time")
            if switch is not None:
                self._make(way, switch)
        self.look()
        return self.rows()

    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """For the control socket."""
        return {
            "set_mode": lambda request: self.set_mode(str(request.get("mode")), request.get("instrument")),
            "clear_mode": lambda request: self.set_mode(None, request.get("instrument")),
        }

    # ---- for status ------------------------------------------------------------------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """One for each group of channels: the mode, who said so, how they come and why."""
        now, wall_ns = self._clock.now(), self._clock.wall_ns()
        return [_row(way, self._overrides, now, wall_ns) for way in self._ways]

    def statistics(self) -> ModeStatistics:
        """Totals."""
        polled = sum(way.course.uses == "polling" for way in self._ways)
        return ModeStatistics(len(self._ways) - polled, polled, self._fallbacks, self._returns)

    @property
    def polls(self) -> bool:
        """Whether anything is polled, or will be once its stream has failed for good."""
        return any(way.course.uses == "polling" or way.course.terms.falls_back for way in self._ways)

    def polling(self) -> list[PollingStatistics]:
        """Of each venue that is polled, or was."""
        return [poller.statistics() for poller in self._pollers.values()]

    def parts(self) -> dict[str, Any]:
        """All of it, for the status object."""
        return {
            "modes": self.rows(), "mode_totals": self.statistics(), "polling": [asdict(each) for each in self.polling()]
        }  # fmt: skip

    # ---- what streams do -------------------------------------------------------------------------------------

    def _linked(self, link: Link) -> None:
        now = self._clock.now()
        for way in self._carried(link):
            if link.final:  # nobody dials any more: no use in waiting for more failures
                way.course.refused(now, f"every attempt is used up: {link.reason}")
            elif link.change == "down":
                way.course.down(now, link.reason, self._heard_at(way, now))
            elif link.change == "up":
                way.course.up()
            elif link.state == "backing_off" and way.course.is_down:
                way.course.failed(now, link.reason)

    def _failed(self, desk: VenueDesk, topic: Topic, why: str, *, refused: bool) -> None:
        now = self._clock.now()
        for way in self._by_topic.get((desk.venue.name, str(topic)), ()):
            if way.wish.desk is not desk:
                continue
            if refused:
                way.course.refused(now, why)
            else:
                way.course.failed(now, why, self._last_event_at(way, now))

    def _carried(self, link: Link) -> Iterator[_Way]:
        found = {id(way): way for text in link.topics for way in self._by_topic.get((link.venue, text), ())}
        yield from found.values()

    def _heard_at(self, way: _Way, now: float) -> float:
        """When the connection of these last gave a sign of life."""
        desk = way.wish.desk
        shards = [shard for topic in way.topics if (shard := desk.shards.shard_of(topic)) is not None]
        pongs = [desk.alive_at[shard] for shard in shards if shard in desk.alive_at]
        return max([self._last_event_at(way, now), *pongs])

    def _last_event_at(self, way: _Way, now: float) -> float:
        desk, wall_ns = way.wish.desk, self._clock.wall_ns()
        tracks = [desk.merge.track(way.wish.instrument.id, topic.channel) for topic in way.topics]
        stamps = [track.last.received_ns for track in tracks if track is not None and track.last is not None]
        return min(now, now - (wall_ns - max(stamps)) / SECOND_NS) if stamps else way.course.since

    # ---- what is done about it -------------------------------------------------------------------------------

    def _make(self, way: _Way, switch: Switch) -> None:
        """Switch, and tell."""
        wish, course = way.wish, way.course
        if switch.after == "polling":
            self._fallbacks += course.terms.falls_back
            self._poll(way)
            if course.terms.mode == "polling":
                wish.desk.shards.remove(way.topics)
        else:
            self._returns += 1
            for topic in way.topics:
                self._pollers[wish.desk].leave(topic)
        self._instance.bus.publish(
            ModeChange(
                wish.instrument.id, "mode", None, self._clock.wall_ns(), "built", tuple(map(str, wish.channels)),
                course.terms.mode, switch.before, switch.after, switch.reason,
            )
        )  # fmt: skip
        tell = _log.warning if switch.after == "polling" and course.terms.falls_back else _log.info
        tell(
            f"mode {switch.after}", instrument=wish.instrument.id, channels=",".join(map(str, wish.channels)),
            mode=course.terms.mode, reason=switch.reason,
        )  # fmt: skip

    def _poll(self, way: _Way) -> None:
        desk = way.wish.desk
        poller = self._pollers.get(desk)
        if poller is None:
            poller = self._pollers[desk] = Poller(
                desk, self._instance.bus, clock=self._clock, every_s=self._config.sync.polling_interval_s,
                tell=self._tell, trouble=lambda kind, text: self._trouble(desk, kind, text),
            )  # fmt: skip
            if self._tasks is not None:
                self._tasks.create_task(poller.run(), name=f"polling {desk.venue.name}")
        for topic in way.topics:
            poller.add(topic, way.wish.instrument)

    def _retry(self, way: _Way, live: set[Topic]) -> None:
        """Ask once more for what its stream does not bring."""
        desk = way.wish.desk
        desk.stream(way.topics)
        for topic in way.topics:
            feed = desk.feed_of(topic)
            if feed is not None and topic not in live:
                feed.subscribe_again(topic)

    def _trouble(self, desk: VenueDesk, kind: str, text: str) -> None:
        self._instance.problems.note(desk.venue.name, "", kind, text, b"")


def _row(way: _Way, overrides: Overrides, now: float, wall_ns: int) -> dict[str, Any]:
    wish, course = way.wish, way.course
    mode, origin = wish.mode_under(overrides)
    return {
        "instrument": wish.instrument.id, "channels": [str(of) for of in wish.channels], "mode": mode,
        "mode_from": origin, "uses": course.uses, "state": course.state, "why": course.reason,
        "fallback": wish.modes.fallback, "fallback_from": wish.modes.fallback_from,
        "since_ns": wall_ns - int((now - course.since) * SECOND_NS), "switches": course.switches,
        "failures": course.failures,
    }  # fmt: skip

"""Every topic from several lanes (connections, repair), each event once and in order. Pure and bounded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tapeline.market.bus import Bus
from tapeline.model.channel import Channel
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Event, Gap
from tapeline.venues.spec import Feed
from tapeline.wire.continuity import ByContent, ByIdentity, ByIds, ByJudge, BySeq, Point, Rule
from tapeline.wire.latest import ByOpenTime, ByUpdate
from tapeline.wire.track import Track


@dataclass(frozen=True, slots=True)
class MergeStatistics:
    """What passed, what fell, what was missing."""

    series: int
    events: int
    duplicates: int
    gaps: int
    unwanted: int
    held: int


class Merge:
    """One `Track` per wanted (channel, instrument). What nobody wants (a stream may carry more) is dropped, counted."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str | None], Track] = {}
        self._unwanted = 0
        self.holding: set[Track] = set()  # tracks in which something waits for what it jumped over

    def declare(
        self, instrument: str, channel: str, feed: Feed, *, after: Point | None = None, since_ns: int | None = None
    ) -> Track:
        """Want this series; `after` is the last point a store holds of it, else it is wanted since `since_ns`.

        Declaring twice changes nothing.
        """
        key = (channel, instrument)
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = Track(instrument, channel, rule_for(feed, parse_channel(channel)))
            if after is not None:
                track.resume(after)
            elif since_ns is not None and feed.evidence and feed.repair:  # else nobody could say what was missed
                track.expect(since_ns)
        return track

    def forget(self, instrument: str, channel: str) -> None:
        """Nobody wants this series any more; its memory goes."""
        track = self._tracks.pop((channel, instrument), None)
        if track is not None:
            self.holding.discard(track)

    def offer(self, events: Sequence[Event], now: float) -> Sequence[Event]:
        """What of these to deliver, in order: `events` themselves where each simply follows."""
        find = self._tracks.get
        for i, event in enumerate(events):
            track = find((event.channel, event.instrument))
            if track is None or not track.follows(event):
                return [*events[:i], *self._sorted_out(events[i:], now)]
            track.count += 1
            track.last = event
        return events

    def pass_on(self, events: Sequence[Event], now: float, bus: Bus) -> None:
        """Publish what `offer` would give. The hot path: one look-up an event where each would need its own."""
        if bus.timing:
            bus.publish_all(self.offer(events, now))
            return
        find = self._tracks.get
        for i, event in enumerate(events):
            track = find((event.channel, event.instrument))
            if track is None or not track.follows(event):
                bus.publish_all(self._sorted_out(events[i:], now))
                return
            track.count += 1
            track.last = event
            route = track.route
            if route.since != bus.version or route.kind is not event.__class__:
                route = track.route = bus.route(event)
            route.count += 1
            for handle in route.who:  # `publish_all` again: a call of it for each event would cost what this saves
                try:
                    handle.callback(event)
                except Exception as error:  # noqa: BLE001  # a user's callback never touches the feed
                    bus.failure(handle, event, error)
                else:
                    if handle.in_row:
                        handle.in_row.pop(event.instrument, None)

    def track(self, instrument: str, channel: str) -> Track | None:
        """The state of one series."""
        return self._tracks.get((channel, instrument))

    def lacking_since_ns(self, instrument: str, channel: str) -> int | None:
        """Venue time from which on a series waits for what was jumped over; None where it does not."""
        track = self._tracks.get((channel, instrument)) if self.holding else None
        return None if track is None else track.lacking_since_ns

    def __iter__(self) -> Iterator[Track]:
        return iter(self._tracks.values())

    def down(self, instrument: str, channel: str, cause: str, now: float) -> Sequence[Event]:
        """No lane delivers this series any more; returns what was held back, which nothing can fill now."""
        track = self._tracks.get((channel, instrument))
        if track is None:
            return ()
        out = track.release(now, at_once=True)
        self._note(track)
        track.down(cause)
        return out

    def release(self, now: float) -> Sequence[Event]:
        """What has waited long enough for what it jumped over."""
        if not self.holding:
            return ()
        out: list[Event] = []
        for track in sorted(self.holding, key=lambda held: (held.channel, held.instrument)):
            out.extend(track.release(now))
            self._note(track)
        return out

    @property
    def waiting_until(self) -> float | None:
        """When `release` has something to do."""
        times = [track.waiting_until for track in self.holding if track.waiting_until is not None]
        return min(times, default=None)

    def open_gaps(self, received_ns: int) -> list[Gap]:
        """Holes that nothing has ended, for the record at the end of a run."""
        gaps = (track.open_gap(received_ns) for track in self._tracks.values())
        return [gap for gap in gaps if gap is not None]

    def statistics(self) -> MergeStatistics:
        """Totals over all series."""
        tracks = self._tracks.values()
        return MergeStatistics(
            series=len(tracks),
            events=sum(track.count for track in tracks),
            duplicates=sum(track.duplicates for track in tracks),
            gaps=sum(track.gaps for track in tracks),
            unwanted=self._unwanted,
            held=len(self.holding),
        )

    def _sorted_out(self, events: Sequence[Event], now: float) -> list[Event]:
        out: list[Event] = []
        for event in events:
            track = self._tracks.get((event.channel, event.instrument))
            if track is not None:
                if track.follows(event):
                    track.count += 1
                    track.last = event
                    out.append(event)
                elif not track.repeated(event):
                    out.extend(track.admit(event, now))
                    self._note(track)
            elif event.instrument is None:  # a venue's notice belongs to no series
                out.append(event)
            else:
                self._unwanted += 1
        return out

    def _note(self, track: Track) -> None:
        if track.waiting_until is None:
            self.holding.discard(track)
        else:
            self.holding.add(track)


def rule_for(feed: Feed, of: Channel) -> Rule:
    """The rule of this channel on this feed."""
    if of.kind in {"trades", "aggtrades"}:
        by: dict[str, type[BySeq | ByIds | ByIdentity]] = {"seq": BySeq, "ids": ByIds, "": ByIdentity}
        return by[feed.continuity]()
    if of.kind == "liquidations":
        return ByContent()
    if of.kind == "bars":
        return ByOpenTime(of.interval)
    if of.kind == "book" and of.levels is None and feed.judge is not None:
        return ByJudge(feed.judge)
    return ByUpdate()

"""Asking the venue whether a silent topic should have spoken: is the market quiet or the topic dead."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from tapeline.errors import TapelineError
from tapeline.model.topic import Topic
from tapeline.venues.spec import Ask
from tapeline.wire.continuity import Point
from tapeline.wire.rest import Rest
from tapeline.wire.track import Track

WITHIN_S = 10.0


class Prober:
    """Probes of one venue, by REST: depth for what a book shows, trades for everything else."""

    def __init__(self, rest: Rest, calls: frozenset[str], trouble: Callable[[str, str], None]) -> None:
        self._rest, self._calls, self._trouble = rest, calls, trouble
        self._before: dict[Topic, tuple[int, int]] = {}  # events we had, and the venue's newest, at the last probe

    async def dead(self, topic: Topic, track: Track | None) -> bool | None:
        """True: the venue has news that did not come. False: it has none, the market is quiet. None: cannot tell."""
        call = "depth" if topic.channel == "quotes" or topic.channel.startswith("book") else "trades"
        if track is None or call not in self._calls:
            return None
        count = track.count
        try:
            async with asyncio.timeout(WITHIN_S):
                items = await self._rest.call(Ask(call, topic.native, limit=5), {topic.native: track.instrument})
        except (TapelineError, TimeoutError) as error:
            self._trouble("probe", f"{topic}: {error}")
            return None
        known = self._before.get(topic)
        newest = self._before[topic] = (track.count, _newest(items))
        if track.count != count:
            return False
        if not track.broken:
            return _newer(items, track.point)
        # Our last point is from before an outage: news from during it proves nothing, news since the last probe does.
        if known is None or known[0] != track.count:
            return None if _newer(items, track.point) else False
        return newest[1] > known[1]

    def forget(self, topic: Topic) -> None:
        """The topic is wanted no more; its memory goes."""
        self._before.pop(topic, None)


def _newest(items: Sequence[Any]) -> int:
    """The venue's newest sequence, or time where it has none."""
    return max((getattr(i, "last_seq", None) or getattr(i, "seq", None) or i.at_ns or 0 for i in items), default=0)


def _newer(items: Sequence[Any], point: Point | None) -> bool | None:
    """Whether the venue knows something after our last point."""
    if point is None:
        return False if not items else None
    for item in items:
        seq = getattr(item, "last_seq", None) or getattr(item, "seq", None)
        if seq is not None and point.seq is not None:
            if seq > point.seq:
                return True
        elif item.at_ns is not None and point.at_ns is not None and item.at_ns > point.at_ns:
            return True
    return False

"""Series that go on after an outage as if nothing had happened: their numbers follow, and no hole is told.

A venue that begins to number anew meanwhile may repeat just as many numbers as were missed. So what was traded during
such an outage is looked at by time once, wherever the venue lists it; but not where the trades on both sides of it
are so near that no venue could have restarted between them.
"""

from collections.abc import Iterator

from tapeline.app.instance import Instance
from tapeline.model.fact import Stretch
from tapeline.sync.numbering import DISORDER_NS

Key = tuple[str, str]  # instrument, channel


def outages(instance: Instance) -> Iterator[tuple[Key, Stretch]]:
    """From the last trade before each to the first one after it; each once. No number is missing in it.

    What follows within `DISORDER_NS` is of the same numbering: a fall of numbers so soon is taken for disorder anyway.
    """
    for desk in instance.desks.values():
        for track in desk.merge:
            if track.outage is None:
                continue
            before, after = track.outage
            track.outage = None
            due = track.rule.first_of(after)
            if before.at_ns is not None and due is not None and (after.at_ns or 0) > before.at_ns + DISORDER_NS:
                hole = Stretch(before.at_ns, after.at_ns + 1, due, due - 1, cause="link_down")
                yield (track.instrument, track.channel), hole

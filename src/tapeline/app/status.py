"""The status object of a running instance: what `tapeline status`, status.json and the control socket show."""

import os
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from typing import Any

from tapeline.app.instance import Instance
from tapeline.clock import Clock
from tapeline.errors import Unsynchronised
from tapeline.market.watermark import VenueClock
from tapeline.model.event import Link
from tapeline.model.interval import SECOND_NS


def status(instance: Instance, *, state: str, now_ns: int, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything there is to know, as plain JSON values. `parts` are statistics of store, tape and the like."""
    return {
        "version": version("tapeline"),
        "pid": os.getpid(),
        "state": state,
        "started_at_ns": instance.started_at_ns,
        "written_at_ns": now_ns,
        "connections": [asdict(each) for desk in instance.desks.values() for each in desk.statistics()],
        "clocks": {desk.venue.name: _clock(desk.venue_clock, instance.world.clock) for desk in instance.desks.values()},
        "rest": [
            {
                "venue": desk.venue.name,
                "requests": desk.rest.requests,
                "limited": desk.rest.limited,
                "silent_s": desk.rest.silent_s(),
                "calls": dict(sorted(desk.rest.calls.items())),
            }
            for desk in instance.desks.values()
        ],
        "asked": [asdict(told) for desk in instance.desks.values() if (told := desk.sampler.statistics()).topics],
        "events": instance.bus.counts(),
        "series": _series(instance, now_ns),
        "merge": [{"venue": desk.venue.name, **asdict(desk.merge.statistics())} for desk in instance.desks.values()],
        "outages": _outages(instance.links),
        "books": [_book(book) for desk in instance.desks.values() for book in desk.books.books()],
        "subscribers": [asdict(each) for each in instance.bus.statistics()],
        "outlets": [
            {"channel": handle.channel or "*", "instrument": handle.instrument or "*", **asdict(outlet.statistics())}
            for handle, outlet in instance.outlets
        ],
        "problems": instance.problems.by_kind(),
        **{
            name: asdict(part) if is_dataclass(part) and not isinstance(part, type) else part
            for name, part in parts.items()
        },
    }


def _clock(venues: VenueClock, ours: Clock) -> dict[str, Any]:
    """What is known of a venue's clock; `offset_s`: how far it is ahead of ours, None where it is not known."""
    known = venues.statistics()
    venue_ns = venues.estimate(ours.now()) if known.running else None
    return {**asdict(known), "offset_s": None if venue_ns is None else (venue_ns - ours.wall_ns()) / SECOND_NS}


def _series(instance: Instance, now_ns: int) -> list[dict[str, Any]]:
    return [
        {
            "instrument": track.instrument, "channel": track.channel, "events": track.count, "gaps": track.gaps,
            "duplicates": track.duplicates, "broken": track.broken,
            "last_age_s": None if track.last is None else (now_ns - track.last.received_ns) / SECOND_NS,
        }
        for desk in instance.desks.values()
        for track in desk.merge
    ]  # fmt: skip


def _outages(links: list[Link]) -> list[dict[str, Any]]:
    """Each Link(down) with the Link(up) that ended it."""
    out: list[dict[str, Any]] = []
    downs: dict[str, tuple[Link, dict[str, Any]]] = {}
    for link in links:
        if link.change == "down" and link.connection not in downs:
            row = {
                "venue": link.venue, "connection": link.connection, "down_at_ns": link.received_ns,
                "reason": link.reason, "up_at_ns": None, "took_s": None, "final": link.final,
            }  # fmt: skip
            downs[link.connection] = (link, row)
            out.append(row)
        elif link.change == "down":
            downs[link.connection][1]["final"] = link.final
        elif link.change == "up" and link.connection in downs:
            down, row = downs.pop(link.connection)
            row["up_at_ns"] = link.received_ns
            row["took_s"] = (link.received_ns - down.received_ns) / SECOND_NS
    return out


def _book(book: Any) -> dict[str, Any]:
    row = {"instrument": book.instrument, "channel": book.channel, "synchronised": book.synchronised,
           "reason": book.reason, **asdict(book.statistics())}  # fmt: skip
    try:
        bid, ask = book.best()
    except Unsynchronised:
        return row
    row["bid"], row["ask"] = (str(side[0]) if side else None for side in (bid, ask))
    return row

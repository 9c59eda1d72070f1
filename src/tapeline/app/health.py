"""The health of an instance, once a second: measured here, judged in `market.health`, published as alerts."""

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from tapeline.app.instance import Instance
from tapeline.clock import Clock
from tapeline.config import AlertsConfig
from tapeline.market.health import Health, Limits, Pulse, Readings
from tapeline.model.event import Alert, Gap, ModeChange, Repair
from tapeline.model.instrument import split_id
from tapeline.store.writer import Writer

EVERY_S = 1.0
_MEMORY = Path("/proc/self/statm")
_ENDS = re.compile(r"[:@]")  # of the kind, in a channel's name
_log = structlog.get_logger("tapeline")


@dataclass(slots=True)
class _Seen:
    """One series: since when, and when its count last changed. By our monotonic clock, which nobody sets."""

    since: float
    count: int
    at: float


class HealthDesk:
    """Measures and tells. `mismatches` counts those of the audit."""

    def __init__(
        self, instance: Instance, writer: Writer, *, settings: AlertsConfig, clock: Clock,
        mismatches: Callable[[], int] = lambda: 0,
    ) -> None:  # fmt: skip
        self._instance, self._writer, self._clock = instance, writer, clock
        self._mismatches = mismatches
        self._health = Health(
            Limits(
                data_older_s=settings.data_older_s, behind_s=settings.behind_s,
                memory_mb_per_hour=settings.memory_mb_per_hour, errors_per_minute=settings.errors_per_minute,
                hold_s=settings.hold_s,
            )
        )  # fmt: skip
        self._series: dict[tuple[str, str], _Seen] = {}
        self._unrecoverable = 0
        self._polled: dict[str, str] = {}  # instruments that should be streamed, and why they are not
        instance.bus.subscribe(self._switched, types=(ModeChange,), name="tapeline.health")
        instance.bus.subscribe(self._lost, types=(Gap, Repair), name="tapeline.health")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.look()

    def look(self) -> None:
        """Measure once, and publish what began or ended."""
        for alert in self._health.look(self._readings(), self._clock.now(), self._clock.wall_ns()):
            tell = _log.warning if alert.state == "raised" else _log.info
            tell(f"alert {alert.state}", kind=alert.kind, subject=alert.subject, text=alert.text)
            self._instance.bus.publish(alert)

    def statistics(self) -> list[dict[str, Any]]:
        """What is raised now, for status."""
        return [_row(alert) for alert in self._health.active]

    # ---- inside ----------------------------------------------------------------------------------------------

    def _readings(self) -> Readings:
        desks = self._instance.desks.values()
        return Readings(
            pulses=self._pulses(),
            fallbacks=self._polled,
            breakers=[each.connection for desk in desks for each in desk.statistics() if each.breaker == "open"],
            unrecoverable=self._unrecoverable,
            mismatches=self._mismatches(),
            errors=sum(self._instance.problems.counts.values()),
            behind_s=self._writer.statistics().behind_s,
            memory_bytes=memory_bytes(),
        )

    def _pulses(self) -> dict[str, list[Pulse]]:
        """Of every series that should say something now and then."""
        now, known, found = self._clock.now(), self._series, dict[str, list[Pulse]]()
        self._series = {}
        for desk in self._instance.desks.values():
            for track in desk.merge:
                feed = desk.venue.feeds.get(_kind(track.channel))
                if feed is None or feed.quiet:
                    continue
                key = (track.instrument, track.channel)
                seen = self._series[key] = known.get(key) or _Seen(now, track.count, now)
                if track.count != seen.count:
                    seen.count, seen.at = track.count, now
                pause_s = (seen.at - seen.since) / track.count if track.count else None
                found.setdefault(track.instrument, []).append(Pulse(track.channel, now - seen.at, pause_s))
        return found

    def _switched(self, change: ModeChange) -> None:
        """Polling where that is what was asked for is no fall-back."""
        self._polled.pop(change.instrument, None)
        if change.after == "polling" and change.mode != "polling":
            self._polled[change.instrument] = change.reason

    def _lost(self, event: Gap | Repair) -> None:
        """A hole for good: asked for in vain, or one of trades or bars that no call of the venue brings back."""
        if isinstance(event, Repair):
            self._unrecoverable += event.state == "unrecoverable"
            return
        if event.open or _kind(event.channel) not in {"trades", "aggtrades", "bars"}:
            return
        venue, _ = split_id(event.instrument)
        for desk in self._instance.desks.values():
            if desk.venue.name == venue:
                feed = desk.venue.feeds.get(_kind(event.channel))
                self._unrecoverable += feed is not None and not feed.repair
                return


def memory_bytes() -> int | None:
    """What this process holds in memory; None where the system does not tell."""
    try:
        return int(_MEMORY.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _kind(channel: str) -> str:
    return _ENDS.split(channel, maxsplit=1)[0]


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "kind": alert.kind, "subject": alert.subject, "since_ns": alert.received_ns, "value": alert.value,
        "limit": alert.limit, "text": alert.text,
    }  # fmt: skip

"""How well a trading run is: measured here once a second, judged in `watch.monitor`, and acted on by the gates."""

import asyncio
from collections.abc import Callable
from statistics import median
from typing import Any, Never

import structlog

from tapeline.app.health import memory_bytes
from tapeline.app.running import Running
from tapeline.app.trade.execution import Execution
from tapeline.app.trade.flattening import Flattening
from tapeline.clock import Clock
from tapeline.config import WatchConfig
from tapeline.model.account import OrderUpdate
from tapeline.model.instrument import split_id
from tapeline.trading.engine import Engine
from tapeline.trading.input import ClockOff, Failed
from tapeline.watch.heartbeat import Heart
from tapeline.watch.monitor import Monitor, Vitals, as_json

TICK_S = 0.25
_TAKEN = frozenset({"open", "partly_filled", "filled"})
_log = structlog.get_logger("tapeline")


class Watching:
    """Beats for the watchdog, looks at every vital sign, tells strategies what changed, asks gates for worse states.

    `halt(account, state, why, who)` is the gates'; "" is every account.
    """

    def __init__(
        self, engine: Engine, execution: Execution, running: Running, settings: WatchConfig, *, clock: Clock,
        heart: Heart, flattening: Flattening, halt: Callable[[str, str, str, str], None],
    ) -> None:  # fmt: skip
        self._engine, self._execution, self._running, self._settings = engine, execution, running, settings
        self._clock, self._heart, self._flattening, self._halt = clock, heart, flattening, halt
        self.monitor = Monitor(settings, self._accounts_of)
        self._rejects: dict[str, int] = dict.fromkeys(engine.situation.setup.accounts, 0)
        self.reconciled_at: dict[str, float] = {}  # account -> when, monotonic
        self.unexplained: dict[str, str] = {}  # account -> what reconciliation cannot explain, "" nothing
        self._wall: tuple[float, int] | None = None
        self._step_s, self._stepped_at = 0.0, 0.0

    async def run(self, tasks: asyncio.TaskGroup) -> Never:
        """Until cancelled. A loop that hangs does not come here: then no heart beats."""
        beat_at = look_at = self._clock.now()
        lag_s = 0.0
        while True:
            before = self._clock.now()
            await asyncio.sleep(TICK_S)
            now = self._clock.now()
            lag_s = max(lag_s, now - before - TICK_S)
            if now >= beat_at:
                self.beat()
                beat_at = now + self._settings.heartbeat_s
            if now >= look_at:
                self.look(lag_s)
                self._flattening.look(tasks)
                look_at, lag_s = now + 1.0, 0.0

    def beat(self) -> None:
        """Say that the engine lives; where that cannot be written the watchdog will act, and rightly."""
        try:
            self._heart.beat()
        except OSError as error:
            _log.error("the heartbeat cannot be written", error=str(error))

    def look(self, lag_s: float) -> None:
        """Measure once; tell what changed, ask for what the configuration says."""
        vitals, now_ns = self._vitals(lag_s), self._clock.wall_ns()
        for venue, offset_s in vitals.clock_offset_s.items():
            self._execution.offer(ClockOff(venue, abs(offset_s), now_ns))
        news, wishes = self.monitor.look(vitals, self._clock.now(), now_ns)
        for each in news:
            tell = _log.info if each.state == "ok" else _log.warning
            tell("health", check=each.check, subject=each.instrument, state=each.state, text=each.text)
            self._execution.offer(each)
        for wish in wishes:
            self._halt(wish.account, wish.state, wish.why, "health")

    def heard(self, event: Any) -> None:
        """News of an order, on its way to the engine: refusals in a row are counted."""
        if isinstance(event, OrderUpdate) and event.account in self._rejects:
            if event.state == "rejected":
                self._rejects[event.account] += 1
            elif event.state in _TAKEN:
                self._rejects[event.account] = 0
        elif isinstance(event, Failed) and event.what == "submit" and event.outcome == "refused":
            order = self._engine.situation.blotter.order(event.client_id)
            if order is not None and order.intent.account in self._rejects:
                self._rejects[order.intent.account] += 1

    def statistics(self) -> list[dict[str, Any]]:
        """Every check, for status and `tapeline health`."""
        return as_json(self.monitor.rows())

    # ---- within ------------------------------------------------------------------------------------------------------

    def _vitals(self, lag_s: float) -> Vitals:
        now = self._clock.now()
        return Vitals(
            loop_lag_s=lag_s,
            queue_age_s=self._execution.oldest_s(),
            store_behind_s=self._running.keeping.writer.statistics().behind_s,
            memory_bytes=memory_bytes(),
            latency_s=self._latencies(),
            clock_offset_s=self._clock_offsets(now),
            feed_age_s=self._feed_ages(),
            outages=self._outages(),
            not_trading=self._not_trading(),
            reconciled_s_ago={name: now - at for name, at in self.reconciled_at.items()},
            unexplained=self.unexplained,
            rejects_in_row=self._rejects,
        )

    def _accounts_of(self, subject: str) -> list[str]:
        accounts = self._engine.situation.setup.accounts
        if subject in accounts:
            return [subject]
        venue = split_id(subject)[0]
        return [name for name, account in accounts.items() if account.venue == venue]

    def _feed_ages(self) -> dict[str, float]:
        """Of each instrument that strategies hear: what the health desk says is stale, by its own usual pauses."""
        if self._running.health is None:
            return {}
        stale = {row["subject"]: row["value"] for row in self._running.health.statistics() if row["kind"] == "stale"}
        return {name: float(stale.get(name, 0.0)) for name in self._engine.situation.sights}

    def _outages(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for desk in self._running.instance.desks.values():
            shards = {each.connection.rstrip("abcdefgh"): each.outages for each in desk.statistics()}  # lanes of one
            found[desk.venue.name] = found.get(desk.venue.name, 0) + sum(shards.values())
        return found

    def _not_trading(self) -> dict[str, str]:
        sights = self._engine.situation.sights.values()
        known = [each.instrument for each in sights if each.instrument is not None]
        return {each.id: each.status for each in known if each.status != "trading"}

    def _latencies(self) -> dict[str, float]:
        """Of the last quotes: from the venue's stamp to us, both on the venue's clock."""
        found: dict[str, list[float]] = {}
        now, wall_ns = self._clock.now(), self._clock.wall_ns()
        for desk in self._running.instance.desks.values():
            venue_ns = desk.venue_clock.estimate(now)
            if venue_ns is None or not desk.venue_clock.statistics().running:
                continue
            for sight in self._engine.situation.sights.values():
                quote = sight.quote
                if quote is not None and quote.at_ns is not None and split_id(sight.id)[0] == desk.venue.name:
                    late_ns = quote.received_ns - quote.at_ns - (wall_ns - venue_ns)
                    found.setdefault(desk.venue.name, []).append(late_ns / 1e9)
        return {name: max(0.0, median(each)) for name, each in found.items()}

    def _clock_offsets(self, now: float) -> dict[str, float]:
        """What is left once the venue's clock is measured: half a round trip, and steps of our own within a minute."""
        wall_ns = self._clock.wall_ns()
        if self._wall is not None:
            step_s = (wall_ns - self._wall[1]) / 1e9 - (now - self._wall[0])
            if abs(step_s) > max(0.1, abs(self._step_s) if now - self._stepped_at < 60 else 0.0):
                self._step_s, self._stepped_at = step_s, now
        self._wall = now, wall_ns
        step_s = self._step_s if now - self._stepped_at < 60 else 0.0
        found = {}
        for desk in self._running.instance.desks.values():
            trip_s = desk.venue_clock.statistics().round_trip_s
            if trip_s is not None:
                found[desk.venue.name] = trip_s / 2 if abs(step_s) < trip_s / 2 else step_s
        return found

"""`order="complete"` at the edge: series that wait for their holes, and the timers that let them go on."""

import asyncio
from collections.abc import Callable, Sequence

from tapeline.clock import Clock
from tapeline.market.complete import HOLD_S, Complete
from tapeline.model.event import Event


class InOrder:
    """Give `put` to the bus; what may go on goes to `pass_on`. `failed` hears of its exceptions."""

    def __init__(
        self, pass_on: Callable[[Event], object], clock: Clock, hold_s: float = HOLD_S, *,
        failed: Callable[[Event, Exception], None],
    ) -> None:  # fmt: skip
        self._pass_on, self._clock, self._hold_s, self._failed = pass_on, clock, hold_s, failed
        self._series: dict[tuple[str | None, str], Complete] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, event: Event) -> None:
        """Take an event; called on the loop."""
        key = (event.instrument, event.channel)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Complete(self._hold_s)
        self._deliver(series.take(event, self._clock.now()))
        if self._timer is None and series.until is not None:
            self._wait()

    def close(self) -> None:
        """Forget what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._series.clear()

    def _deliver(self, events: Sequence[Event]) -> None:
        """One that fails takes nothing from those behind it."""
        for event in events:
            try:
                self._pass_on(event)
            except Exception as error:  # noqa: BLE001  # a user's callback never touches the feed
                self._failed(event, error)

    def _wait(self) -> None:
        times = [series.until for series in self._series.values() if series.until is not None]
        if times:
            wait_s = max(0.0, min(times) - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._clock.now()
        for series in self._series.values():
            self._deliver(series.expired(now))
        self._wait()

"""Plain calls from events to subscribers, by channel and instrument. A subscriber's failure is its own. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from tapeline.errors import ConfigError
from tapeline.model.event import Event, Notice, type_name

Callback = Callable[[Any], object]
FAIL_LIMIT = 10  # failures in a row after which a subscriber is suspended for that instrument
SLOW_S = 0.05


@dataclass(frozen=True, slots=True)
class SubscriberStatistics:
    """One subscription, as status shows it."""

    name: str
    channel: str
    instrument: str
    failures: int
    suspended: tuple[str, ...]
    slow_calls: int
    slowest_s: float


class Subscription:
    """A handle: `close()` unsubscribes, and its memory goes."""

    def __init__(
        self, bus: "Bus", callback: Callback, *, name: str, channel: str | None, instrument: str | None,
        types: tuple[type, ...],
    ) -> None:  # fmt: skip
        self._bus = bus
        self._types = types
        self.callback = callback
        self.name = name
        self.channel = channel
        self.instrument = instrument
        self.failures = 0
        self.in_row: dict[str | None, int] = {}
        self.suspended: set[str | None] = set()
        self.slow_calls = 0
        self.slowest_s = 0.0

    def close(self) -> None:
        """Unsubscribe; doing so twice changes nothing."""
        self._bus.unsubscribe(self)

    def wants(self, event: Event) -> bool:
        """Whether events like this one come here."""
        return (
            (self.channel is None or self.channel == event.channel)
            and (self.instrument is None or self.instrument == event.instrument)
            and (not self._types or type(event) in self._types)
            and event.instrument not in self.suspended
        )


class Route:
    """Who wants events of one class, channel and instrument; good while `since` is the bus's `version`."""

    __slots__ = ("count", "kind", "since", "type", "who")

    def __init__(self, kind: type, name: str, who: tuple[Subscription, ...], since: int) -> None:
        self.kind = kind
        self.type = name
        self.who = who
        self.since = since
        self.count = 0


NOWHERE = Route(type(None), "", (), -1)  # a route that is never good


class Bus:
    """`failed(subscription, event, error)` hears of every exception of a subscriber; `now` times slow calls."""

    def __init__(
        self, *, failed: Callable[[Subscription, Event, Exception], None], now: Callable[[], float] | None = None,
        fail_limit: int = FAIL_LIMIT,
    ) -> None:  # fmt: skip
        self._failed = failed
        self._now = now
        self._fail_limit = fail_limit
        self._subscriptions: list[Subscription] = []
        self._routes: dict[tuple[type, str, str | None], Route] = {}
        self.version = 0  # grows as subscriptions come and go
        self._counts: dict[str, int] = {}
        self.timing = False

    def subscribe(
        self, callback: Callback, *, channel: str | None = None, instrument: str | None = None,
        types: tuple[type, ...] = (), name: str = "",
    ) -> Subscription:  # fmt: skip
        """Call `callback(event)` for every event of a channel, instrument and type; None and () are all.

        A Gap arrives in the stream of the channel it is a hole of, before the event that ended it.
        """
        if not callable(callback):
            raise ConfigError(f"{callback!r} cannot be called: a subscriber is a function that takes one event")
        if iscoroutinefunction(callback) or iscoroutinefunction(getattr(callback, "__call__", None)):  # noqa: B004  # an object may have an async one
            raise ConfigError(f"{callback!r} is a coroutine function: use `async for` over a stream instead")
        handle = Subscription(
            self, callback, name=name or _name(callback), channel=channel, instrument=instrument, types=types
        )
        self._subscriptions.append(handle)
        self._forget_routes()
        return handle

    def unsubscribe(self, handle: Subscription) -> None:
        """Forget a subscription, at once: an event that is being delivered does not reach it any more."""
        if handle in self._subscriptions:
            self._subscriptions.remove(handle)
            handle.callback = _nothing
            self._forget_routes()

    def rename(self, name: str, instrument: str) -> None:
        """Whoever subscribed an instrument by another name of it hears of this one from now on."""
        renamed = [each for each in self._subscriptions if each.instrument == name]
        for each in renamed:
            each.instrument = instrument
        if renamed:
            self._forget_routes()

    def publish(self, event: Event) -> None:
        """Deliver to every subscriber, in the order they subscribed. Never raises for a subscriber's fault."""
        self.publish_all((event,))

    def publish_all(self, events: Iterable[Event]) -> None:
        """Deliver these one by one, each to every subscriber before the next."""
        if self.timing:
            for event in events:
                self._timed(event)
            return
        find = self._routes.get  # emptied, never replaced, when a callback subscribes or closes
        for event in events:
            route = find((event.__class__, event.channel, event.instrument)) or self.route(event)
            route.count += 1
            for handle in route.who:
                try:
                    handle.callback(event)
                except Exception as error:  # noqa: BLE001  # a user's callback never touches the feed
                    self.failure(handle, event, error)
                else:
                    if handle.in_row:
                        handle.in_row.pop(event.instrument, None)

    def route(self, event: Event) -> Route:
        """Who wants events like this one. Whoever keeps it looks at `version` before each use."""
        key = event.__class__, event.channel, event.instrument
        route = self._routes.get(key)
        if route is None:
            who = tuple(each for each in self._subscriptions if each.wants(event))
            route = self._routes[key] = Route(event.__class__, type_name(event), who, self.version)
        return route

    def failure(self, handle: Subscription, event: Event, error: Exception) -> None:
        """A callback raised: tell it, and suspend the subscriber for that instrument after too many in a row."""
        handle.failures += 1
        in_row = handle.in_row[event.instrument] = handle.in_row.get(event.instrument, 0) + 1
        self._failed(handle, event, error)
        if in_row < self._fail_limit:
            return
        handle.suspended.add(event.instrument)
        handle.in_row.pop(event.instrument, None)
        self._forget_routes()
        text = f"subscriber {handle.name} failed {in_row} times in a row on {event.instrument}, the last: {error!r}"
        self.publish(Notice(None, "notice", None, event.received_ns, "built", "", "subscriber_suspended", text))

    def time_calls(self, *, on: bool) -> None:
        """Time each call for a while, to name the slow ones: the feed asks for it when a batch took long."""
        self.timing = on and self._now is not None

    def statistics(self) -> list[SubscriberStatistics]:
        """Every subscription."""
        return [
            SubscriberStatistics(
                each.name, each.channel or "*", each.instrument or "*", each.failures,
                tuple(sorted(str(name) for name in each.suspended)), each.slow_calls, each.slowest_s,
            )
            for each in self._subscriptions
        ]  # fmt: skip

    def counts(self) -> dict[str, int]:
        """Events published so far, by type."""
        totals = dict(self._counts)
        for route in self._routes.values():
            totals[route.type] = totals.get(route.type, 0) + route.count
        return totals

    def _timed(self, event: Event) -> None:
        assert self._now is not None, "timing is on only where there is a clock"
        route = self.route(event)
        route.count += 1
        for handle in route.who:
            before = self._now()
            try:
                handle.callback(event)
            except Exception as error:  # noqa: BLE001  # a user's callback never touches the feed
                self.failure(handle, event, error)
            else:
                handle.in_row.pop(event.instrument, None)
            took_s = self._now() - before
            if took_s > SLOW_S:
                handle.slow_calls += 1
                handle.slowest_s = max(handle.slowest_s, took_s)

    def _forget_routes(self) -> None:
        self._counts = self.counts()
        self._routes.clear()
        self.version += 1


def _name(callback: Callback) -> str:
    module = getattr(callback, "__module__", "") or ""
    return f"{module}.{getattr(callback, '__qualname__', repr(callback))}".lstrip(".")


def _nothing(_event: Event) -> None:
    """What a closed subscription calls: its own callback may be a large closure, which should go."""

import functools
import gc
import weakref
from decimal import Decimal
from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.market.bus import Bus, SubscriberStatistics, Subscription
from tapeline.model.event import Event, Gap, Link, Notice, Quote, Trade

A, B = "toy:A/X", "toy:B/X"


def trade(instrument: str = A, seq: int = 1) -> Trade:
    return Trade(instrument, "trades", 5, 9, "ws", str(seq), seq, "buy", Decimal(1), Decimal(1))


def quote(instrument: str = A) -> Quote:
    return Quote(instrument, "quotes", None, 9, "ws", Decimal(1), Decimal(1), Decimal(2), Decimal(1))


GAP = Gap(A, "trades", None, 9, "built", 1, 5, 1, 5, "id_jump")
LINK = Link(None, "link", None, 9, "ws", "toy", "toy/public/1", ("trades A",), "down", "backing_off", "cut")


class Failures:
    """Hears of failures, as the application does."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None, str]] = []

    def __call__(self, handle: Subscription, event: Event, error: Exception) -> None:
        self.told.append((handle.name, event.instrument, str(error)))


class Faulty:
    """Fails while `broken`."""

    def __init__(self, *instruments: str) -> None:
        self.broken = set(instruments)
        self.got: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.got.append(event)
        if event.instrument in self.broken:
            raise ValueError("mine")


def test_events_go_by_channel_instrument_and_type_in_the_order_of_subscription() -> None:
    bus, got = Bus(failed=Failures()), list[tuple[str, Event]]()

    def note(name: str, event: Event) -> None:
        got.append((name, event))

    wanted: list[tuple[str, dict[str, Any]]] = [
        ("all", {}), ("trades", {"channel": "trades"}), ("a", {"instrument": A}),
        ("b quotes", {"channel": "quotes", "instrument": B}), ("gaps", {"types": (Gap,)}),
    ]  # fmt: skip
    for name, options in wanted:
        bus.subscribe(functools.partial(note, name), name=name, **options)
    said: list[Event] = [trade(A), trade(B), quote(B), GAP, LINK]
    for event in said:
        bus.publish(event)
    assert got == [
        ("all", said[0]), ("trades", said[0]), ("a", said[0]),
        ("all", said[1]), ("trades", said[1]),
        ("all", said[2]), ("b quotes", said[2]),
        ("all", GAP), ("trades", GAP), ("a", GAP), ("gaps", GAP),
        ("all", LINK),
    ]  # fmt: skip
    assert bus.counts() == {"trade": 2, "quote": 1, "gap": 1, "link": 1}


def test_a_subscription_by_another_name_of_an_instrument_can_be_given_the_right_one() -> None:
    bus, got = Bus(failed=Failures()), list[Event]()
    handle = bus.subscribe(got.append, instrument="toy:AX")
    bus.publish(trade(A))
    bus.rename("toy:AX", A)
    bus.publish(said := trade(A))
    assert (got, handle.instrument) == ([said], A)
    version = bus.version
    bus.rename("toy:BX", B)
    assert bus.version == version, "nobody is looked up anew for nothing"


def test_counts_survive_a_change_of_subscribers_and_need_none() -> None:
    bus = Bus(failed=Failures())
    bus.publish(trade())
    handle = bus.subscribe(lambda _event: None)
    bus.publish(trade())
    handle.close()
    bus.publish(trade(B))
    assert bus.counts() == {"trade": 3}
    assert bus.statistics() == []


def test_closing_twice_changes_nothing_and_the_callbacks_memory_goes() -> None:
    bus, faulty = Bus(failed=Failures()), Faulty()
    gone = weakref.ref(faulty)
    handle = bus.subscribe(faulty)
    bus.publish(trade())
    handle.close()
    handle.close()
    bus.publish(trade())
    assert len(faulty.got) == 1
    del faulty
    gc.collect()
    assert gone() is None  # though the handle is still held


def test_a_subscription_closed_by_another_callback_hears_no_more_of_this_event() -> None:
    bus, got = Bus(failed=Failures()), list[Event]()
    handles: list[Subscription] = []
    bus.subscribe(lambda _event: handles[0].close())
    handles.append(bus.subscribe(got.append))
    bus.publish(trade())
    assert got == []


def test_one_subscribed_by_a_callback_hears_of_the_next_event() -> None:
    bus, got = Bus(failed=Failures()), list[Event]()
    handles: list[Subscription] = []

    def subscribe_once(_event: Event) -> None:
        if not handles:
            handles.append(bus.subscribe(got.append))

    bus.subscribe(subscribe_once)
    bus.publish(trade(seq=1))
    bus.publish(trade(seq=2))
    assert got == [trade(seq=2)]


def test_a_callback_may_publish() -> None:
    bus, got = Bus(failed=Failures()), list[str]()
    bus.subscribe(lambda _event: bus.publish(quote()), channel="trades")
    bus.subscribe(lambda event: got.append(type(event).__name__))
    bus.publish(trade())
    assert got == ["Quote", "Trade"]


# ---- failures ----------------------------------------------------------------------------------------------------


def test_an_exception_is_told_and_touches_nobody_else() -> None:
    failures = Failures()
    bus, faulty, fine = Bus(failed=failures), Faulty(A), Faulty()
    bus.subscribe(faulty, name="mine")
    bus.subscribe(fine)
    bus.publish(trade(A))
    bus.publish(trade(B))
    assert failures.told == [("mine", A, "mine")]
    assert fine.got == [trade(A), trade(B)]
    assert next((each.name, each.failures) for each in bus.statistics()) == ("mine", 1)


@pytest.mark.parametrize("timing", [False, True])
def test_failing_so_often_in_a_row_suspends_it_for_that_instrument_with_an_event_that_says_so(timing: bool) -> None:
    notices: list[Notice] = []
    bus = Bus(failed=Failures(), fail_limit=3, now=lambda: 0.0)
    bus.time_calls(on=timing)
    faulty = Faulty(A)
    handle = bus.subscribe(faulty, name="mine", channel="trades")
    bus.subscribe(notices.append, types=(Notice,))
    for seq in range(5):
        bus.publish(trade(A, seq))
        bus.publish(trade(B, seq))
    assert [event.seq for event in faulty.got if event.instrument == A] == [0, 1, 2]  # type: ignore[union-attr]  # trades
    assert [event.seq for event in faulty.got if event.instrument == B] == [0, 1, 2, 3, 4]  # type: ignore[union-attr]
    assert notices == [
        Notice(
            None, "notice", None, 9, "built", "", "subscriber_suspended",
            f"subscriber mine failed 3 times in a row on {A}, the last: ValueError('mine')",
        )
    ]  # fmt: skip
    assert bus.statistics()[0] == SubscriberStatistics("mine", "trades", "*", 3, (A,), 0, 0.0)
    handle.close()
    bus.subscribe(faulty, channel="trades")  # whoever subscribes anew is heard again
    bus.publish(trade(A, 9))
    assert faulty.got[-1] == trade(A, 9)


@pytest.mark.parametrize("timing", [False, True])
def test_a_success_between_failures_forgives_on_that_instrument_alone(timing: bool) -> None:
    bus = Bus(failed=Failures(), fail_limit=3, now=lambda: 0.0)
    bus.time_calls(on=timing)
    faulty = Faulty(A, B)
    bus.subscribe(faulty)
    for _ in range(4):
        for instrument in (A, A, B):
            bus.publish(trade(instrument))
        faulty.broken = {B}
        bus.publish(trade(A))
        faulty.broken = {A, B}
    assert bus.statistics()[0].suspended == (B,)
    assert bus.statistics()[0].failures == 4 * 2 + 3


def test_a_subscriber_of_everything_that_always_fails_ends_suspended() -> None:
    class Always(Faulty):
        def __call__(self, event: Event) -> None:
            super().__call__(event)
            raise ValueError("always")

    bus, always = Bus(failed=Failures(), fail_limit=2), Always()
    bus.subscribe(always, name="always")
    for _ in range(10):
        for event in (trade(A), trade(B), LINK):
            bus.publish(event)
    assert bus.statistics()[0].suspended == ("None", A, B)
    assert len(always.got) == 6


def test_what_ends_the_program_is_not_swallowed() -> None:
    def stop(_event: Event) -> None:
        raise KeyboardInterrupt

    bus = Bus(failed=Failures())
    bus.subscribe(stop)
    with pytest.raises(KeyboardInterrupt):
        bus.publish(trade())


# ---- who may subscribe -------------------------------------------------------------------------------------------


async def coroutine(_event: Event) -> None: ...


class Asynchronous:
    async def __call__(self, event: Event) -> None: ...


@pytest.mark.parametrize("callback", [coroutine, functools.partial(coroutine), Asynchronous()])
def test_a_coroutine_function_is_refused_it_would_never_run(callback: Any) -> None:
    with pytest.raises(ConfigError, match="coroutine function: use `async for`"):
        Bus(failed=Failures()).subscribe(callback)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(ConfigError, match="'print' cannot be called"):
        Bus(failed=Failures()).subscribe("print")  # type: ignore[arg-type]  # that is the point


def test_a_name_is_found_for_every_callback() -> None:
    bus = Bus(failed=Failures())
    bus.subscribe(coroutine.__class__)
    bus.subscribe(functools.partial(print))
    bus.subscribe(Faulty().__call__)
    names = [each.name for each in bus.statistics()]
    assert names[0].endswith("function")
    assert "functools.partial(<built-in function print>)" in names[1]
    assert names[2] == "test_bus.Faulty.__call__"


# ---- timing ------------------------------------------------------------------------------------------------------


def test_slow_calls_are_named_while_it_is_asked_for() -> None:
    clock = [0.0]

    def slow(_event: Event) -> None:
        clock[0] += 0.2

    bus = Bus(failed=Failures(), now=lambda: clock[0])
    bus.subscribe(slow, name="slow")
    bus.subscribe(lambda _event: None, name="quick")
    bus.publish(trade())
    bus.time_calls(on=True)
    bus.publish(trade())
    bus.publish(trade())
    bus.time_calls(on=False)
    bus.publish(trade())
    slow_one, quick = bus.statistics()
    assert (slow_one.slow_calls, round(slow_one.slowest_s, 6)) == (2, 0.2)
    assert (quick.slow_calls, quick.slowest_s) == (0, 0.0)


def test_without_a_clock_nothing_is_timed() -> None:
    bus = Bus(failed=Failures())
    bus.time_calls(on=True)
    bus.subscribe(lambda _event: None)
    bus.publish(trade())
    assert bus.statistics()[0].slow_calls == 0

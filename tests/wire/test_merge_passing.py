"""`Merge.pass_on` is `offer` and `publish_all` in one look at an event: everybody must hear the same."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from wire_fakes import TOY, quote, trade

from tapeline.market.bus import Bus, Subscription
from tapeline.model.event import Event, Notice, Trade
from tapeline.wire.merge import Merge

A, B = "toy:A/X", "toy:B/X"


class Stage:
    """Two series, a bus, and what a subscriber of everything has heard."""

    def __init__(self) -> None:
        self.merge, self.failures, self.got = Merge(), list[str](), list[Event]()
        for name in (A, B):
            self.merge.declare(name, "trades", TOY.feeds["trades"])
            self.merge.declare(name, "quotes", TOY.feeds["quotes"])
        self.bus = Bus(failed=self._failed, now=lambda: 0.0, fail_limit=3)
        self.bus.subscribe(self.got.append, name="all")

    def _failed(self, handle: Subscription, _event: Event, error: Exception) -> None:
        self.failures.append(f"{handle.name}: {error}")

    def pass_on(self, *events: Event, now: float = 0.0) -> None:
        self.merge.pass_on(events, now, self.bus)


EVENTS = st.one_of(
    st.builds(trade, st.integers(1, 12), name=st.sampled_from([A, B, "toy:Z/X"])), st.builds(quote, st.integers(1, 12))
)


@given(st.lists(st.lists(EVENTS, max_size=6), max_size=8), st.booleans())
def test_everybody_hears_what_offer_gives(batches: list[list[Any]], timing: bool) -> None:
    one, two = Stage(), Stage()
    one.bus.time_calls(on=timing)
    for i, batch in enumerate(batches):
        one.pass_on(*batch, now=float(i))
        two.bus.publish_all(two.merge.offer(batch, float(i)))
    assert one.got == two.got
    assert one.merge.statistics() == two.merge.statistics()
    assert one.bus.counts() == two.bus.counts()
    assert [track.last for track in one.merge] == [track.last for track in two.merge]


def test_a_callback_that_subscribes_and_one_that_closes_count_from_the_next_event_on() -> None:
    stage, late = Stage(), list[int | None]()
    handles: list[Subscription] = []

    def curious(event: Any) -> None:
        if event.seq == 2:
            handles.append(stage.bus.subscribe(lambda each: late.append(each.seq), channel="trades", instrument=A))
        if event.seq == 4:
            handles[0].close()

    stage.bus.subscribe(curious, channel="trades")
    stage.pass_on(trade(1))
    stage.pass_on(trade(2), trade(3), trade(4), trade(5))
    stage.pass_on(trade(6))
    assert late == [3]
    assert stage.bus.counts() == {"trade": 6}


def test_a_callback_that_fails_stops_neither_others_nor_what_follows_and_is_suspended_in_the_end() -> None:
    stage = Stage()

    def faulty(event: Any) -> None:
        if event.seq != 2:
            raise ValueError(f"at {event.seq}")

    stage.bus.subscribe(faulty, channel="trades", name="faulty")
    last: list[int | None] = []
    stage.bus.subscribe(lambda event: last.append(event.seq), channel="trades")
    stage.pass_on(*(trade(seq) for seq in range(1, 8)))
    assert stage.failures == [f"faulty: at {seq}" for seq in (1, 3, 4, 5)]  # the second was no failure: anew from there
    assert last == list(range(1, 8))
    assert [each.code for each in stage.got if isinstance(each, Notice)] == ["subscriber_suspended"]


def test_a_series_that_a_callback_gives_up_is_passed_no_further() -> None:
    stage = Stage()

    def forget(event: Any) -> None:
        if event.seq == 2:
            stage.merge.forget(A, "trades")

    stage.pass_on(trade(1), trade(7, name=B))
    stage.bus.subscribe(forget, channel="trades")
    stage.pass_on(trade(2), trade(3), trade(8, name=B))
    heard = [(each.instrument, each.seq) for each in stage.got if isinstance(each, Trade)]
    assert heard == [(A, 1), (B, 7), (A, 2), (B, 8)]
    assert stage.merge.statistics().unwanted == 1


def test_a_hole_is_told_before_what_is_behind_it() -> None:
    stage = Stage()
    stage.pass_on(trade(1), trade(2))
    stage.merge.down(A, "trades", "link_down", 0.0)
    stage.pass_on(trade(5), trade(6), now=1.0)
    assert [type(each).__name__ for each in stage.got] == ["Trade", "Trade", "Gap", "Trade", "Trade"]

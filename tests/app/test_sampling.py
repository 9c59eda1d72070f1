"""What no stream brings comes by REST, every so often: with trouble, refusals and budgets; virtual time."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mode_fixtures import House, Show, on, stream
from tapeline.app.sampling import AGAIN_MOST_S, Sampler
from tapeline.app.symbols import Symbols
from tapeline.app.trying import _by_endpoint
from tapeline.errors import ConfigError, RateLimited, SubscriptionRefused, TimedOut
from tapeline.model.channel import channel
from tapeline.model.event import Event, Gap, OpenInterest
from tapeline.model.topic import Topic
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask
from tapeline.wire.wants import Outcome

USDM = venue_named("binance-usdm")
WHO = "binance-usdm:BTC/USDT:USDT"
BTC = Topic("open_interest", "BTCUSDT")
Staged = Callable[..., None]


def test_open_interest_comes_by_rest_beside_what_is_streamed(staged: Staged) -> None:
    async def play(on: Any) -> None:
        heard = on.collect(channel="open_interest")
        gaps = on.collect(types=(Gap,), channel="open_interest")
        answers = await on.instance.subscribe(WHO, ["open_interest", "mark"])
        assert [answer.state for answer in answers] == ["live", "live"]
        await asyncio.sleep(55)
        assert 5 <= len(heard) <= 6
        assert {(event.instrument, event.source) for event in heard} == {(WHO, "rest")}
        assert [event.at_ns for event in heard] == sorted({event.at_ns for event in heard})
        assert gaps == []
        (desk,) = on.instance.desks.values()
        assert desk.live_topics() == {BTC, Topic("mark", "BTCUSDT")}
        assert all(b"openInterest" not in raw for _, way, raw in on.frames if way == "out")
        await on.instance.unsubscribe(WHO, ["open_interest"])
        asked, before = desk.rest.calls, len(heard)
        calls = {name: count for name, count in asked.items() if "open_interest" in name}
        await asyncio.sleep(60)
        assert len(heard) == before
        assert {name: count for name, count in asked.items() if "open_interest" in name} == calls

    staged(play, venue="binance-usdm")


def test_rest_in_trouble_leaves_a_gap_and_it_goes_on(staged: Staged) -> None:
    async def play(on: Any) -> None:
        heard: list[Event] = on.collect(channel="open_interest")
        await on.instance.subscribe(WHO, ["open_interest"])
        await asyncio.sleep(300)
        (gap,) = [event for event in heard if isinstance(event, Gap)]
        assert gap.cause == "silence"
        place = heard.index(gap)
        before, after = heard[place - 1], heard[place + 1]
        assert isinstance(before, OpenInterest)
        assert isinstance(after, OpenInterest)
        assert (gap.after_ns, gap.before_ns) == (before.at_ns, after.at_ns)
        assert gap.before_ns is not None
        assert gap.after_ns is not None
        assert gap.before_ns - gap.after_ns > 60e9
        assert len(heard) - place > 10

    staged(play, venue="binance-usdm", faults=("500@+60s+60s",))


def test_a_configuration_asks_for_it_whatever_the_mode(tmp_path: Path) -> None:
    told = stream("open_interest", "aggtrades", venue="binance-usdm", symbols=("BTC/USDT:USDT",), mode="polling")

    async def play(show: Show) -> None:
        await asyncio.sleep(100)
        (asked,) = show.running.status("running")["asked"]
        assert (asked["venue"], asked["topics"], asked["live"], asked["every_s"]) == ("binance-usdm", 1, 1, 10.0)
        assert 8 <= len(show.of(OpenInterest)) <= 11

    on(House(tmp_path, told, venue="binance-usdm"), play)


class Told:
    """A REST client that answers as it is told, and what the sampler says."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.at = list(answers), list[float]()
        self.meanwhile: Callable[[], object] = list
        self.clock = VirtualClock(0)
        self.outcomes: list[Outcome] = []
        self.broken: list[tuple[tuple[Topic, ...], str]] = []
        self.came: list[Event] = []
        self.sampler = Sampler(
            USDM, self, Symbols("binance-usdm"), self.clock,  # type: ignore[arg-type]  # it calls, that is all
            offer=lambda events, _stamps, _shard, _now: self.came.extend(events), told=self.outcomes.append,
            broken=lambda topics, cause: self.broken.append((tuple(topics), cause)),
        )  # fmt: skip

    async def call(self, _ask: Ask, _ids: object, *, priority: object) -> Sequence[Any]:
        assert priority is not None
        self.at.append(self.clock.now())
        self.meanwhile()
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer

    def live(self, seconds: float, topics: Iterable[Topic] = (BTC,)) -> None:
        async def main() -> None:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.sampler.run())
                await asyncio.sleep(1)
                assert self.sampler.add(topics) == []
                await asyncio.sleep(seconds)
                running.cancel()

        run(main())


def test_failures_wait_longer_each_time_and_are_told_once() -> None:
    told = Told(*[TimedOut("late")] * 9)
    told.live(400)
    pauses = [round(after - before, 1) for before, after in zip(told.at, told.at[1:], strict=False)]
    assert pauses[:9] == [1, 2, 4, 8, 16, 32, AGAIN_MOST_S, AGAIN_MOST_S, AGAIN_MOST_S]
    assert [outcome.state for outcome in told.outcomes] == ["timed_out", "live"]
    assert told.broken == [], "nothing had come yet"
    assert told.sampler.statistics().failures == 9


def test_what_the_venue_bids_to_wait_is_waited() -> None:
    told = Told([], RateLimited("slowly", after_s=45.0), [])
    told.live(70)
    assert [round(after - before, 1) for before, after in zip(told.at, told.at[1:], strict=False)] == [10, 45, 10]
    assert told.broken == [((BTC,), "silence")]


def test_what_the_venue_refuses_is_asked_no_more() -> None:
    told = Told([], SubscriptionRefused("-1121 Invalid symbol.", code="-1121"))
    told.live(100)
    assert len(told.at) == 2
    assert [outcome.state for outcome in told.outcomes] == ["live", "refused"]
    assert (told.outcomes[1].code, told.outcomes[1].text) == ("-1121", "-1121 Invalid symbol.")
    assert told.sampler.live == set()
    assert told.sampler.statistics().topics == 0


def test_what_is_streamed_is_left_and_many_wait_longer() -> None:
    async def main() -> None:
        told = Told()
        mark = Topic("mark", "BTCUSDT")
        assert told.sampler.add([mark, BTC]) == [mark]
        many = [Topic("open_interest", f"S{n}USDT") for n in range(200)]
        assert told.sampler.add(many) == []
        assert told.sampler.every_s == pytest.approx(201 * 60 / (0.25 * 2400))
        told.sampler.remove(many)
        assert told.sampler.every_s == 10

    run(main())


def test_a_topic_that_is_dropped_while_it_is_asked_for_is_not_told() -> None:
    answers: tuple[Any, ...] = ([], TimedOut("late"), SubscriptionRefused("no"))
    for answer in answers:
        told = Told(answer)
        told.meanwhile = partial(told.sampler.remove, [BTC])
        told.live(30)
        assert (told.outcomes, told.came, told.broken, len(told.at)) == ([], [], [], 1)


def test_no_connection_can_be_tried_for_it() -> None:
    with pytest.raises(ConfigError, match="binance-usdm streams no open_interest: that is asked for by REST"):
        _by_endpoint(USDM, ["open_interest"])
    assert _by_endpoint(USDM, ["open_interest", "mark"]) == {"market": "mark"}
    assert channel("open_interest").kind in USDM.feeds

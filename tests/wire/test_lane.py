import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from wire_fakes import (
    INSTRUMENTS,
    START_NS,
    TA,
    TB,
    TOY,
    Net,
    Recorder,
    Script,
    frame,
    mute,
    only_confirms,
    trade,
    trade_frame,
)

from tapeline.errors import ConnectionLost
from tapeline.model.topic import Topic
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues.spec import Venue
from tapeline.wire.lane import FRESHNESS_EVERY_S, FRESHNESS_MOST_S, MOST_PROBES, Lane
from tapeline.wire.session import Timing
from tapeline.wire.shards import Shard
from tapeline.wire.wants import Outcome


class Stage:
    """One lane on a virtual loop."""

    def __init__(
        self, tasks: asyncio.TaskGroup, *topics: Topic, net: Net | None = None, venue: Venue = TOY, **timing: Any
    ) -> None:
        self.net, self.sink = net or Net(), Recorder()
        self.shard = Shard("toy", "public", 1)
        self.shard.topics = set(topics or [TA])
        self.lane = Lane(
            "toy/public/1#1", "wss://toy", venue, self.shard, INSTRUMENTS, timing=Timing(**timing), dial=self.net.dial,
            sink=self.sink, clock=VirtualClock(START_NS), tasks=tasks,
        )  # fmt: skip
        self.task = tasks.create_task(self.lane.run(), name="lane")

    @property
    def script(self) -> Script:
        return self.net.scripts[-1]


def on_stage(act: Callable[[asyncio.TaskGroup], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(1e6), asyncio.TaskGroup() as tasks:
            await act(tasks)

    run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_it_dials_subscribes_delivers_and_tells_why_it_ended() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks)
        lane, sink = stage.lane, stage.sink
        assert (lane.retiring_because, lane.lived_s(5.0), lane.subscribed, lane.lacks(lane)) == ("", 0.0, False, [])
        assert await lane.settled() == ""
        assert lane.was_up
        await asyncio.sleep(1)
        assert sink.events == [trade(1, received_ns=START_NS)]
        assert sink.outcomes == [Outcome(TA, "live")]
        stage.script.say(trade_frame("A", 2), trade_frame("A", 3))
        await asyncio.sleep(1)
        assert [event.seq for event in sink.events] == [1, 2, 3]  # type: ignore[union-attr]  # trades
        stage.script.cut("gone")
        assert await lane.over == "gone"
        assert await lane.settled() == "gone"
        assert await lane.delivering(1.0) == "gone"
        assert await lane.until_over_or_retiring()
        assert lane.over.result() == "gone"
        assert not lane.finished
        assert lane.lived_s(now()) == 2.0
        assert [(way, reason) for _, way, _, reason in sink.frames] == [
            ("open", "wss://toy"), ("out", ""), ("in", ""), ("in", ""), ("in", ""), ("in", ""), ("close", "gone"),
        ]  # fmt: skip
        assert stage.script.closed

    on_stage(act)


def test_first_data_is_news_at_once() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        net = Net()
        net.otherwise = lambda script: setattr(script, "on_send", confirm)
        stage = Stage(tasks, net=net, idle_ping_s=1000.0, heartbeat_s=1000.0, first_data_s=1000.0)
        await stage.lane.settled()
        await asyncio.sleep(3.0)
        stage.script.say(trade_frame("A", 1))
        before = now()
        assert await stage.lane.delivering(500.0) == ""
        assert now() == before  # once it took until the next deadline
        stage.lane.finish("enough")

    on_stage(act)


def confirm(script: Script, said: dict[str, Any]) -> None:
    script.say(frame(t="ack", id=said["id"]))


def test_a_dial_that_fails_is_the_end_of_it() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        net = Net()
        net.otherwise = ConnectionLost("HTTP 429", after_s=17.0)
        stage = Stage(tasks, net=net)
        assert await stage.lane.settled() == "HTTP 429"
        assert (stage.lane.after_s, stage.lane.was_up, stage.sink.frames) == (17.0, False, [])

    on_stage(act)


@pytest.mark.parametrize("when", ["before it starts", "while it dials", "while it subscribes", "while it is live"])
def test_it_can_be_finished_at_any_moment(when: str) -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        net = Net()
        if when == "while it subscribes":
            net.otherwise = lambda script: setattr(script, "on_send", mute)
        stage = Stage(tasks, net=net)
        if when == "while it dials":
            await asyncio.sleep(0)
        elif when != "before it starts":
            await asyncio.sleep(1)
        stage.lane.finish("enough")
        stage.lane.finish("twice")
        reason = await stage.lane.over
        assert stage.lane.finished
        assert reason == ("cancelled" if when == "while it dials" else "enough")
        assert len(net.dialled) == (when != "before it starts")
        stage.lane.finish("long over")
        stage.lane.want([TB])
        stage.lane.again(TA)
        await asyncio.sleep(1)
        assert all(script.closed for script in net.scripts)
        assert [script.topics() for script in net.scripts] in ([], [["trades A"]])

    on_stage(act)


@pytest.mark.parametrize("after_s", [0.0, 0.5, 20.0])
def test_cancelled_at_any_await_it_leaves_nothing_behind(after_s: float) -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks, TA, TB, ack_s=30.0)
        stage.net.otherwise = None if after_s else (lambda script: setattr(script, "on_send", mute))
        await asyncio.sleep(after_s)
        stage.task.cancel()
        assert await stage.lane.over == "cancelled"
        await asyncio.sleep(0)
        assert all(script.closed for script in stage.net.scripts)
        assert stage.lane._timer is None or stage.lane._timer.cancelled()
        assert {task.get_name() for task in asyncio.all_tasks()} <= {asyncio.current_task().get_name()}  # type: ignore[union-attr]  # in a task

    on_stage(act)


def test_topics_come_and_go_while_it_is_connected_and_without_any_it_ends() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks)
        await stage.lane.settled()
        stage.shard.topics = {TB}
        stage.lane.want(stage.shard.topics)
        await asyncio.sleep(1)
        assert (stage.script.topics(), stage.script.topics("off")) == (["trades A", "trades B"], ["trades A"])
        stage.lane.again(TB)
        await asyncio.sleep(1)
        assert stage.script.topics("off") == ["trades A", "trades B"]
        assert stage.script.topics() == ["trades A", "trades B", "trades B"]
        stage.lane.want(())
        assert await stage.lane.over == "no topics"
        assert stage.lane.finished

    on_stage(act)


def test_bad_frames_trip_it() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks, bad_frames=3)
        await stage.lane.settled()
        stage.script.say(b"{", b"[", b"\xff")
        assert "3 unreadable frames in a row" in await stage.lane.over
        assert stage.lane.tripped
        assert [kind for kind, _ in stage.sink.problems] == ["bad_json"] * 3

    on_stage(act)


def test_pongs_are_life_on_a_quiet_connection_and_silence_without_them_ends_it() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks, silence_s=60.0, idle_ping_s=5.0)
        await stage.lane.settled()
        await asyncio.sleep(3600)
        assert not stage.lane.over.done()
        assert stage.sink.lives[-1] >= now() - 6.0
        assert 600 < stage.script.pings < 1000
        stage.script.pongs = False
        quiet_from = now()
        assert await stage.lane.over == "silent for 60 s"
        assert 54 <= now() - quiet_from <= 61

    on_stage(act)


def test_data_is_life_where_pongs_do_not_come() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks, silence_s=60.0)
        await stage.lane.settled()
        stage.script.pongs = False
        for seq in range(2, 100):
            await asyncio.sleep(59)
            stage.script.say(trade_frame("A", seq))
        assert not stage.lane.over.done()
        stage.lane.finish("enough")

    on_stage(act)


def test_a_subscriber_that_blocks_stops_the_reading_only() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks)
        await stage.lane.settled()
        await asyncio.sleep(1)
        stage.sink.free = asyncio.Event()
        stage.script.say(trade_frame("A", 2))
        await asyncio.sleep(1)
        stage.script.say(trade_frame("A", 3))
        await asyncio.sleep(100)
        seen = len(stage.sink.events)
        assert seen <= 2
        stage.sink.free.set()
        await asyncio.sleep(1)
        assert [event.seq for event in stage.sink.events] == [1, 2, 3]  # type: ignore[union-attr]  # trades
        assert not stage.lane.over.done()
        stage.lane.finish("enough")

    on_stage(act)


def test_a_verdict_reached_in_the_readers_call_ends_the_lane_and_what_came_before_it_is_passed_on() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks, bad_frames=2)
        await stage.lane.settled()
        await asyncio.sleep(1)
        stage.script.say(trade_frame("A", 2), b"{", b"{", trade_frame("A", 3))
        assert [event.seq for event in stage.sink.events] == [1, 2]  # type: ignore[union-attr]  # trades
        assert "2 unreadable frames in a row" in await stage.lane.over
        assert stage.lane.tripped

    on_stage(act)


# ---- silence of one topic ----------------------------------------------------------------------------------------


def test_no_first_data_and_the_venue_knows_of_none_is_a_quiet_topic() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        net = Net()
        net.otherwise = only_confirms
        stage = Stage(tasks, net=net, first_data_s=30.0)
        assert await stage.lane.settled() == ""
        await asyncio.sleep(29)
        assert stage.sink.probed == []
        await asyncio.sleep(2)
        assert (stage.sink.probed, stage.sink.outcomes, stage.sink.silents) == ([TA], [Outcome(TA, "live")], [])
        await asyncio.sleep(1000)
        assert stage.sink.probed == [TA]
        stage.lane.finish("enough")

    on_stage(act)


def test_a_dead_topic_is_renewed_then_the_connection_is_given_up() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        net = Net()
        net.otherwise = only_confirms
        stage = Stage(tasks, net=net, first_data_s=30.0)
        stage.sink.dead[TA] = True
        assert await stage.lane.over == "trades A stays silent though the venue has news of it"
        assert stage.script.topics() == ["trades A"] * 3
        assert stage.script.topics("off") == ["trades A"] * 2
        assert stage.sink.silents == [TA] * 3
        assert 90 < now() < 100

    on_stage(act)


def test_where_nobody_can_tell_it_is_asked_twice() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        net = Net()
        net.otherwise = only_confirms
        stage = Stage(tasks, net=net, first_data_s=30.0)
        stage.sink.dead[TA] = None
        await asyncio.sleep(45)
        assert (stage.sink.probed, stage.sink.outcomes) == ([TA], [])
        await asyncio.sleep(30)
        assert (stage.sink.probed, stage.sink.outcomes) == ([TA, TA], [Outcome(TA, "live")])
        stage.lane.finish("enough")

    on_stage(act)


def test_a_busy_topic_that_falls_silent_is_asked_about() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks, TA, TB)
        await stage.lane.settled()
        for seq in range(2, 200):
            await asyncio.sleep(1)
            stage.script.say(trade_frame("A", seq), trade_frame("B", seq))
        assert stage.sink.probed == []
        stage.sink.dead[TA] = True
        for seq in range(200, 300):
            await asyncio.sleep(1)
            stage.script.say(trade_frame("B", seq))
        assert (stage.sink.probed, stage.sink.silents) == ([TA], [TA])
        assert stage.script.topics("off") == ["trades A"]
        assert stage.sink.outcomes.count(Outcome(TA, "live")) == 2
        stage.lane.finish("enough")

    on_stage(act)


def test_so_many_probes_at_once_and_no_more() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        net = Net()
        net.otherwise = only_confirms
        topics = [Topic("trades", f"N{n:02}") for n in range(30)]
        stage = Stage(tasks, *topics, net=net, first_data_s=30.0)
        most = 0
        for _ in range(400):
            await asyncio.sleep(0.05 if now() > 29.9 else 10)
            most = max(most, sum(task.get_name().startswith("probe") for task in asyncio.all_tasks()))
        assert most == MOST_PROBES
        await asyncio.sleep(600)
        assert {outcome.topic for outcome in stage.sink.outcomes} == set(topics)
        stage.lane.finish("enough")

    on_stage(act)


def test_what_a_probe_finds_after_the_end_or_of_a_topic_given_up_changes_nothing() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        net = Net()
        net.otherwise = only_confirms
        stage = Stage(tasks, TA, TB, net=net, first_data_s=30.0)
        stage.sink.dead = {TA: True, TB: True}
        await asyncio.sleep(30.05)
        assert sorted(stage.sink.probed) == [TA, TB]
        stage.shard.topics.discard(TB)
        stage.lane.want(stage.shard.topics)
        stage.lane.finish("enough")
        await asyncio.sleep(1)
        assert stage.sink.silents == []

    on_stage(act)


# ---- retiring ----------------------------------------------------------------------------------------------------


def test_it_wants_a_successor_and_goes_on() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks, max_age_s=100.0)
        await stage.lane.settled()
        assert not await stage.lane.until_over_or_retiring()
        assert (now(), stage.lane.retiring_because) == (100.0, "the connection reached its age limit")
        await stage.lane.over_within(5.0)
        assert not stage.lane.over.done()
        assert now() == 105.0
        stage.lane.finish("replaced")
        await stage.lane.over_within(5.0)
        assert now() == 105.0

    on_stage(act)


def test_delivering_is_as_much_as_can_be_had_in_time() -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        net = Net()
        net.otherwise = only_confirms
        confirmed = Stage(tasks, net=net)
        assert await confirmed.lane.delivering(5.0) == ""  # confirmed, if silent
        assert confirmed.lane.was_up
        deaf = Net()
        deaf.otherwise = lambda script: setattr(script, "on_send", mute)
        unanswered = Stage(tasks, net=deaf)
        assert await unanswered.lane.delivering(5.0) == "not subscribed within 5 s"
        assert not unanswered.lane.was_up
        for stage in (confirmed, unanswered):
            stage.lane.finish("enough")

    on_stage(act)


def test_what_one_connection_has_and_the_other_lacks() -> None:
    def only_b(script: Script, said: dict[str, Any]) -> None:
        if said["op"] == "on" and ["trades", "B"] in said["topics"]:
            script.say(frame(t="ack", topic=["trades", "B"]), trade_frame("B", 1))

    async def act(tasks: asyncio.TaskGroup) -> None:
        whole, part = Stage(tasks, TA, TB), Stage(tasks, TA, TB)
        part.net.otherwise = lambda script: setattr(script, "on_send", only_b)
        await whole.lane.settled()
        assert await part.lane.settled() == ""
        assert part.lane.lacks(whole.lane) == [TA]
        assert whole.lane.lacks(part.lane) == []
        for stage in (whole, part):
            stage.lane.finish("enough")

    on_stage(act)


@pytest.mark.parametrize(
    ("silence_s", "every_s"), [(60.0, FRESHNESS_EVERY_S), (20.0, 15.0), (400.0, 100.0), (9e9, FRESHNESS_MOST_S)]
)
def test_freshness_is_looked_at_now_and_then_even_when_nothing_else_happens(silence_s: float, every_s: float) -> None:
    async def act(tasks: asyncio.TaskGroup) -> None:
        stage = Stage(tasks, silence_s=silence_s, heartbeat_s=9e9, idle_ping_s=9e9)
        await stage.lane.settled()
        looks = int(min(silence_s / every_s, 10.5))
        before = len(stage.sink.lives)
        await asyncio.sleep(looks * every_s + 0.1 - (looks * every_s >= silence_s))
        assert len(stage.sink.lives) - before == looks - (looks * every_s >= silence_s)
        stage.lane.finish("enough")

    on_stage(act)

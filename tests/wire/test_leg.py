"""Two connections for one shard: what one of them costs, what both cost, and that neither repeats the other."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from feed_stage import LOST, Merging, Stage, gaps, now, on_stage, seqs, ticking
from wire_fakes import TA, TB, Net, Script, frame, mute, trade_frame

from tapeline.errors import ConnectionLost
from tapeline.model.event import Quote
from tapeline.model.topic import Topic
from tapeline.wire.leg import APART_S, Patience
from tapeline.wire.pace import TokenBucket

QA = Topic("quotes", "A")


def paired(tasks: asyncio.TaskGroup, *topics: Topic, **more: Any) -> Stage:
    """Two connections that each bring a trade a second, the same ones."""
    net = more.pop("net", None) or Net()
    net.otherwise = more.pop("otherwise", ticking)
    return Stage(tasks, *(topics or (TA,)), net=net, sink=Merging(*topics), connections=2, **more)


def whole(stage: Stage) -> list[int | None]:
    """Everything that was delivered, which has to be without a hole or a repeat."""
    delivered = seqs(stage.sink)
    first = delivered[0] or 0
    assert delivered == list(range(first, first + len(delivered)))
    return delivered


def states(stage: Stage, name: str) -> list[str]:
    return [link.state for link in stage.links("state") if link.connection == name]


# ---- one of two --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
def test_a_single_cut_costs_nothing(which: int) -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks)
        await asyncio.sleep(100)
        stage.net.scripts[which].cut("cut by the venue")
        await asyncio.sleep(100)
        assert stage.sink.changes() == ["up"]
        assert (gaps(stage.sink), stage.sink.downs) == ([], [])
        assert len(whole(stage)) >= 198
        assert sorted(stage.open) == sorted({1, 2, 3} - {which + 1})
        name = "toy/public/1" + "ab"[which]
        assert states(stage, name)[-3:] == ["dialling", "subscribing", "live"]
        assert stage.sink.problems == [("connection_lost", "cut by the venue; another connection delivers")]
        assert [link.connection for link in stage.links("up")] == ["toy/public/1"]
        return stage

    on_stage(act)


def test_what_is_lost_behind_the_cut_one_is_dialled_for_while_the_other_delivers() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks)
        await asyncio.sleep(100)
        stage.net.otherwise = LOST
        stage.script.cut()
        await asyncio.sleep(500)
        assert len(stage.net.dialled) > 10
        assert (stage.open, stage.sink.changes()) == ([1], ["up"])
        stage.net.otherwise = ticking
        await asyncio.sleep(100)
        assert (len(stage.open), stage.sink.changes(), gaps(stage.sink)) == (2, ["up"], [])
        whole(stage)
        return stage

    on_stage(act)


def test_the_one_that_stalls_is_covered_and_replaced() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks)
        await asyncio.sleep(100)
        stalled = stage.net.scripts[0]
        stalled.pongs = False
        stalled.say = lambda *_frames: None  # type: ignore[method-assign]  # connected, and mute
        await asyncio.sleep(25)
        assert stage.open == [1, 2]
        await asyncio.sleep(65)
        assert stage.open == [2, 3]
        assert stage.sink.changes() == ["up"]
        assert len(whole(stage)) >= 187
        return stage

    on_stage(act)


def test_frames_of_both_pass_once_whichever_is_first() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks, otherwise=None)
        await asyncio.sleep(10)
        one, two = stage.net.scripts
        one.say(trade_frame("A", 2), trade_frame("A", 3))
        two.say(trade_frame("A", 2), trade_frame("A", 2), trade_frame("A", 4))  # twice; and 3 came on the other only
        two.say(trade_frame("A", 6))  # ahead: 5 is on its way on the other
        await asyncio.sleep(3)
        assert seqs(stage.sink) == [1, 2, 3, 4]
        one.say(trade_frame("A", 5), trade_frame("A", 4))
        await asyncio.sleep(1)
        assert seqs(stage.sink) == [1, 2, 3, 4, 5, 6]
        assert gaps(stage.sink) == []
        return stage

    on_stage(act)


def test_topics_that_are_added_later_are_on_both_and_wait_for_each_other() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks, TA, TB, otherwise=None)
        stage.want([TA])
        await asyncio.sleep(10)
        stage.want([TA, TB])
        await asyncio.sleep(10)
        assert [script.topics() for script in stage.net.scripts] == [["trades A", "trades B"]] * 2
        stage.net.scripts[0].say(trade_frame("B", 3))
        await asyncio.sleep(2)
        stage.net.scripts[1].say(trade_frame("B", 2))
        await asyncio.sleep(1)
        assert seqs(stage.sink, "toy:B/X") == [1, 2, 3]
        stage.want([])
        await asyncio.sleep(10)
        assert (stage.open, [each.state for each in stage.feed.statistics()]) == ([], ["idle", "idle"])
        stage.want([TB])
        await asyncio.sleep(10)
        assert (stage.open, stage.sink.changes()) == ([3, 4], ["up", "up"])
        return stage

    on_stage(act)


# ---- both --------------------------------------------------------------------------------------------------------


def test_both_cut_at_once_is_one_outage_and_one_gap() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks)
        await asyncio.sleep(100.5)
        stage.net.behave = dict.fromkeys(range(3, 6), LOST)
        for script in stage.net.scripts[:2]:
            script.cut("gone")
        await asyncio.sleep(100)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert stage.links("down")[0].connection == "toy/public/1"
        (gap,) = gaps(stage.sink)
        assert (gap.cause, gap.after_seq) == ("link_down", 100)
        assert len(stage.open) == 2
        assert {each.outages for each in stage.feed.statistics()} == {1}
        return stage

    on_stage(act)


def test_the_only_one_left_falls_before_the_first_is_back() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks)
        await asyncio.sleep(100.5)
        stage.net.otherwise = LOST
        stage.net.scripts[0].cut("first")
        await asyncio.sleep(20)
        assert stage.sink.changes() == ["up"]
        stage.net.scripts[1].cut("second")
        await asyncio.sleep(100)
        assert stage.sink.changes() == ["up", "down"]
        assert stage.links("down")[0].reason == "second"
        stage.net.otherwise = ticking
        await asyncio.sleep(200)
        assert stage.sink.changes() == ["up", "down", "up"]
        (gap,) = gaps(stage.sink)
        assert (gap.after_seq, gap.cause) == (120, "link_down")
        assert len(stage.open) == 2
        return stage

    on_stage(act)


def test_one_after_the_other_is_no_outage_where_the_first_is_back_in_time() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks)
        await asyncio.sleep(10)
        for turn in range(20):
            await asyncio.sleep(70.3)
            stage.net.scripts[-2].cut(f"turn {turn}")
        await asyncio.sleep(10)
        assert (stage.sink.changes(), gaps(stage.sink)) == (["up"], [])
        assert len(whole(stage)) > 1400
        return stage

    on_stage(act)


def quoting(script: Script) -> None:
    """A venue that confirms and then quotes once a second: nothing in it proves that none is missing."""

    def tick() -> None:
        if not script.closed:
            script.say(frame(t="quote", s="A", i=round(now())))
            asyncio.get_running_loop().call_later(1.0, tick)

    def on_send(script: Script, said: dict[str, Any]) -> None:
        if said["op"] == "on":
            script.say(frame(t="ack", id=said["id"]))
            asyncio.get_running_loop().call_at(int(now()) + 1.0, tick)

    script.on_send = on_send


@pytest.mark.parametrize("back_after_s", [0, 30])
def test_one_that_is_dead_without_anybody_knowing_covers_nothing(back_after_s: int) -> None:
    """The stalled one looks alive when the other is cut: what nobody delivered must be a gap all the same."""

    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks, QA, otherwise=quoting)
        await asyncio.sleep(100.5)
        dead, good = stage.net.scripts
        dead.pongs = False
        dead.say = lambda *_frames: None  # type: ignore[method-assign]
        await asyncio.sleep(5)
        stage.net.otherwise = LOST if back_after_s else quoting
        good.cut()
        await asyncio.sleep(back_after_s)
        stage.net.otherwise = quoting
        await asyncio.sleep(100)
        assert stage.sink.changes() == ["up", "down", "up"]
        (gap,) = gaps(stage.sink)
        assert (gap.cause, gap.channel, gap.after_seq) == ("link_down", "quotes", 105)
        place = stage.sink.events.index(gap)
        after = stage.sink.events[place + 1]
        assert isinstance(after, Quote)
        assert after.update_id == gap.before_seq
        return stage

    on_stage(act)


def test_a_planned_successor_of_a_dead_connection_covers_nothing_either() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.otherwise = quoting
        stage = Stage(tasks, QA, net=net, sink=Merging(QA), max_age_s=130.0)
        await asyncio.sleep(100.5)
        stage.script.pongs = False
        stage.script.say = lambda *_frames: None  # type: ignore[method-assign]
        await asyncio.sleep(100)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert stage.links("down")[0].reason == "nothing was heard of the connection before it for 32 s"
        (gap,) = gaps(stage.sink)
        assert gap.after_seq == 100
        return stage

    on_stage(act)


def test_a_dead_one_that_ends_before_the_new_one_has_said_anything() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks, QA, otherwise=quoting, first_data_s=1000.0)
        await asyncio.sleep(100.5)
        dead, good = stage.net.scripts
        dead.pongs = False
        dead.say = lambda *_frames: None  # type: ignore[method-assign]
        await asyncio.sleep(5)
        stage.net.otherwise = lambda script: setattr(script, "on_send", confirm)
        good.cut()
        await asyncio.sleep(100)  # the dead one is found, while the new one is up and has brought nothing
        assert stage.sink.changes() == ["up", "down", "up"]
        stage.net.scripts[2].say(frame(t="quote", s="A", i=500))
        await asyncio.sleep(1)
        (gap,) = gaps(stage.sink)
        assert (gap.after_seq, gap.before_seq) == (105, 500)
        return stage

    on_stage(act)


def confirm(script: Script, said: dict[str, Any]) -> None:
    script.say(frame(t="ack", id=said["id"]))


def test_what_only_the_fallen_one_had_is_down() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[2] = lambda script: setattr(script, "on_send", only_a)
        stage = paired(tasks, TA, TB, net=net, otherwise=None)
        await asyncio.sleep(60)
        stage.net.scripts[0].cut()
        await asyncio.sleep(30)
        assert stage.sink.changes() == ["up"]
        assert stage.sink.downs == [(frozenset({TB}), "link_down")]
        stage.net.scripts[2].say(trade_frame("A", 2), trade_frame("B", 5))
        await asyncio.sleep(10)
        (gap,) = gaps(stage.sink)
        assert (gap.instrument, gap.after_seq, gap.before_seq) == ("toy:B/X", 1, 5)
        return stage

    on_stage(act)


def only_a(script: Script, said: dict[str, Any]) -> None:
    if said.get("op") == "on" and ["trades", "A"] in said["topics"]:
        script.say(frame(t="ack", topic=["trades", "A"]), trade_frame("A", 1))


def test_a_topic_that_one_does_not_bring_is_asked_for_again_there() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks, TA, otherwise=None)
        await asyncio.sleep(10)
        stage.net.scripts[0].on_send = confirm
        for seq in range(2, 60):
            stage.net.scripts[1].say(trade_frame("A", seq))
            await asyncio.sleep(1)
        assert stage.net.scripts[0].topics("off") == ["trades A"]
        assert ("deaf_topic", "trades A comes on another connection and not on this one") in stage.sink.problems
        for seq in range(60, 300):  # and if that does not help
            stage.net.scripts[1].say(trade_frame("A", seq))
            await asyncio.sleep(1)
        assert stage.sink.changes() == ["up"]
        assert stage.net.scripts[0].closed
        whole(stage)
        return stage

    on_stage(act)


# ---- dials -------------------------------------------------------------------------------------------------------


def test_the_dials_are_spread_and_planned_re_dials_never_meet() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks, max_age_s=100.0)
        most = 0
        for _ in range(2000):
            await asyncio.sleep(0.5)
            most = max(most, len(stage.open))
        assert most == 3  # two, and one successor
        apart = [after - before for before, after in zip(stage.net.dialled, stage.net.dialled[1:], strict=False)]
        assert min(apart[2:]) > 10, "half a life apart"
        assert (stage.sink.changes(), gaps(stage.sink)) == (["up"], [])
        assert len(whole(stage)) > 990
        return stage

    on_stage(act)


def test_a_closing_notice_on_both_is_heeded_one_by_one() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks)
        await asyncio.sleep(100)
        for script in stage.net.scripts[:2]:
            script.say(frame(t="closing"))
        most = 0
        for _ in range(100):
            await asyncio.sleep(0.2)
            most = max(most, len(stage.open))
        assert (most, stage.open) == (3, [3, 4])
        assert (stage.sink.changes(), gaps(stage.sink)) == (["up"], [])
        whole(stage)
        return stage

    on_stage(act)


def test_the_one_whose_turn_has_not_come_may_end_meanwhile() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks)
        await asyncio.sleep(100)
        stage.net.behave[3] = lambda script: setattr(script, "on_send", mute)  # the first one's successor takes long
        for script in stage.net.scripts[:2]:
            script.say(frame(t="closing"))
        await asyncio.sleep(3)
        stage.net.scripts[1].cut("before its turn")
        await asyncio.sleep(100)
        assert (stage.sink.changes(), gaps(stage.sink)) == (["up"], [])
        assert len(stage.open) == 2
        whole(stage)
        return stage

    on_stage(act)


def test_the_second_is_dialled_once_the_first_is_up_or_a_moment_later() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[1] = lambda script: setattr(script, "on_send", mute)
        stage = paired(tasks, net=net, ack_s=10.0)
        await asyncio.sleep(60)
        assert net.dialled[:2] == [0.0, APART_S]
        assert stage.sink.changes()[-1] == "up"
        return stage

    on_stage(act)


def test_the_venues_limit_on_new_connections_holds_for_both_together() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave = dict.fromkeys(range(1, 7), LOST)
        stage = paired(tasks, net=net, gate=TokenBucket(0.1, 2.0, 0.0))
        await asyncio.sleep(200)
        dialled = net.dialled
        assert all(dialled[i + 2] - dialled[i] >= 10 for i in range(len(dialled) - 2))
        assert len(stage.open) == 2
        return stage

    on_stage(act)


def test_it_gives_up_only_once_both_have_used_up_their_attempts() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks, patience=Patience(attempts=3))
        await asyncio.sleep(100)
        stage.net.otherwise = LOST
        stage.net.scripts[0].cut()
        await asyncio.sleep(300)
        assert not stage.feed.final, "the other one delivers"
        assert len(stage.net.dialled) > 6
        stage.net.scripts[1].cut("the last one")
        await asyncio.wait_for(asyncio.shield(stage.task), 1000)
        assert stage.sink.changes() == ["up", "down", "down final"]
        assert stage.shard.closed
        return stage

    on_stage(act)


def test_our_own_bug_ends_both_and_both_come_back() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks)
        await asyncio.sleep(10)
        stage.sink.broken = ZeroDivisionError("ours")
        await asyncio.sleep(1.5)
        assert stage.open == []
        stage.sink.broken = None
        await asyncio.sleep(20)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert len(stage.open) == 2
        return stage

    on_stage(act)


@pytest.mark.parametrize("at_s", [0.0, 0.5, 5.0, 5.5, 12.5, 29.0, 31.5, 33.0])
def test_cancelled_at_any_moment_two_leave_nothing_behind(at_s: float) -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave = {1: lambda script: setattr(script, "on_send", mute), 4: LOST, 5: ConnectionLost("429", after_s=3)}
        stage = paired(tasks, net=net, ack_s=5.0)
        loop = asyncio.get_running_loop()
        loop.call_at(30.0, lambda: net.scripts[-1].cut("late"))
        loop.call_at(31.0, lambda: net.scripts[-1].say(frame(t="closing")))
        await asyncio.sleep(at_s)
        return stage

    on_stage(act)


def test_statistics_show_both() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = paired(tasks, TA, TB, otherwise=None)
        await asyncio.sleep(10)
        stage.net.otherwise = LOST
        stage.net.scripts[0].cut("gone")
        await asyncio.sleep(40)
        one, two = stage.feed.statistics()
        assert [one.connection, two.connection] == ["toy/public/1a", "toy/public/1b"]
        assert (one.state, one.reason, one.live_topics, one.age_s) == ("backing_off", "no route", 0, None)
        assert (two.state, two.live_topics, two.re_dials, two.outages) == ("live", 2, 0, 0)
        assert one.re_dials >= 3
        assert one.frames == two.frames == 3
        return stage

    on_stage(act)


# ---- a score -----------------------------------------------------------------------------------------------------


def stuck(script: Script) -> Callable[[], None]:
    """Nothing comes any more, until what is returned is called: then everything that is stuck does."""
    say, held = script.say, list[bytes]()
    script.pongs = False
    script.say = lambda *frames: held.extend(frames)  # type: ignore[method-assign]

    def go_on() -> None:
        script.pongs = True
        script.say = say  # type: ignore[method-assign]
        say(*held)

    return go_on


@pytest.mark.parametrize(("score", "gap_s"), [(True, 9), (False, 60)])
def test_a_connection_that_is_dead_is_replaced_long_before_it_counts_as_silent(score: bool, gap_s: int) -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.otherwise = ticking
        stage = Stage(tasks, TA, net=net, sink=Merging(), score=score)
        await asyncio.sleep(100.5)
        stuck(stage.script)
        await asyncio.sleep(100)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert isinstance(stage.sink, Merging)
        stage.sink.release()
        came = seqs(stage.sink)
        missing = set(range(1, 200)) - set(came)
        assert missing == set(range(101, 101 + len(missing)))
        assert len(missing) == pytest.approx(gap_s, abs=4)
        assert len(stage.open) == 1
        return stage

    on_stage(act)


def test_a_score_says_why_and_a_stall_that_ends_in_time_costs_nothing() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.otherwise = ticking
        stage = Stage(tasks, TA, net=net, sink=Merging(), score=True)
        await asyncio.sleep(100.5)
        go_on = stuck(stage.script)
        await asyncio.sleep(11)
        assert stage.open == [1, 2]
        go_on()
        await asyncio.sleep(60)
        (draining,) = [link for link in stage.links("state") if link.state == "draining"]
        assert draining.reason.startswith("score 0.")
        assert "a ping is unanswered for " in draining.reason
        assert (stage.open, gaps(stage.sink)) == ([2], [])
        delivered = seqs(stage.sink)
        assert delivered == list(range(1, 1 + len(delivered)))
        assert stage.feed.statistics()[0].score == 1.0
        return stage

    on_stage(act)


def test_a_score_that_recovers_before_there_is_a_successor_wants_none() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.otherwise = LOST
        net.behave[1] = ticking
        stage = Stage(tasks, TA, net=net, sink=Merging(), score=True)
        await asyncio.sleep(100.5)
        go_on = stuck(stage.script)
        await asyncio.sleep(20)
        assert len(net.dialled) > 2, "it was tried, more than once"
        go_on()
        await asyncio.sleep(40)
        dialled = len(net.dialled)
        await asyncio.sleep(300)
        assert len(net.dialled) == dialled
        assert (stage.sink.changes(), gaps(stage.sink), stage.open) == (["up"], [], [1])
        return stage

    on_stage(act)


def test_without_a_score_none_is_shown() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA)
        await asyncio.sleep(10)
        assert stage.feed.statistics()[0].score is None
        return stage

    on_stage(act)

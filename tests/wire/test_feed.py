import asyncio
from typing import Any

import pytest
from feed_stage import LOST, Merging, Stage, gaps, now, on_stage, seqs, ticking
from wire_fakes import (
    TA,
    TB,
    Net,
    Script,
    acknowledge,
    frame,
    mute,
    no_waits,
    only_confirms,
    trade_frame,
)

from tapeline.errors import ConnectionLost
from tapeline.wire.breaker import Breaker
from tapeline.wire.lane import Lane
from tapeline.wire.leg import Patience
from tapeline.wire.pace import TokenBucket

# ---- outages -----------------------------------------------------------------------------------------------------


def test_one_down_and_one_up_an_outage_whatever_failed_inside_it() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA, TB)
        await asyncio.sleep(100)
        assert stage.sink.changes() == ["up"]
        for number in (2, 3):
            stage.net.behave[number] = LOST
        stage.script.cut("cut by the venue", 1006)
        await asyncio.sleep(100)
        assert stage.sink.changes() == ["up", "down", "up"]
        (down,), (_, up) = stage.links("down"), stage.links("up")
        assert (down.reason, down.state, down.final, down.topics) == (
            "cut by the venue", "backing_off", False, ("trades A", "trades B"),
        )  # fmt: skip
        assert (up.reason, up.attempts, up.state) == ("subscribed after 3 attempts", 3, "live")
        assert stage.net.dialled == [0.0, 100.0, 100.0 + 1.0, 100.0 + 1.0 + 2.0]
        assert stage.sink.downs == [(frozenset({TA, TB}), "link_down")]
        assert stage.script.topics() == ["trades A", "trades B"]  # everything wanted is asked for again
        return stage

    on_stage(act)


def test_the_second_dial_fails_and_the_third_succeeds() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave = {2: LOST}
        stage = Stage(tasks, TA, net=net)
        await asyncio.sleep(1)
        stage.script.cut()
        await asyncio.sleep(10)
        assert len(net.dialled) == 3
        assert stage.sink.changes() == ["up", "down", "up"]
        assert stage.feed.statistics()[0].state == "live"
        return stage

    on_stage(act)


def test_a_venue_that_cannot_be_reached_at_first_is_dialled_until_it_can() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave = dict.fromkeys(range(1, 9), LOST)
        stage = Stage(tasks, TA, net=net)
        await asyncio.sleep(3600)
        assert [b - a for a, b in zip(net.dialled, net.dialled[1:], strict=False)] == [0, 1, 2, 4, 8, 16, 32, 60]
        assert stage.sink.changes() == ["down", "up"]
        assert stage.links("down")[0].reason == "no route"
        return stage

    on_stage(act)


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_clean_close_is_an_outage_too(code: int) -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA)
        await asyncio.sleep(1)
        stage.script.cut(f"closed by the venue: {code}", code)
        await asyncio.sleep(1)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert stage.open == [2]
        return stage

    on_stage(act)


def test_a_close_while_it_subscribes() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[1] = lambda script: setattr(script, "on_send", lambda s, _said: s.cut("closed by the venue: 1008"))
        stage = Stage(tasks, TA, net=net)
        await asyncio.sleep(5)
        assert stage.sink.changes() == ["down", "up"]
        assert seqs(stage.sink) == [1]
        return stage

    on_stage(act)


def test_a_connection_that_never_confirms_is_replaced() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[1] = lambda script: setattr(script, "on_send", mute)
        stage = Stage(tasks, TA, net=net, ack_s=10.0)
        await asyncio.sleep(60)
        assert stage.links("down")[0].reason == "1 topics not confirmed"
        assert net.dialled == [0.0, 20.0]
        assert stage.sink.changes() == ["down", "up"]
        return stage

    on_stage(act)


def flap(script: Script) -> None:
    """A connection that lives for a second."""
    asyncio.get_running_loop().call_later(1.0, script.cut)


def test_flapping_backs_off_and_only_a_healthy_life_forgives() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.otherwise = flap
        stage = Stage(tasks, TA, net=net, patience=Patience(healthy_after_s=60.0))
        await asyncio.sleep(200)
        gaps = [round(b - a, 6) for a, b in zip(net.dialled, net.dialled[1:], strict=False)]
        assert gaps == [1, 2, 3, 5, 9, 17, 33, 61, 61]
        net.otherwise = None
        await asyncio.sleep(500)
        stage.script.cut()
        before = len(net.dialled)
        await asyncio.sleep(1)
        assert len(net.dialled) == before + 1  # at once: it had been healthy
        assert stage.links("up")[-1].attempts == 1
        changes = stage.sink.changes()
        assert changes == ["up", "down"] * (len(changes) // 2) + ["up"]
        return stage

    on_stage(act)


@pytest.mark.parametrize(("attempts", "dials"), [(1, 1), (3, 3)])
def test_at_its_bound_it_gives_up_and_says_so(attempts: int, dials: int) -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.otherwise = LOST
        stage = Stage(tasks, TA, net=net, patience=Patience(attempts=attempts))
        await asyncio.wait_for(asyncio.shield(stage.task), 1000)
        assert len(net.dialled) == dials
        assert stage.sink.changes() == (["down final"] if attempts == 1 else ["down", "down final"])
        last = stage.sink.links[-1]
        assert (last.reason, last.attempts) == (f"gave up after {attempts} attempts: no route", attempts)
        assert stage.feed.final
        assert stage.shard.closed, "no topic is placed there any more"
        assert len(stage.sink.downs) == 1
        return stage

    on_stage(act)


def test_flapping_comes_to_the_bound_too() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.otherwise = flap
        stage = Stage(tasks, TA, net=net, patience=Patience(attempts=3))
        await asyncio.wait_for(asyncio.shield(stage.task), 1000)
        assert stage.sink.changes() == ["up", "down", "up", "down", "up", "down final"]
        return stage

    on_stage(act)


def test_a_healthy_life_gives_all_attempts_back() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA, patience=Patience(attempts=1, healthy_after_s=60.0))
        for _ in range(3):
            await asyncio.sleep(100)
            stage.script.cut()
        await asyncio.sleep(1)
        assert stage.sink.changes() == ["up", "down"] * 3 + ["up"]
        return stage

    on_stage(act)


def test_retry_after_is_honoured() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[1] = ConnectionLost("HTTP 429", after_s=77.0)
        stage = Stage(tasks, TA, net=net)
        await asyncio.sleep(100)
        assert net.dialled == [0.0, 77.0]
        return stage

    on_stage(act)


def test_the_venues_limit_on_new_connections_is_kept() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave = dict.fromkeys(range(1, 5), LOST)
        stage = Stage(tasks, TA, net=net, delays=no_waits, gate=TokenBucket(0.1, 2.0, 0.0))
        await asyncio.sleep(100)
        assert net.dialled == [0.0, 0.0, 10.0, 20.0, 30.0]
        return stage

    on_stage(act)


def test_our_own_bug_is_an_outage_like_any_other_and_it_starts_again() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA)
        await asyncio.sleep(10)
        stage.sink.broken = ZeroDivisionError("ours")
        stage.script.say(trade_frame("A", 2))
        await asyncio.sleep(0.5)
        assert stage.open == []
        stage.sink.broken = None
        await asyncio.sleep(10)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert "ZeroDivisionError('ours')" in stage.links("down")[0].reason
        assert stage.sink.downs == [(frozenset({TA}), "link_down")]
        assert [type(error) for error in stage.told] == [ExceptionGroup]
        assert stage.open == [2]
        return stage

    on_stage(act)


# ---- the breaker -------------------------------------------------------------------------------------------------


def test_failed_dials_open_the_breaker_a_probe_closes_it() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave = dict.fromkeys(range(1, 5), LOST)
        stage = Stage(tasks, TA, net=net, delays=no_waits, breaker=Breaker(3, 30.0))
        await asyncio.sleep(29)
        assert net.dialled == [0.0, 0.0, 0.0]
        statistics = stage.feed.statistics()[0]
        assert (statistics.breaker, statistics.state) == ("open", "breaker_open")
        await asyncio.sleep(2)
        assert net.dialled[3:] == [30.0]  # one probe, which fails
        assert stage.feed.statistics()[0].breaker == "open"
        await asyncio.sleep(30)
        assert net.dialled[4:] == [60.0]
        assert stage.feed.statistics()[0].breaker == "closed"
        assert stage.sink.changes() == ["down", "up"]
        assert "breaker_open" in stage.states()
        return stage

    on_stage(act)


def test_bad_frames_in_a_row_open_the_breaker() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA, breaker=Breaker(10, 30.0), bad_frames=10)
        await asyncio.sleep(1)
        stage.script.say(*[b"{"] * 12)
        await asyncio.sleep(1)
        assert stage.breaker.state(now()) == "open"
        assert len(stage.net.dialled) == 1
        await asyncio.sleep(40)
        assert len(stage.net.dialled) == 2
        assert stage.sink.changes() == ["up", "down", "up"]
        assert stage.feed.statistics()[0].bad_frames == 10
        return stage

    on_stage(act)


# ---- the desired set ---------------------------------------------------------------------------------------------


def test_topics_added_and_removed_while_connected() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA)
        await asyncio.sleep(1)
        stage.want([TA, TB])
        await asyncio.sleep(1)
        stage.want([TB])
        await asyncio.sleep(1)
        assert (stage.script.topics(), stage.script.topics("off")) == (["trades A", "trades B"], ["trades A"])
        assert len(stage.net.dialled) == 1
        stage.feed.subscribe_again(TB)
        await asyncio.sleep(1)
        assert stage.script.topics("off") == ["trades A", "trades B"]
        return stage

    on_stage(act)


def test_without_topics_it_is_idle_and_that_is_no_outage() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks)
        await asyncio.sleep(10)
        assert (stage.net.dialled, stage.states()) == ([], [])
        stage.want([TA])
        await asyncio.sleep(10)
        stage.want([])
        await asyncio.sleep(10)
        assert (stage.open, stage.feed.statistics()[0].state) == ([], "idle")
        stage.want([TB])
        await asyncio.sleep(10)
        assert stage.sink.changes() == ["up", "up"]
        assert stage.sink.downs == []
        assert stage.states() == ["dialling", "subscribing", "live", "idle", "dialling", "subscribing", "live"]
        return stage

    on_stage(act)


@pytest.mark.parametrize("when", ["while it dials", "while it subscribes", "while it backs off"])
def test_topics_that_go_before_it_is_live_leave_nothing_dialled(when: str) -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        if when == "while it subscribes":
            net.otherwise = lambda script: setattr(script, "on_send", mute)
        if when == "while it backs off":
            net.otherwise = LOST
        stage = Stage(tasks, TA, net=net)
        await asyncio.sleep(0 if when == "while it dials" else 5.5)
        await asyncio.sleep(0)
        stage.want([])
        await asyncio.sleep(600)
        dials = len(net.dialled)
        assert (stage.open, stage.feed.statistics()[0].state) == ([], "idle")
        assert stage.sink.changes() == (["down"] if when == "while it backs off" else [])
        await asyncio.sleep(600)
        assert len(net.dialled) == dials
        net.otherwise = None
        stage.want([TA])
        await asyncio.sleep(100)
        assert stage.sink.changes()[-1] == "up"
        return stage

    on_stage(act)


# ---- handing over ------------------------------------------------------------------------------------------------


def test_a_planned_re_dial_loses_nothing_and_repeats_nothing() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.otherwise = ticking
        stage = Stage(tasks, TA, net=net, sink=Merging(), max_age_s=100.0)
        open_at: dict[float, list[int]] = {}
        for _ in range(1050):
            await asyncio.sleep(1)
            open_at[now()] = stage.open
        assert stage.sink.changes() == ["up"]
        delivered = seqs(stage.sink)
        assert delivered == list(range(1, 1 + len(delivered)))
        assert len(delivered) >= 1045
        assert gaps(stage.sink) == []
        assert max(map(len, open_at.values())) == 2
        assert min(map(len, list(open_at.values())[1:])) >= 1
        assert 10 <= len(net.dialled) <= 11
        assert stage.feed.statistics()[0].re_dials == len(net.dialled) - 1
        assert stage.sink.overlaps[:2] == [True, False]
        assert stage.feed.statistics()[0].state == "live"
        return stage

    on_stage(act)


def test_the_old_one_closes_only_after_the_new_one_delivers() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[2] = only_confirms
        stage = Stage(tasks, TA, net=net, first_data_s=1000.0, patience=Patience(overlap_s=30.0, linger_s=1.0))
        await asyncio.sleep(10)
        stage.script.say(frame(t="closing"))
        await asyncio.sleep(20)
        assert stage.open == [1, 2]
        stage.script.say(trade_frame("A", 2))
        await asyncio.sleep(0.9)
        assert stage.open == [1, 2]  # the old one lingers: it may be the slower to bring something
        await asyncio.sleep(0.2)
        assert stage.open == [2]
        assert stage.sink.changes() == ["up"]
        assert [link.state for link in stage.links("state")] == ["dialling", "subscribing", "draining", "live"]
        assert stage.links("state")[2].reason == "the venue is closing: maintenance"
        return stage

    on_stage(act)


def test_a_quiet_topic_does_not_hold_up_the_hand_over_for_ever() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[2] = only_confirms
        stage = Stage(tasks, TA, net=net, first_data_s=1000.0)
        await asyncio.sleep(10)
        stage.script.say(frame(t="closing"))
        await asyncio.sleep(29)
        assert stage.open == [1, 2]
        await asyncio.sleep(3)
        assert stage.open == [2]
        assert stage.sink.changes() == ["up"]
        return stage

    on_stage(act)


def only_b(script: Script, _said: dict[str, Any]) -> None:
    script.say(frame(t="ack", topic=["trades", "B"]), trade_frame("B", 1))


@pytest.mark.parametrize(
    "successor",
    [LOST, lambda s: setattr(s, "on_send", mute), lambda s: setattr(s, "on_send", only_b), lambda s: s.cut("cut")],
    ids=["cannot dial", "never confirms", "confirms a part", "is cut"],
)
def test_a_successor_that_fails_is_tried_again_while_the_old_one_goes_on(successor: Any) -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave = {2: successor, 3: successor}
        stage = Stage(tasks, TA, TB, net=net, ack_s=10.0)
        await asyncio.sleep(10)
        stage.script.say(frame(t="closing"))
        seq = 1
        while len(net.dialled) < 4:
            seq += 1
            net.scripts[0].say(trade_frame("A", seq))
            await asyncio.sleep(1)
        await asyncio.sleep(5)
        assert seqs(stage.sink)[:seq] == list(range(1, seq + 1))
        assert stage.open == [4]
        assert stage.sink.changes() == ["up"]
        assert stage.sink.overlaps[-1] is False
        return stage

    on_stage(act)


def test_retry_after_of_a_successor_is_honoured() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave = {2: ConnectionLost("HTTP 429", after_s=50.0)}
        stage = Stage(tasks, TA, net=net)
        await asyncio.sleep(10)
        stage.script.say(frame(t="closing"))
        await asyncio.sleep(60)
        assert net.dialled == [0.0, 10.0, 60.0]
        return stage

    on_stage(act)


def test_an_old_one_cut_before_the_new_one_is_subscribed_is_an_outage() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        waiting: list[tuple[Script, dict[str, Any]]] = []
        net.behave[2] = lambda script: setattr(script, "on_send", lambda s, said: waiting.append((s, said)))
        stage = Stage(tasks, TA, net=net)
        await asyncio.sleep(10)
        stage.script.say(frame(t="closing"))
        await asyncio.sleep(2)
        net.scripts[0].cut("gone before its time")
        await asyncio.sleep(1)
        assert stage.sink.changes() == ["up", "down"]
        assert stage.sink.downs == [(frozenset({TA}), "link_down")]
        acknowledge(*waiting[0])
        await asyncio.sleep(3)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert stage.links("down")[0].reason == "gone before its time"
        assert (stage.open, len(net.dialled)) == ([2], 2)
        return stage

    on_stage(act)


def test_an_old_one_cut_after_the_new_one_is_subscribed_is_none() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[2] = only_confirms
        stage = Stage(tasks, TA, net=net, first_data_s=1000.0)
        await asyncio.sleep(10)
        stage.script.say(frame(t="closing"))
        await asyncio.sleep(2)
        net.scripts[0].cut("gone, but it does not matter")
        await asyncio.sleep(40)
        assert stage.sink.changes() == ["up"]
        assert stage.open == [2]
        return stage

    on_stage(act)


@pytest.mark.parametrize("held_by", ["the gate", "the breaker"])
def test_an_old_one_cut_while_the_new_one_may_not_be_dialled_yet(held_by: str) -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        gate = TokenBucket(0.01, 1.0, 0.0) if held_by == "the gate" else None
        stage = Stage(tasks, TA, gate=gate)
        await asyncio.sleep(10)
        if held_by == "the breaker":
            stage.breaker.trip(now())
        stage.script.say(frame(t="closing"))
        await asyncio.sleep(2)
        stage.script.cut("gone")
        await asyncio.sleep(1)
        assert stage.sink.changes() == ["up", "down"]  # told at once, not when the wait is over
        await asyncio.sleep(200)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert len(stage.net.dialled) == 2
        return stage

    on_stage(act)


def test_both_cut_during_the_overlap_is_one_outage() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[2] = lambda script: setattr(script, "on_send", mute)
        stage = Stage(tasks, TA, net=net)
        await asyncio.sleep(10)
        stage.script.say(frame(t="closing"))
        await asyncio.sleep(2)
        net.scripts[0].cut("first")
        await asyncio.sleep(1)
        net.scripts[1].cut("second")
        await asyncio.sleep(10)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert stage.open == [3]
        assert len(stage.sink.downs) == 1
        return stage

    on_stage(act)


def test_a_new_one_cut_while_the_old_one_lingers() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA, patience=Patience(linger_s=5.0))
        await asyncio.sleep(10)
        stage.script.say(frame(t="closing"))
        await asyncio.sleep(2)
        assert stage.open == [1, 2]
        stage.net.scripts[1].cut("both gone")
        await asyncio.sleep(10)
        assert stage.sink.changes() == ["up", "down", "up"]
        assert stage.open == [3]
        return stage

    on_stage(act)


def test_topics_that_go_during_the_overlap_end_both() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave[2] = lambda script: setattr(script, "on_send", mute)
        stage = Stage(tasks, TA, net=net)
        await asyncio.sleep(10)
        stage.script.say(frame(t="closing"))
        await asyncio.sleep(2)
        stage.want([])
        await asyncio.sleep(5)
        assert (stage.open, stage.sink.changes(), stage.feed.statistics()[0].state) == ([], ["up"], "idle")
        return stage

    on_stage(act)


# ---- cancellation and statistics ---------------------------------------------------------------------------------


@pytest.mark.parametrize("at_s", [0.0, 0.5, 10.5, 11.0, 12.5, 29.0, 31.5, 33.0])
def test_cancelled_at_any_moment_it_leaves_nothing_behind(at_s: float) -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        net = Net()
        net.behave = {2: lambda script: setattr(script, "on_send", mute), 4: LOST, 5: LOST}
        stage = Stage(tasks, TA, net=net, ack_s=5.0)
        loop = asyncio.get_running_loop()
        loop.call_at(10.0, lambda: net.scripts[0].say(frame(t="closing")))

        def cut(number: int) -> None:
            net.scripts[number].cut()

        loop.call_at(30.0, cut, 0)
        loop.call_at(30.1, cut, -1)
        await asyncio.sleep(at_s)
        return stage

    on_stage(act)


def test_statistics_in_words_and_numbers() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA, TB, ack_s=10.0)
        before = stage.feed.statistics()[0]
        assert (before.state, before.topics, before.live_topics, before.age_s, before.last_message_age_s) == (
            "idle", 2, 0, None, None,
        )  # fmt: skip
        await asyncio.sleep(3)
        stage.script.say(trade_frame("A", 2), b"{")
        await asyncio.sleep(1)
        now_ = stage.feed.statistics()[0]
        assert (now_.venue, now_.connection, now_.endpoint, now_.state) == ("toy", "toy/public/1", "public", "live")
        assert (now_.topics, now_.live_topics, now_.age_s, now_.last_message_age_s) == (2, 2, 4.0, 1.0)
        assert (now_.frames, now_.bad_frames, now_.re_dials, now_.outages, now_.attempts) == (5, 1, 0, 0, 1)
        assert (now_.reason, now_.breaker) == ("subscribed", "closed")
        stage.script.cut()
        await asyncio.sleep(1)
        after = stage.feed.statistics()[0]
        assert (after.frames, after.bad_frames, after.re_dials, after.outages) == (8, 1, 1, 1)
        assert after.bytes > now_.bytes
        return stage

    on_stage(act)


def test_a_lane_is_closed_once() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA)
        await asyncio.sleep(1)
        (leg,) = stage.feed._legs
        lane: Lane = leg.lanes[0]
        frames = stage.feed.statistics()[0].frames
        leg.close(lane)
        leg.close(lane)
        assert stage.feed.statistics()[0].frames == frames
        return stage

    on_stage(act)


def test_cancelled_at_the_moment_of_our_own_bug_it_ends() -> None:
    async def act(tasks: asyncio.TaskGroup) -> Stage:
        stage = Stage(tasks, TA)
        await asyncio.sleep(10)
        stage.sink.broken = ZeroDivisionError("ours")
        stage.script.say(trade_frame("A", 2))
        return stage

    on_stage(act)

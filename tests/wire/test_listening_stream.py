import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from listening_stage import LISTEN, NAME, Stage, listening
from order_stage import (
    ACCOUNT,
    KEY,
    ORDERS,
    SECOND_NS,
    Said,
    accepting,
    ok,
    order,
    settle,
    told,
)
from wire_fakes import START_NS, Script, mute

from tapeline.errors import ConnectionLost, TimedOut
from tapeline.model.account import OrderUpdate
from tapeline.model.event import Gap
from tapeline.wire.pipe import Response
from tapeline.wire.private.listening import REFUSED_S


def test_it_opens_with_the_venues_clock_and_has_everything_reconciled() -> None:
    async def act(stage: Stage) -> None:
        script = stage.network.last("private")
        assert [(said["op"], said["stamp"]) for said in script.sent] == [("login", START_NS), ("subscribe", START_NS)]
        assert stage.listening.open
        assert stage.reconciled == [(0.0, "the private stream was opened")]
        assert stage.heard == []
        script.say(told(**order("t1")), told(beat=1))
        await settle()
        (update,) = stage.heard
        assert isinstance(update, OrderUpdate)
        assert (update.client_id, update.account, update.source) == ("t1", ACCOUNT, "ws")

    listening(act, ours_s=-900)


def test_a_loss_is_a_gap_and_so_is_its_end_and_then_everything_is_reconciled() -> None:
    async def act(stage: Stage) -> None:
        await settle(30.0)
        stage.network.how["private"] = [ConnectionLost("refused"), ConnectionLost("refused"), accepting]
        stage.network.last("private").cut("the cable")
        await settle(0.01)
        assert stage.listening.statistics()["open"] is False
        lost_ns = START_NS + 20 * SECOND_NS  # the last pong
        (gap,) = stage.gaps()
        assert gap == Gap(NAME, "account", None, START_NS + round(30.05 * 1e9), "ws", gap.after_ns, None, None, None,
                          "link_down", open=True)  # fmt: skip
        assert gap.after_ns == pytest.approx(lost_ns, abs=SECOND_NS // 10)
        await settle(5.0)
        assert stage.listening.open
        _, back = stage.gaps()
        assert (back.after_ns, back.cause, back.open) == (gap.after_ns, "link_down", False)
        assert back.before_ns == back.at_ns == START_NS + round(33.05 * 1e9)
        assert [why for _, why in stage.reconciled] == ["the private stream was opened"] * 2
        assert [at for at, _ in stage.network.dialled] == [0.0, 30.05, 31.05, 33.05]
        (stats,) = stage.listening.statistics()["streams"]
        assert (stats["opened"], stats["losses"], stats["failures"], stats["why"]) == (2, 1, 0, "")

    listening(act)


def test_it_tries_for_ever_and_tells_of_one_loss_only() -> None:
    async def act(stage: Stage) -> None:
        stage.network.how["private"] = ConnectionLost("refused")
        stage.network.last("private").cut()
        await settle(3600.0)
        assert len(stage.gaps()) == 1
        assert 60 < len(stage.network.dialled) < 90  # once a minute, in the end
        assert stage.listening.statistics()["streams"][0]["why"] == "refused"
        stage.network.how["private"] = accepting
        await settle(61.0)
        assert stage.listening.open

    listening(act)


def test_a_stream_that_falls_silent_is_lost() -> None:
    async def act(stage: Stage) -> None:
        stage.network.last("private").pongs = False
        await settle(61.0)
        assert [(gap.cause, gap.open) for gap in stage.gaps()] == [("silence", True), ("silence", False)]
        assert stage.listening.open

    listening(act)


@pytest.mark.parametrize("told_too", [True, False])
def test_a_stream_that_does_not_tell_what_a_request_showed_is_lost(told_too: bool) -> None:
    async def act(stage: Stage) -> None:
        await settle(10.0)
        at = START_NS + 10 * SECOND_NS
        stage.listening.shown(update("t1", at), at)
        stage.listening.shown(update("before", START_NS), START_NS)  # of before the stream was opened
        if told_too:
            stage.network.last("private").say(told(**order("t1")))
        await settle(11.0)
        assert [gap.cause for gap in stage.gaps()] == ([] if told_too else ["silence", "silence"])
        assert len(stage.reconciled) == (1 if told_too else 2)
        if not told_too:
            assert "order t1, and the stream did not tell of it" in stage.problems[0][1]
        await settle(60.0)
        assert len(stage.network.dialled) == (1 if told_too else 2)

    listening(act)


def update(client_id: str, at_ns: int) -> OrderUpdate:
    return OrderUpdate("toy:A/X", "orders", at_ns, 1, "rest", ACCOUNT, client_id=client_id, venue_id="", state="open")


def test_an_expiry_is_a_loss() -> None:
    async def act(stage: Stage) -> None:
        stage.network.last("private").say(told(**order("t1")), told(expired="maintenance"))
        await settle(1.0)
        assert isinstance(stage.heard[0], OrderUpdate)
        assert [gap.open for gap in stage.gaps()] == [True, False]
        assert ("private stream", "expired: maintenance") in stage.problems

    listening(act)


def test_a_frame_that_cannot_be_read_is_no_loss_but_has_everything_reconciled() -> None:
    async def act(stage: Stage) -> None:
        stage.network.last("private").say(b"{")
        await settle()
        assert stage.gaps() == []
        assert [why[:32] for _, why in stage.reconciled] == ["the private stream was opened"[:32],
                                                             "a frame could not be read: bad_j"]  # fmt: skip
        stage.network.last("private").say(json.dumps({"answer": "", "body": {"code": "x"}, "status": 400}).encode())
        await settle()
        assert stage.problems[-1][1].startswith("refused: ")

    listening(act)


# ---- refusals ----------------------------------------------------------------------------------------------------


def refusing(code: str) -> Callable[[Script, dict[str, Any]], None]:
    def how(script: Script, said: dict[str, Any]) -> None:
        script.say(json.dumps({"answer": said["id"], "body": {"code": code}, "status": 401}).encode())

    return how


def test_a_key_that_is_refused_is_not_tried_again_soon() -> None:
    async def act(stage: Stage) -> None:
        await settle(2 * REFUSED_S + 1)
        assert [at for at, _ in stage.network.dialled] == [0.0, REFUSED_S, 2 * REFUSED_S]
        assert stage.problems[0] == ("private stream", "step 1 of the opening was refused: no such key")
        assert stage.gaps() == []
        assert not stage.listening.open
        assert KEY not in repr(stage.problems)

    listening(act, how=refusing("key"))


def test_a_stamp_that_is_refused_has_the_clock_read() -> None:
    async def act(stage: Stage) -> None:
        assert stage.exchange.paths() == ["/time", "/time"]
        assert len(stage.network.dialled) == 2
        assert stage.listening.open

    listening(act, how=[refusing("stamp"), accepting])


def test_a_clock_that_cannot_be_read_stops_nothing_for_good() -> None:
    async def act(stage: Stage) -> None:
        assert stage.network.dialled == []
        stage.exchange.said = {}
        await settle(5.0)
        assert stage.listening.open

    listening(act, said={"time": [TimedOut("late")]})


@pytest.mark.parametrize("code", ["busy", "maybe", "other"])
def test_other_refusals_are_tried_again_after_a_back_off(code: str) -> None:
    async def act(stage: Stage) -> None:
        await settle(4.0)
        assert len(stage.network.dialled) == (1 if code == "busy" else 4)
        assert not stage.listening.open

    listening(act, how=[refusing(code), mute] if code == "busy" else refusing(code))


def test_a_stamp_refused_while_the_clock_cannot_be_read() -> None:
    async def act(stage: Stage) -> None:
        assert len(stage.network.dialled) == 1
        await settle(REFUSED_S)
        assert len(stage.network.dialled) == 2

    first = Response(200, {}, json.dumps({"time": START_NS}).encode())
    listening(act, how=refusing("stamp"), said={"time": [first, TimedOut("late")]})


# ---- listen keys -------------------------------------------------------------------------------------------------


def with_key(said: dict[str, list[Said]]) -> dict[str, Any]:
    return {
        "orders": replace(ORDERS, private=LISTEN),
        "said": {"listen_key": [ok({"listen": "k1-of-the-stream"})]} | said,
    }


def test_a_listen_key_is_made_dialled_and_kept_alive() -> None:
    async def act(stage: Stage) -> None:
        assert stage.network.dialled == [(0.0, "wss://toy/private/k1-of-the-stream")]
        await settle(3 * 1800.0)
        kept = [(at, request) for at, request in stage.exchange.asked if request.path == "/listen_key_alive"]
        assert [at for at, _ in kept] == [1800.0, 3600.0, 5400.0]
        assert dict(kept[0][1].query) == {"listen": "k1-of-the-stream"}
        assert len(stage.network.dialled) == 1
        assert stage.gaps() == []

    listening(act, **with_key({}))


def test_a_keep_alive_that_fails_is_tried_again_before_the_key_is_lost() -> None:
    async def act(stage: Stage) -> None:
        await settle(2100.0)
        assert ("listen key", "late") in stage.problems
        assert stage.gaps() == []
        await settle(1800.0)
        assert len(stage.network.dialled) == 1

    late: list[Said] = [TimedOut("late")] * 4
    listening(act, **with_key({"listen_key_alive": [*late, ok([])]}))


def test_a_key_that_could_not_be_kept_alive_is_made_anew() -> None:
    async def act(stage: Stage) -> None:
        await settle(3500.0)
        assert [gap.open for gap in stage.gaps()] == [True, False]
        at, url = stage.network.dialled[1]
        assert at == pytest.approx(3420.0)
        assert url == "wss://toy/private/k2-of-the-stream"
        assert stage.listening.open
        assert len(stage.reconciled) > 1

    keys: list[Said] = [ok({"listen": "k1-of-the-stream"}), ok({"listen": "k2-of-the-stream"})]
    listening(act, **with_key({"listen_key": keys, "listen_key_alive": [TimedOut("late")]}))


def test_a_key_the_venue_does_not_know_any_more_is_made_anew() -> None:
    async def act(stage: Stage) -> None:
        await settle(1810.0)
        assert len(stage.network.dialled) == 2
        assert [gap.open for gap in stage.gaps()] == [True, False]

    listening(act, **with_key({"listen_key_alive": [ok({"code": "no such listen key"}, 400)]}))


@pytest.mark.parametrize("said", [ok({"code": "key"}, 401), ok([])])
def test_no_key_no_stream(said: Said) -> None:
    async def act(stage: Stage) -> None:
        await settle(REFUSED_S - 1)
        assert stage.network.dialled == []
        assert stage.exchange.paths().count("/listen_key") == 1
        stage.exchange.said["listen_key"] = [ok({"listen": "k1-of-the-stream"})]
        await settle(2.0)
        assert stage.listening.open

    listening(act, **with_key({"listen_key": [said]}))


def test_the_listen_key_is_in_no_message() -> None:
    async def act(stage: Stage) -> None:
        assert stage.problems == [("private stream", "could not connect to wss://toy/private/***: refused")]

    lost = ConnectionLost("could not connect to wss://toy/private/k1-of-the-stream: refused")
    listening(act, how=[lost, accepting], **with_key({}))

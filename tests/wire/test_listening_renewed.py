"""A private stream whose end is known beforehand is replaced with overlap, and nothing is lost, whatever fails."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from listening_stage import LISTEN, Stage, listening
from order_stage import ORDERS, SECOND_NS, STREAM, accepting, ok, order, settle, told
from wire_fakes import START_NS, Script, mute

from tapeline.errors import ConnectionLost
from tapeline.model.account import OrderUpdate
from tapeline.venues import venue_named
from tapeline.wire.private.listening import LINGER_S, RETIRE_S

LIFE_S = 1000.0
LIVING: dict[str, Any] = {"orders": replace(ORDERS, private=replace(STREAM, life_s=LIFE_S))}


def statistics(stage: Stage) -> dict[str, Any]:
    (found,) = stage.listening.statistics()["streams"]
    return dict(found)


def heard(stage: Stage) -> list[str]:
    return [each.client_id for each in stage.heard if isinstance(each, OrderUpdate)]


def closed(script: Script) -> bool:
    return script.closed


def refused(script: Script, said: dict[str, Any]) -> None:
    script.say(json.dumps({"answer": said["id"], "body": {"code": "key"}, "status": 401}).encode())


def test_it_is_replaced_before_its_age_limit_and_each_update_passes_once() -> None:
    async def act(stage: Stage) -> None:
        await settle(LIFE_S - 1)
        old = stage.network.last("private")
        await settle(1.2)
        new = stage.network.last("private")
        assert [at for at, _ in stage.network.dialled] == [0.0, LIFE_S]
        assert new is not old
        assert not closed(old), "both deliver"
        old.say(told(**order("t1")), told(**order("t2")))
        new.say(told(**order("t1")))
        await settle()
        new.say(told(**order("t2")), told(**order("t3")))
        await settle()
        old.say(told(**order("t3")))
        await settle()
        assert heard(stage) == ["t1", "t2", "t3"]
        await settle(LINGER_S)
        assert closed(old)
        assert not closed(new)
        new.say(told(**order("t3")))
        await settle()
        assert heard(stage)[3:] == ["t3"], "it is alone again"
        assert stage.gaps() == []
        assert [why for _, why in stage.reconciled] == ["the private stream was opened"]
        stats = statistics(stage)
        assert (stats["renewed"], stats["opened"], stats["losses"], stats["open"]) == (1, 1, 0, True)
        await settle(LIFE_S)
        assert statistics(stage)["renewed"] == 2
        assert len(stage.network.dialled) == 3

    listening(act, **LIVING, reconcile_every_s=1e6)


def test_a_venue_that_is_about_to_close_it_is_not_waited_for() -> None:
    async def act(stage: Stage) -> None:
        old = stage.network.last("private")
        old.say(told(ending="maintenance"), told(**order("t1")))
        await settle(LINGER_S + 0.2)
        assert closed(old)
        old.cut("the venue closes it")
        await settle(1.0)
        assert heard(stage) == ["t1"]
        assert len(stage.network.dialled) == 2
        assert stage.gaps() == []
        assert ("private stream", "the venue is about to close it: maintenance") in stage.problems

    listening(act)


@pytest.mark.parametrize("failure", [ConnectionLost("refused"), refused, mute])
def test_a_successor_that_cannot_be_opened_is_tried_again_while_the_old_one_stays(failure: Any) -> None:
    async def act(stage: Stage) -> None:
        stage.network.how["private"] = [failure, failure, accepting]
        await settle(LIFE_S + 0.5)
        old = stage.network.scripts["private"][0]
        assert not closed(old)
        old.say(told(**order("t1")))
        await settle()
        assert (heard(stage), stage.gaps()) == (["t1"], [])
        await settle(120.0)
        assert closed(old)
        stats = statistics(stage)
        assert (stats["renewed"], stats["not_renewed"], stats["losses"], stats["failures"]) == (1, 2, 0, 0)
        assert stage.gaps() == []
        assert stage.listening.open
        assert any("the connection that was to be replaced stays" in text for _, text in stage.problems)

    listening(act, **LIVING)


def test_both_die_and_it_is_one_loss_like_any_other() -> None:
    async def act(stage: Stage) -> None:
        stage.network.how["private"] = [mute, accepting]
        await settle(LIFE_S + 0.5)
        old, new = stage.network.scripts["private"]
        old.cut("24 hours")
        await settle()
        assert [gap.open for gap in stage.gaps()] == [True]
        assert not statistics(stage)["open"]
        new.cut("refused")
        await settle(5.0)
        assert statistics(stage)["open"]
        assert [gap.open for gap in stage.gaps()] == [True, False]
        assert len(stage.network.dialled) == 3
        assert [why for _, why in stage.reconciled] == ["the private stream was opened"] * 2

    listening(act, **LIVING, reconcile_every_s=1e6)


def test_the_old_one_dies_while_its_successor_is_being_opened_which_then_ends_the_loss() -> None:
    async def act(stage: Stage) -> None:
        late: list[dict[str, Any]] = []
        stage.network.how["private"] = [lambda _script, said: late.append(said)]
        await settle(LIFE_S + 0.5)
        old, new = stage.network.scripts["private"]
        old.cut("24 hours")
        await settle(1.0)
        assert [gap.open for gap in stage.gaps()] == [True]
        new.on_send = accepting
        accepting(new, late[0])
        await settle()
        assert stage.listening.open
        _, back = stage.gaps()
        assert back.before_ns == pytest.approx(START_NS + (LIFE_S + 1.55) * 1e9, abs=SECOND_NS // 5)
        assert len(stage.network.dialled) == 2, "it is the one that was dialled already"
        stats = statistics(stage)
        assert (stats["opened"], stats["renewed"], stats["losses"]) == (2, 0, 1)
        new.say(told(**order("t1")), told(**order("t1")))
        await settle()
        assert heard(stage) == ["t1", "t1"]

    listening(act, **LIVING)


def test_a_successor_that_dies_at_once_hands_back_to_the_old_one() -> None:
    async def act(stage: Stage) -> None:
        await settle(LIFE_S + 0.5)
        old, new = stage.network.scripts["private"]
        assert statistics(stage)["renewed"] == 1
        stage.network.how["private"] = [ConnectionLost("refused"), accepting]
        new.cut("bad gateway")
        await settle(0.5)
        old.say(told(**order("t1")))
        await settle()
        assert heard(stage) == ["t1"]
        assert stage.gaps() == []
        await settle(10.0)
        assert closed(old)
        assert (statistics(stage)["renewed"], statistics(stage)["not_renewed"]) == (2, 2)
        assert stage.gaps() == []

    listening(act, **LIVING)


def test_an_old_one_that_was_dead_already_leaves_a_hole_that_is_told() -> None:
    """It was last heard of before its successor was open: what came in between nobody told."""

    async def act(stage: Stage) -> None:
        await settle(LIFE_S - 15)
        old = stage.network.last("private")
        old.pongs = False
        await settle(15.0 + RETIRE_S + 0.5)
        assert closed(old)
        lost, back = stage.gaps()
        assert (lost.cause, lost.open, back.open) == ("silence", True, False)
        assert lost.after_ns == pytest.approx(START_NS + (LIFE_S - 20) * 1e9, abs=SECOND_NS)
        assert back.before_ns == pytest.approx(START_NS + LIFE_S * 1e9, abs=SECOND_NS)
        assert stage.listening.open
        assert len(stage.reconciled) == 2
        assert (statistics(stage)["losses"], len(stage.network.dialled)) == (1, 2)

    listening(act, **LIVING, reconcile_every_s=1e6)


def test_an_order_that_no_connection_tells_of_is_missed_through_a_renewal_too() -> None:
    async def act(stage: Stage) -> None:
        await settle(LIFE_S - 1)
        at = START_NS + round((LIFE_S - 1) * 1e9)
        stage.listening.shown(
            OrderUpdate("toy:A/X", "orders", at, 1, "rest", "main", client_id="t1", venue_id="", state="open"), at
        )
        await settle(15.0)
        assert any("order t1, and the stream did not tell of it" in text for _, text in stage.problems)
        assert [gap.cause for gap in stage.gaps()] == ["silence", "silence"]
        assert stage.listening.open

    listening(act, **LIVING)


def with_keys(*keys: str, **said: Any) -> dict[str, Any]:
    return {
        "orders": replace(ORDERS, private=replace(LISTEN, life_s=5000.0)),
        "said": {"listen_key": [ok({"listen": key}) for key in keys], **said},
    }


def test_a_stream_with_a_listen_key_is_replaced_by_one_with_the_key_of_its_time_and_both_are_kept() -> None:
    async def act(stage: Stage) -> None:
        await settle(5000.5)
        assert [url.rpartition("/")[2] for _, url in stage.network.dialled] == ["k1-of-the-stream", "k2-of-the-stream"]
        await settle(1800.0)
        assert stage.reconciled[1:] == [(5000.0, "the private stream was renewed with another listen key")]
        kept = [
            dict(request.query)["listen"] for _, request in stage.exchange.asked if request.path == "/listen_key_alive"
        ]
        assert kept == ["k1-of-the-stream"] * 2 + ["k2-of-the-stream"]
        assert stage.gaps() == []

    listening(act, **with_keys("k1-of-the-stream", "k2-of-the-stream"), reconcile_every_s=1e6)


def test_a_keep_alive_that_gives_another_key_is_a_reason_to_replace_it_and_no_loss() -> None:
    async def act(stage: Stage) -> None:
        await settle(1805.0)
        assert [at for at, _ in stage.network.dialled] == [0.0, 1800.0]
        assert stage.network.dialled[1][1].endswith("/k2-of-the-stream")
        assert stage.gaps() == []
        assert closed(stage.network.scripts["private"][0])

    alive = [ok({"listen": "k2-of-the-stream"})]
    listening(act, **with_keys("k1-of-the-stream", "k2-of-the-stream", listen_key_alive=alive))


def test_the_listen_keys_of_both_are_in_no_message() -> None:
    async def act(stage: Stage) -> None:
        stage.network.how["private"] = ConnectionLost(
            "no way to wss://toy/private/k2-of-the-stream or k1-of-the-stream"
        )
        await settle(5001.0)
        texts = " ".join(text for _, text in stage.problems)
        assert "no way to wss://toy/private/*** or ***" in texts
        assert "of-the-stream" not in texts

    listening(act, **with_keys("k1-of-the-stream", "k2-of-the-stream"))


@pytest.mark.parametrize("name", ["binance", "binance-us", "binance-usdm"])
def test_venues_that_cut_connections_after_a_day_say_so(name: str, life: Callable[[str], float]) -> None:
    assert 20 * 3600 < life(name) < 24 * 3600


def test_a_venue_that_does_not_is_left_alone(life: Callable[[str], float]) -> None:
    assert life("okx") == float("inf")


@pytest.fixture
def life() -> Callable[[str], float]:
    def of(name: str) -> float:
        orders = venue_named(name).orders
        assert orders is not None
        return orders.private.life_s

    return of

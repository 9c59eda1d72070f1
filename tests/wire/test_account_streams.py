import asyncio
from dataclasses import replace

import pytest
from listening_stage import Stage, listening
from order_stage import (
    ORDERS,
    SECRET,
    STREAM,
    TOY,
    accepting,
    order,
    settle,
    told,
)

from tapeline.errors import ConnectionLost, TimedOut

# ---- reconciliation ----------------------------------------------------------------------------------------------


def test_it_is_reconciled_now_and_then() -> None:
    async def act(stage: Stage) -> None:
        await settle(650.0)
        assert stage.reconciled[1:] == [(300.0, "it was time"), (600.0, "it was time")]

    listening(act, reconcile_every_s=300.0)


def test_what_could_not_be_reconciled_is_tried_again() -> None:
    async def act(stage: Stage) -> None:
        await settle(10.0)
        assert [at for at, _ in stage.reconciled] == [0.0, 1.0, 2.0, 4.0]
        assert {why for _, why in stage.reconciled} == {"the private stream was opened"}
        assert stage.listening.statistics()["reconciled"] == 1

    times = iter(range(99))

    async def fail() -> None:
        if next(times) < 3:
            raise TimedOut("late")

    original = Stage.reconcile

    async def reconcile(self: Stage, why: str) -> None:
        self.reconciling = fail
        await original(self, why)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stage, "reconcile", reconcile)
        listening(act)


def test_a_second_loss_during_a_reconciliation_has_it_done_again() -> None:
    async def act(stage: Stage) -> None:
        stage.reconciling = lambda: asyncio.sleep(20.0)
        stage.network.last("private").cut()
        await settle(1.0)
        stage.network.last("private").cut()
        await settle(60.0)
        assert [round(at) for at, _ in stage.reconciled] == [0, 0, 20]
        assert SECRET not in repr(stage.problems) + repr(stage.listening.statistics())

    listening(act)


# ---- several streams as one --------------------------------------------------------------------------------------

TWO = replace(ORDERS, more=(replace(STREAM, endpoint="business"),))
URLS = {**TOY.urls, "business": "wss://toy/business"}


def test_an_account_is_open_once_all_its_streams_are() -> None:
    async def act(stage: Stage) -> None:
        assert stage.listening.statistics()["open"] is False
        assert [each["open"] for each in stage.listening.statistics()["streams"]] == [True, False]
        assert stage.listening.why == "refused"
        assert [why for _, why in stage.reconciled] == ["the private stream was opened"]
        stage.network.how["business"] = accepting
        await settle(2.0)
        assert (stage.listening.open, stage.listening.why) == (True, "")
        assert stage.gaps() == []
        stage.network.last("business").say(told(**order("algo1")))
        await settle()
        assert [event.client_id for event in stage.heard] == ["algo1"]

    listening(act, orders=TWO, venue=replace(TOY, urls=URLS), how={"business": ConnectionLost("refused")})


def test_one_loss_is_one_gap_however_many_streams_fall_and_it_ends_with_the_last_of_them() -> None:
    async def act(stage: Stage) -> None:
        await settle(30.0)
        stage.network.how["business"] = ConnectionLost("refused")
        for endpoint in ("business", "private"):
            stage.network.last(endpoint).cut()
            await settle(0.5)
        assert [gap.open for gap in stage.gaps()] == [True]
        assert stage.listening.statistics()["open"] is False
        stage.network.how["business"] = accepting
        await settle(5.0)
        first, last = stage.gaps()
        assert (last.open, last.after_ns) == (False, first.after_ns)
        assert stage.listening.statistics()["losses"] == 1

    listening(act, orders=TWO, venue=replace(TOY, urls=URLS))

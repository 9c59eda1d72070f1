from decimal import Decimal

import pytest
from gateway_stage import NOT_FOUND, SLOW, Stage, trading
from order_stage import (
    ACCOUNT,
    AMBIGUOUS,
    BUY,
    A,
    Said,
    ok,
    order,
    settle,
    told,
)

from tapeline.errors import ConnectionLost, TimedOut
from tapeline.model.account import OrderUpdate
from tapeline.model.order import Order
from tapeline.trading.command import Amend, Cancel

# ---- what nobody knows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", AMBIGUOUS)
def test_an_order_whose_answer_was_lost_is_looked_up_and_never_sent_again(lost: Said) -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(60.0)
        outcome = "refused submit t1 duplicate" if lost is AMBIGUOUS[-1] else "unknown submit t1"
        assert stage.said() == ["sent submit t1", outcome, "rest t1 partly_filled"]
        assert stage.sent("place") == [0.05]
        assert stage.sent("order") == [0.55, 1.55]
        assert dict(stage.exchange.asked[-1][1].query)["id"] == "t1"
        assert stage.gateway.unknown() == []

    trading(act, said={"place": [lost], "order": [NOT_FOUND, ok(order("t1", "partly_filled"))]})


def test_not_found_is_definite_only_after_the_venues_own_delay() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(60.0)
        assert stage.said() == ["sent submit t1", "unknown submit t1", "rest t1 never_arrived"]
        assert stage.sent("order") == [0.55, 1.55, 3.55, 7.55, 15.55]
        update = stage.heard[-1]
        assert isinstance(update, OrderUpdate)
        assert (update.instrument, update.account, update.why) == (A.id, ACCOUNT, "refused: unknown")
        assert stage.gateway.unknown() == []

    trading(act, said={"place": [TimedOut("late")], "order": [NOT_FOUND]}, orders=SLOW)


def test_it_stays_unknown_for_as_long_as_the_venue_cannot_be_asked() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(3600.0)
        assert stage.said() == ["sent submit t1", "unknown submit t1"]
        assert stage.gateway.unknown() == ["t1"]
        assert stage.problems
        stage.exchange.said["order"] = [ok(order("t1", "filled"))]
        await settle(20.0)
        assert stage.said()[2:] == ["rest t1 filled"]

    trading(act, said={"place": [TimedOut("late")], "order": [TimedOut("late")]})


def test_a_refusal_of_the_question_is_no_answer() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(5.0)
        assert stage.said()[2:] == ["rest t1 open"]
        assert ("order", "what became of t1: refused: market closed") in stage.problems

    trading(act, said={"place": [TimedOut("late")], "order": [ok({"code": "market closed"}, 400), ok(order("t1"))]})


def test_the_stream_may_say_first_what_became_of_it() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(0.1)
        assert stage.gateway.unknown() == ["t1"]
        stage.network.last("private").say(told(**order("t1")))
        await settle()
        assert stage.gateway.unknown() == []
        await settle(30.0)
        assert stage.said() == ["sent submit t1", "unknown submit t1", "ws t1 open"]
        assert stage.sent("order") == []

    trading(act, said={"place": [TimedOut("late")]})


def test_after_a_restart_an_order_is_looked_up() -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.look_up(Order(client_id="t7", intent=BUY))
        await settle(1.0)
        assert stage.said() == ["rest t7 open"]

    trading(act, said={"order": [ok(order("t7"))]})


# ---- cancels and amends that nobody knows of -------------------------------------------------------------------


def test_a_cancel_whose_answer_was_lost_is_made_sure_of() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Cancel("t1"))
        await settle(10.0)
        assert stage.said()[2:] == [
            "sent cancel t1", "unknown cancel t1", "rest t1 open", "sent cancel t1", "rest t1 cancelled"
        ]  # fmt: skip
        assert len(stage.sent("cancel")) == 2
        assert stage.gateway.unknown() == []

    trading(act, said={"place": [ok(order("t1"))], "cancel": [TimedOut("late"), ok(order("t1", "cancelled"))],
                       "order": [ok(order("t1"))]})  # fmt: skip


def test_a_cancel_that_is_lost_again_and_again_is_repeated_until_the_order_is_gone() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Cancel("t1"))
        await settle(20.0)
        assert stage.sent("cancel") == [0.1, 0.6, 1.6, 3.6, 7.6, 15.6]
        stage.exchange.said["order"] = [ok(order("t1", "filled"))]
        await settle(20.0)
        assert stage.said()[-1] == "rest t1 filled"
        assert stage.gateway.unknown() == []

    trading(act, said={"place": [ok(order("t1"))], "cancel": [ConnectionLost("cut")], "order": [ok(order("t1"))]})


def test_a_cancel_of_an_order_that_nobody_knows_of_waits_until_it_shows() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(0.1)
        stage.gateway.execute(Cancel("t1"))
        await settle(4.0)
        assert stage.said() == [
            "sent submit t1", "unknown submit t1", "sent cancel t1", "refused cancel t1 unknown_order",
            "rest t1 open", "sent cancel t1", "rest t1 cancelled",
        ]  # fmt: skip
        assert len(stage.sent("place")) == 1

    unknown = ok({"code": "unknown"}, 400)
    trading(act, said={"place": [TimedOut("late")], "order": [NOT_FOUND, ok(order("t1"))],
                       "cancel": [unknown, ok(order("t1", "cancelled"))]})  # fmt: skip


def test_an_amend_whose_answer_was_lost_shows_or_has_failed() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Amend("t1", price=Decimal("9.5")))
        await settle(5.0)
        assert stage.said()[2:] == ["sent amend t1", "unknown amend t1", "rest t1 open"]
        assert stage.heard[-1].price == Decimal("9.5")
        assert len(stage.sent("amend")) == 1

    before, after = ok(order("t1", price="10")), ok(order("t1", price="9.5"))
    trading(act, said={"place": [ok(order("t1"))], "amend": [TimedOut("late")], "order": [before, after]})

    async def failed(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Amend("t1", price=Decimal("9.5")))
        await settle(60.0)
        assert stage.said()[2:] == ["sent amend t1", "unknown amend t1", "rest t1 open", "refused amend t1 other"]
        assert stage.heard[-2].price == Decimal(10)
        assert stage.sent("order")[-1] >= 10.0
        assert stage.gateway.unknown() == []

    trading(failed, said={"place": [ok(order("t1"))], "amend": [TimedOut("late")], "order": [before]})


def test_an_amend_that_was_only_taken_is_settled_by_the_stream_or_looked_up() -> None:
    amended = order("t1", size="2", price="9.5")

    async def streamed(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Amend("t1", price=Decimal("9.5")))
        await settle()
        assert stage.gateway.unknown() == ["t1"]
        stage.network.last("private").say(told(**amended))
        await settle(10.0)
        assert stage.said()[2:] == ["sent amend t1", "ws t1 open"]
        assert stage.sent("order") == []

    trading(streamed, said={"place": [ok(order("t1"))], "amend": [ok([])]})

    async def silent(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Amend("t1", price=Decimal("9.5")))
        await settle(2.0)
        assert stage.said()[2:] == ["sent amend t1", "rest t1 open"]
        assert stage.gateway.unknown() == []

    trading(silent, said={"place": [ok(order("t1"))], "amend": [ok([])], "order": [ok(amended)]})


def test_a_cancel_that_was_only_taken_is_looked_up_until_the_order_is_gone() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Cancel("t1"))
        await settle(5.0)
        assert stage.said()[2:] == ["sent cancel t1", "rest t1 cancelling", "rest t1 cancelled"]
        assert stage.sent("order") == [0.6]

    trading(act, said={"place": [ok(order("t1"))], "cancel": [ok(order("t1", "cancelling"))],
                       "order": [ok(order("t1", "cancelled"))]})  # fmt: skip

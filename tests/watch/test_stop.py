"""The four steps on a paper exchange: what they leave, and what they report where something goes wrong."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hand_stage import PERP, SPOT, StageHand, a_latch, every, exchange, limit, show, taken

from tapeline.errors import AuthenticationRefused, ConnectionLost, OrderRefused, OutcomeUnknown, Retry
from tapeline.model.account import OrderUpdate
from tapeline.sim.loop import run
from tapeline.trading.flatten import Steps
from tapeline.trading.paper.exchange import Exchange
from tapeline.watch.report import Left, Report
from tapeline.watch.stop import Stop, stop_all

D = Decimal
WIDE = Steps(band=D("0.02"), widen=D("0.04"), band_max=D("0.1"), slices=4)


def stopped(hand: StageHand, *, flatten: bool = False, latch: Any = None, **options: Any) -> Report:
    async def main() -> Report:
        return await Stop(
            hand=hand, latch=latch or a_latch(hand.clock), clock=hand.clock, who="ann", why="test", flatten=flatten,
            **{"steps": WIDE, **options},
        ).run()  # fmt: skip

    return run(main())


def working(at: Exchange) -> Exchange:
    at.place("main", "o1", limit("buy", "2", "95"), 5)
    if any(each.currency == "BTC" and each.total for each in at.balances("main")):
        at.place("main", "o2", limit("sell", "3", "120", SPOT), 5)
    return at


def test_open_orders_are_cancelled_and_that_is_verified() -> None:
    hand, latch = StageHand(working(exchange(btc="5"))), a_latch()
    report = stopped(hand, latch=latch)
    assert hand.at.open_orders("main") == []
    assert (report.state, report.verified, report.done, report.cancelled) == ("halted", True, True, ["o1", "o2"])
    assert report.left_orders == []
    assert report.problems == []
    assert report.lines()[-1] == "  verified with the venue"


def test_the_gate_closes_before_anything_else() -> None:
    latch, seen = a_latch(), list[str]()
    hand = StageHand(working(exchange()))
    hand.before = lambda _call: seen.append(latch.state)
    stopped(hand, latch=latch)
    assert set(seen) == {"halted"}


def test_where_cancel_all_fails_orders_are_cancelled_one_by_one() -> None:
    hand = StageHand(working(exchange(btc="5")), {"cancel_all": every(OrderRefused, 9)})
    assert stopped(hand).done
    assert hand.calls.count("cancel") == 2
    assert hand.at.open_orders("main") == []


class Twice(StageHand):
    """A venue that lists what waits for a price under two kinds."""

    async def open_orders(self) -> Sequence[OrderUpdate]:
        return [*await super().open_orders(), *await super().open_orders()]


def test_an_order_that_is_listed_twice_is_reported_once() -> None:
    report = stopped(Twice(working(exchange(btc="5"))), owns=lambda client_id: client_id == "o1")
    assert (report.done, report.cancelled, report.others) == (True, ["o1", "o2"], ["o2"])


def test_questions_are_asked_until_they_are_answered() -> None:
    hand = StageHand(
        working(exchange()),
        {"open_orders": every(ConnectionLost, 3), "cancel_all": every(Retry, 2), "cancel": [TimeoutError()],
         "positions": every(Retry, 2)},
    )  # fmt: skip
    report = stopped(hand)
    assert (report.done, report.cancelled) == (True, ["o1"])


def test_an_order_that_arrives_late_is_found() -> None:
    hand = StageHand(exchange())

    def late(call: str) -> None:
        if call == "open_orders" and len(hand.calls) == 2:
            hand.at.place("main", "late", limit("buy", "1", "90"), hand.clock.wall_ns())

    hand.before = late
    assert stopped(hand).cancelled == ["late"]


def test_a_venue_that_does_not_answer_is_given_up_and_reported() -> None:
    hand = StageHand(working(exchange()), {"open_orders": every(ConnectionLost, 1000)})
    report = stopped(hand, give_up_s=30.0)
    assert (report.verified, report.done, report.state) == (False, False, "halted")
    assert report.problems == ["given up after 30 s: open orders: ConnectionLost of the test"]
    assert report.lines()[-1] == "  NOT VERIFIED: look at the venue yourself"
    assert 30 <= (report.ended_ns - report.began_ns) / 1e9 < 35


def test_a_key_that_is_refused_is_told_at_once() -> None:
    hand = StageHand(working(exchange()), {"open_orders": every(AuthenticationRefused, 1)})
    report = stopped(hand)
    assert report.problems == ["open orders: the venue says no: AuthenticationRefused of the test"]
    assert not report.verified


# ---- flatten -----------------------------------------------------------------------------------------------------


def with_position(size: str = "8", side: str = "buy") -> Exchange:
    at = exchange(btc="0")
    at.place("main", "p1", taken(side, size), 5)
    show(at, PERP, seq=6)
    return at


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_position_is_closed_in_slices(side: str) -> None:
    hand, latch = StageHand(with_position(side=side)), a_latch()
    report = stopped(hand, flatten=True, latch=latch)
    assert hand.at.positions("main") == []
    assert (report.state, report.done, report.closed) == ("flat", True, [f"8 {PERP.id}"])
    assert report.slices >= 4
    assert [change.state for change in latch.read().changes] == ["flattening", "flat"]


def test_what_is_open_is_cancelled_before_anything_is_sold() -> None:
    hand = StageHand(with_position())
    hand.at.place("main", "o1", limit("sell", "8", "105"), 7)
    report = stopped(hand, flatten=True)
    assert (report.cancelled, report.closed, report.done) == (["o1"], [f"8 {PERP.id}"], True)
    assert hand.calls.index("cancel_all") < hand.calls.index("place")


def test_the_band_widens_where_nobody_is() -> None:
    hand = StageHand(with_position())
    show(hand.at, PERP, bids=[("99", "1"), ("93", "50")], seq=8)
    report = stopped(hand, flatten=True)
    assert (report.done, hand.at.positions("main")) == (True, [])


def test_what_nobody_takes_within_the_widest_band_stays_and_is_reported() -> None:
    hand, latch = StageHand(with_position()), a_latch()
    show(hand.at, PERP, bids=[("99", "1"), ("60", "50")], seq=8)
    report = stopped(hand, flatten=True, latch=latch)
    assert report.left_positions == [Left(PERP.id, D(7), "nobody took it within 0.1 of the price")]
    assert (report.done, report.state, report.verified) == (False, "flattening", True)
    assert any("STILL HELD" in line for line in report.lines())


def test_an_order_whose_answer_is_lost_is_never_sent_twice() -> None:
    hand = StageHand(with_position())
    lost: list[str] = []

    async def place(order: Any) -> None:
        hand.calls.append("place")
        hand.at.place("main", order.client_id, order.intent, hand.clock.wall_ns())
        lost.append(order.client_id)
        raise OutcomeUnknown("the answer was lost")

    hand.place = place  # type: ignore[method-assign]  # this one call is another
    report = stopped(hand, flatten=True)
    assert (report.done, report.closed) == (True, [f"8 {PERP.id}"])
    assert len(set(lost)) == len(lost) == report.slices


def test_an_order_that_never_left_is_waited_for_until_that_is_definite() -> None:
    hand = StageHand(with_position(), {"place": every(OutcomeUnknown, 1)})
    report = stopped(hand, flatten=True)
    assert report.done
    assert (report.ended_ns - report.began_ns) / 1e9 > hand.lag_s


def test_refusals_and_trouble_on_the_way() -> None:
    hand = StageHand(
        with_position(), {"place": [OrderRefused("no"), Retry("busy", after_s=1.0)], "top": every(Retry, 1)}
    )
    assert stopped(hand, flatten=True).done
    refused = stopped(StageHand(with_position(), {"place": every(AuthenticationRefused, 1)}), flatten=True)
    assert refused.problems == [f"{PERP.id}: AuthenticationRefused of the test"]


def test_spot_is_sold_down_to_dust_of_what_is_ours_only() -> None:
    at = exchange(btc="3")
    hand = StageHand(at, spot=D("1.0005"))
    hand.before = lambda _call: setattr(hand, "spot", _ours(at))
    report = stopped(hand, flatten=True)
    assert next(b.total for b in at.balances("main") if b.currency == "BTC") == D(2)
    assert report.left_positions == [
        Left(SPOT.id, D("0.0005"), f"0.0005 of {SPOT.id} is less than the venue takes", dust=True)
    ]
    assert (report.done, report.state, report.closed) == (True, "flat", [f"1 {SPOT.id}"])


def _ours(at: Exchange) -> Decimal:
    return D("1.0005") - sum((fill.size for fill in at.fills("main")), D(0))


def test_a_position_that_turns_is_somebody_elses_and_the_stop_stops() -> None:
    hand = StageHand(with_position())

    def meddle(call: str) -> None:
        if call == "place":
            hand.at.place("main", f"m{len(hand.calls)}", taken("sell", "20"), hand.clock.wall_ns())

    hand.before = meddle
    report = stopped(hand, flatten=True)
    assert "somebody else trades it" in report.problems[0]
    assert not report.done


def test_a_latch_that_cannot_be_written_does_not_stop_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    latch = a_latch()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(latch, "_replace", full)
    report = stopped(StageHand(working(exchange())), latch=latch)
    assert report.verified
    assert "could not be written" in report.problems[0]
    assert (report.state, report.done) == ("running", False), "what was cancelled could be ordered again"


def test_accounts_are_stopped_at_once() -> None:
    one, other = StageHand(working(exchange())), StageHand(working(exchange()), {"open_orders": every(Retry, 20)})

    async def main() -> list[Report]:
        return await stop_all([
            Stop(hand=hand, latch=a_latch(), clock=hand.clock, who="ann", why="") for hand in (one, other)
        ])  # fmt: skip

    reports = run(main())
    assert [report.done for report in reports] == [True, True]
    assert reports[0].ended_ns < reports[1].ended_ns


def test_what_is_to_be_left_is_only_looked_at() -> None:
    hand, latch = StageHand(working(exchange(btc="5"))), a_latch()
    report = stopped(hand, latch=latch, cancels=False)
    assert (report.state, report.done, report.cancelled, report.left_orders) == ("reduce_only", True, [], ["o1", "o2"])
    assert {"cancel", "cancel_all", "place"} & set(hand.calls) == set()
    assert latch.state == "reduce_only"


def test_orders_of_other_origin_are_cancelled_too_and_told_apart() -> None:
    hand = StageHand(working(exchange(btc="5")))
    report = stopped(hand, owns=lambda client_id: client_id == "o1")
    assert (report.cancelled, report.others, hand.at.open_orders("main")) == (["o1", "o2"], ["o2"], [])


def test_what_could_not_be_looked_at_is_never_called_flat_and_derivatives_are_closed_all_the_same() -> None:
    hand, latch = StageHand(with_position()), a_latch()
    hand.unsure = "nobody knows what we hold on spot"
    report = stopped(hand, latch=latch, flatten=True)
    assert (hand.at.positions("main"), report.left_positions, report.left_orders) == ([], [], [])
    assert (report.state, report.done, latch.state) == ("flattening", False, "flattening")
    assert report.problems == ["nobody knows what we hold on spot"]
    halted = stopped(hand)
    assert (halted.done, halted.problems) == (True, [])

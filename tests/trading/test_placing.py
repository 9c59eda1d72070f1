"""Orders on their way out: cut, held, sent, amended, refused."""

from decimal import Decimal

import pytest

from engine_fixtures import BTC, PERP, SECOND, Bench
from tapeline.errors import ConfigError
from tapeline.model.order import Intent
from tapeline.trading.alarms import NEVER
from tapeline.trading.command import Amend, Cancel, Hold, Note, Submit, Withdraw
from tapeline.trading.input import Failed, Timer
from tapeline.trading.record import Entry, decode, encode
from tapeline.trading.restore import restore
from tapeline.trading.risk.check import RiskLimits
from tapeline.trading.risk.limits import Tables
from tapeline.trading.setup import Abilities

D = Decimal


def test_what_the_venue_has_sold_already_is_not_sold_again_though_its_fill_is_missing() -> None:
    bench = Bench()
    bench.hold("1")
    first = bench.strategy.sell(BTC.id, "0.7")
    bench.told(first.client_id, "filled", "0.7", side="sell", kind="market")
    bench.strategy.close(BTC.id)
    assert bench.submitted(bench.price("100"))[-1].order.intent.size == D("0.3")
    bench.fill(first.client_id, "0.7")
    assert bench.strategy.position(BTC.id) == D("0.3")


def test_a_spot_sell_that_only_reduces_is_cut_to_what_is_held_and_not_ordered_elsewhere() -> None:
    bench = Bench()
    bench.hold("1")
    bench.strategy.sell(BTC.id, "0.4", price="120")
    order = bench.strategy.sell(BTC.id, "1", reduce_only=True)
    sent = bench.submitted(bench.price("100"))[-1].order.intent
    assert (sent.size, sent.reduce_only) == (D("0.6"), False), "a spot venue knows no reduce-only"
    assert order.intent.reduce_only
    assert bench.strategy.sell(BTC.id, "1", reduce_only=True).reason == "reduce_only"
    assert bench.strategy.buy(BTC.id, "1", reduce_only=True).reason == "reduce_only"


def test_what_is_free_at_the_venue_cuts_it_too() -> None:
    bench = Bench()
    bench.hold("1")
    bench.free("BTC", "0.99905")
    bench.strategy.close(BTC.id)
    assert bench.submitted(bench.price("100"))[0].order.intent.size == D("0.999")


def test_a_derivative_keeps_its_flag() -> None:
    bench = Bench()
    bench.hold("1", of=PERP)
    bench.strategy.close(PERP.id)
    sent = bench.submitted(bench.price("100"))[0].order.intent
    assert (sent.reduce_only, sent.size, sent.side) == (True, D(1), "sell")


def test_an_amend_is_rounded_judged_and_sent_once() -> None:
    bench = Bench(limits=Tables(every=RiskLimits(max_order_size=D(2))))
    bench.price("100")
    order = bench.strategy.buy(BTC.id, "1", price="90")
    bench.told(order.client_id, "open")
    assert bench.strategy.amend(order, price="91.019", size="1.50001")
    assert not bench.strategy.amend(order, price="92"), "the first has no answer yet"
    assert bench.price("100")[-2] == Amend(order.client_id, D("1.5"), D("91.01"))
    bench.told(order.client_id, "open", size=D("1.5"), price=D("91.01"))
    assert not bench.strategy.amend(order, size=3), "over the limit"
    (note,) = [each for each in bench.price("100") if isinstance(each, Note)]
    assert "max_order_size" in note.text


@pytest.mark.parametrize(
    ("amends", "change", "may"),
    [
        (frozenset(), {"price": "91"}, False), (frozenset({"smaller"}), {"size": "0.5"}, True),
        (frozenset({"smaller"}), {"size": "2"}, False), (frozenset({"price"}), {"size": "0.5"}, False),
        (frozenset({"size"}), {"size": "0.1"}, False),
    ],
)  # fmt: skip
def test_what_a_venue_does_not_amend_is_not_asked_for(
    amends: frozenset[str], change: dict[str, str], *, may: bool
) -> None:
    bench = Bench(able=Abilities(amends=amends))
    bench.price("100")
    order = bench.strategy.buy(BTC.id, "1", price="90")
    bench.told(order.client_id, "open")
    bench.fill(order.client_id, "0.1")
    assert bench.strategy.amend(order, **change) is may


def test_a_venue_that_waits_for_stops_gets_them() -> None:
    bench = Bench(able=Abilities(kinds=frozenset({"market", "limit", "stop"})))
    bench.hold("1")
    stop = bench.strategy.sell(BTC.id, "1", stop="90")
    trailing = bench.strategy.sell(BTC.id, "0.5", trail="0.1")
    commands = bench.price("100")
    assert [type(each) for each in commands] == [Submit, Hold]
    assert (stop.state, trailing.state) == ("intended", "intended")


def test_what_waits_is_judged_when_it_is_sent_and_its_form_at_once() -> None:
    bench = Bench()
    bench.hold("1")
    assert bench.strategy.sell(BTC.id, "0.01", stop="90").reason == "min_notional"
    stop = bench.strategy.sell(BTC.id, "1", stop="90")
    bench.free("BTC", "0")
    bench.price("90")
    assert bench.engine.situation.blotter.order(stop.client_id).state == "withdrawn"  # type: ignore[union-attr]  # it is there


def test_a_held_order_ends_at_its_date() -> None:
    bench = Bench()
    bench.hold("1")
    order = bench.strategy.sell(BTC.id, "1", stop="90", expires_in_s=3)
    for _ in range(4):
        bench.price("100")
    found = bench.engine.situation.blotter.order(order.client_id)
    assert found is not None
    assert (found.state, found.why) == ("withdrawn", "cancelled before it was sent")


def test_an_order_whose_time_is_over_is_cancelled_until_the_venue_lets_it() -> None:
    bench = Bench()
    bench.price("100")
    order = bench.strategy.buy(BTC.id, "1", price="90", expires_in_s=3)
    bench.told(order.client_id, "open")

    begun_ns = order.intent.expires_ns or 0

    def cancelled(after_s: int) -> bool:
        now_ns = begun_ns + after_s * SECOND
        return Cancel(order.client_id) in bench.engine.step(Timer("due", now_ns), now_ns)

    assert cancelled(0)
    assert not cancelled(10), "it is asked for, and not answered"
    for after_s in (11, 21):
        at_ns = begun_ns + after_s * SECOND
        bench.engine.step(Failed(order.client_id, "cancel", "refused", at_ns, "no right", "permission"), at_ns)
        assert not cancelled(after_s + 8)
        assert cancelled(after_s + 9)
    bench.now_ns = begun_ns + 31 * SECOND
    bench.told(order.client_id, "cancelled")
    assert not cancelled(40)
    assert bench.engine.due_ns == NEVER


def test_a_cancel_is_asked_for_once_and_of_nothing_that_is_over() -> None:
    bench = Bench()
    bench.price("100")
    order = bench.strategy.buy(BTC.id, "1", price="90")
    for _ in range(2):
        bench.strategy.cancel(order)
    assert [each for each in bench.price("100") if isinstance(each, Cancel)] == [Cancel(order.client_id)]
    bench.told(order.client_id, "cancelled")
    bench.strategy.cancel(order)
    assert bench.price("100") == []
    assert not bench.strategy.amend(order, price="91")


def test_accounts_and_orders_that_are_none_are_errors_of_the_strategy() -> None:
    bench = Bench()
    seat = bench.engine.seats["s"]
    for instrument, account in ((BTC.id, "other"), ("sim:XRP/USDT", ""), ("elsewhere:BTC/USDT", ""), (BTC.id, "x")):
        with pytest.raises(ConfigError):
            seat.place(Intent(instrument=instrument, side="buy", kind="market", size=D(1), account=account))
    with pytest.raises(ConfigError, match="has no order"):
        bench.strategy.amend("nothing", price=1)


def test_what_waited_and_is_refused_as_its_price_comes_does_not_wait_again_after_a_restart() -> None:
    bench = Bench(limits=Tables(every=RiskLimits(max_order_value=D(50))))
    bench.price("10")
    order = bench.strategy.buy(BTC.id, "1", stop="20")
    written = [*bench.price("10"), *bench.price("60")]
    assert [type(each) for each in written] == [Hold, Note, Withdraw]
    known = bench.engine.situation.blotter.order(order.client_id)
    assert known is not None
    entries = [Entry(5, decode(encode(each)), encode(each).decode()) for each in written]
    restored = restore(entries, "test", 9)
    again = restored.blotter.order(order.client_id)
    assert again is not None
    assert restored.held == {}, "it would be placed by the next run, at a price of another day"
    assert (again.state, again.reason, again.why) == (known.state, known.reason, known.why)
    assert again.state == "withdrawn"


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "1e400"])
def test_a_number_that_is_none_refuses_its_order_and_harms_no_other(number: str) -> None:
    bench = Bench(limits=Tables(every=RiskLimits(max_position=D(5))))
    bench.hold("1", of=PERP)
    buy, bad = bench.strategy.buy, D(number)
    wrong = [
        buy(PERP.id, bad), buy(BTC.id, quote=bad), buy(PERP.id, 1, price=bad), buy(PERP.id, 1, stop=bad),
        buy(PERP.id, 1, trail=bad), bench.strategy.bracket("buy", PERP.id, 1, take_profit=bad, stop="90"),
        *bench.strategy.oco("sell", PERP.id, 1, price=bad, stop="90"),
    ]  # fmt: skip
    assert {each.state for each in wrong} == {"withdrawn"}
    assert {"no number that an order can have" in each.why for each in wrong[:-2]} == {True}
    rests = buy(PERP.id, 1, price="99")
    assert rests.state == "intended", rests.why
    bench.told(rests.client_id, "open")
    for changes in ({"size": bad}, {"price": bad}, {"stop": bad}):
        assert not bench.strategy.amend(rests, **changes)
    assert bench.strategy.orders() == [bench.engine.situation.blotter.order(rests.client_id)]
    bench.price("100", PERP)  # what is held and ordered is looked at, as each second
    closes = bench.strategy.close(PERP.id)
    assert closes is not None
    assert closes.state == "intended"

"""What risk is told: positions, orders at their worst, fees and losses."""

from decimal import Decimal

from engine_fixtures import BTC, PERP, SECOND, Bench
from tapeline.model.account import Payment, Position
from tapeline.trading.accounting.ledger import Adjustment
from tapeline.trading.command import SetHalt
from tapeline.trading.input import ClockOff, Timer
from tapeline.trading.risk.check import RiskLimits
from tapeline.trading.risk.exposure import Place
from tapeline.trading.risk.limits import Tables
from tapeline.trading.risk.standing import Held

D = Decimal


def held(bench: Bench, instrument: str = PERP.id, strategy: str = "s") -> Held:
    bench.engine._guard.refresh()
    return bench.engine.situation.risk.exposure.at(Place("main", strategy, instrument))


def test_orders_count_at_their_worst_and_what_waits_with_us_does_not() -> None:
    bench = Bench()
    bench.hold("2", of=PERP)
    bench.strategy.sell(PERP.id, 5, price=200)
    bench.strategy.sell(PERP.id, 1, price=150, reduce_only=True)
    bench.strategy.sell(PERP.id, 2, stop=50)
    bench.strategy.buy(PERP.id, "0.5", price=90)
    assert held(bench) == Held(size=D(2), buys=D("0.5"), sells=D(5), reduce_sells=D(1))


def test_what_may_be_spent_counts_as_what_it_may_buy_and_orders_of_others_stand_apart() -> None:
    bench = Bench()
    bench.price("100")
    bench.strategy.buy(BTC.id, quote="90")
    assert held(bench, BTC.id).buys == D(1), "at a price a tenth lower"
    bench.told("theirs", "open", size=D(3), side="sell", price=D(200))
    assert held(bench, BTC.id, "") == Held(sells=D(3))


def test_a_limit_on_positions_sees_every_order_on_its_way() -> None:
    bench = Bench(limits=Tables(every=RiskLimits(max_position=D(3))))
    bench.price("100", PERP)
    assert bench.strategy.buy(PERP.id, 2).state == "intended"
    assert bench.strategy.buy(PERP.id, 2).state == "withdrawn"
    assert bench.strategy.buy(PERP.id, 1).state == "intended"
    assert bench.strategy.sell(PERP.id, 3).state == "intended", "the other way: at worst three short"


def test_a_loss_of_the_market_reduces_the_account_without_any_order() -> None:
    bench = Bench(limits=Tables(every=RiskLimits(max_daily_loss=D(50))))
    bench.hold("1", "100", PERP)
    bench.price("60", PERP)
    assert [each for each in bench.step(Timer("due", bench.now_ns)) if isinstance(each, SetHalt)] == []
    bench.price("45", PERP)
    (halt,) = [each for each in bench.step(Timer("due", bench.now_ns)) if isinstance(each, SetHalt)]
    assert (halt.account, halt.state, "max_daily_loss" in halt.why) == ("main", "reduce_only", True)


def test_fees_are_added_up_in_the_currency_of_all_accounts() -> None:
    bench = Bench(limits=Tables(every=RiskLimits(max_daily_fees=D(2))))
    bench.price("100")
    order = bench.strategy.buy(BTC.id, 1)
    bench.fill(order.client_id, "1", fee=D("0.03"), fee_currency="BTC")
    bench.told(order.client_id, "filled", "1")
    assert "max_daily_fees" in bench.strategy.buy(BTC.id, 1).why
    assert bench.engine.situation.risk.losses.fees(("account", "main")) == D(3)


def test_what_a_strategy_has_won_is_known_by_its_name() -> None:
    bench = Bench(limits=Tables(strategy={"s": RiskLimits(max_drawdown=D(30))}))
    bench.hold("1", "100", PERP)
    bench.step(Timer("due", bench.now_ns))
    bench.price("60", PERP)
    halts = [each for each in bench.step(Timer("due", bench.now_ns + SECOND)) if isinstance(each, SetHalt)]
    assert [("s" in each.why, each.state) for each in halts] == [(True, "reduce_only")]


def test_what_a_run_begins_with_counts_from_the_start() -> None:
    limits = Tables(every=RiskLimits(max_position=D(3)))
    before = Bench(limits=limits)
    before.hold("1", of=PERP)
    resting = before.strategy.buy(PERP.id, 1, price=90)
    before.told(resting.client_id, "open")

    situation = before.engine.situation
    after = Bench(limits=limits, blotter=situation.blotter, ledger=situation.ledger)
    assert held(after) == Held(size=D(1), buys=D(1))
    after.price("100", PERP)
    assert after.strategy.buy(PERP.id, 2).state == "withdrawn"
    assert after.strategy.buy(PERP.id, "0.5").state == "intended"


def test_a_position_that_was_put_right_counts_as_nobodys() -> None:
    bench = Bench(limits=Tables(every=RiskLimits(max_position=D(3))))
    bench.price("100", PERP)
    adjustment = Adjustment(
        account="main", ours=D(0), theirs=D(2), why="the books of this account begin here", explained=True, at_ns=1,
        instrument=PERP.id,
    )  # fmt: skip
    bench.engine.situation.ledger.adjust(adjustment, PERP)
    bench.step(adjustment)
    assert held(bench, strategy="") == Held(size=D(2))
    assert bench.strategy.buy(PERP.id, 2).state == "withdrawn"
    bench.step(Adjustment(account="main", ours=D(0), theirs=D(2), why="", explained=True, at_ns=1, currency="USDT"))


def test_a_clock_that_is_off_refuses_until_it_is_right_again() -> None:
    bench = Bench(limits=Tables(every=RiskLimits(max_clock_offset_s=0.5)))
    bench.price("100")
    bench.step(ClockOff("sim", 0.7, SECOND))
    refused = bench.strategy.buy(BTC.id, 1)
    assert (refused.state, "clock" in refused.why) == ("withdrawn", True)
    bench.step(ClockOff("sim", 0.1, SECOND))
    assert bench.strategy.buy(BTC.id, 1).state == "intended"


def test_margin_is_counted_by_the_leverage_that_the_venue_says() -> None:
    bench = Bench(limits=Tables(every=RiskLimits(max_margin_share=D("0.5"))))
    bench.step(Payment(None, "payments", 1, 1, "ws", "main", id="1", currency="USDT", amount=D(100), kind="transfer"))
    bench.price("100", PERP)
    bench.step(Position(PERP.id, "positions", 1, 1, "ws", "main", size=D(0), leverage=D(3)))
    assert bench.strategy.buy(PERP.id, "1.6").state == "withdrawn", "160 of value are 53.4 of margin, of 100"
    bench.hold("1", of=PERP)
    assert bench.engine.situation.margin("main") == D("33.3333333334")
    assert bench.strategy.buy(PERP.id, "0.6").state == "withdrawn", "with what is held, 53.4"
    assert bench.strategy.buy(PERP.id, "0.4").state == "intended"
    assert bench.engine.situation.margin_rate("main", BTC.id) is None

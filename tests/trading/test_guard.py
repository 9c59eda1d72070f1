"""What risk is told: positions, orders at their worst, fees and losses."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest

from engine_fixtures import BTC, PERP, SECOND, Bench
from tapeline.model.account import Payment, Position
from tapeline.trading.accounting.ledger import Adjustment
from tapeline.trading.command import SetHalt
from tapeline.trading.input import ClockOff, Timer
from tapeline.trading.risk.check import RiskLimits
from tapeline.trading.risk.exposure import Place
from tapeline.trading.risk.limits import Tables
from tapeline.trading.risk.standing import Held
from tapeline.trading.setup import Abilities
from tapeline.trading.strategy import Strategy
from tapeline.trading.suspects import OPENING

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


def test_what_may_be_spent_stays_exact_in_every_figure_whatever_the_prices() -> None:
    limits = RiskLimits(
        max_position_value=D(9000),
        max_gross=D(9000),
        max_net=D(9000),
        max_order_value=D(9000),
        max_order_size=D(9000),
        fat_finger_times=D(9000),
    )
    bench = Bench(limits=Tables(every=limits))
    bench.free("USDT", "100000")
    bench.price("59841.63", PERP)
    bench.price("59654.57")
    order = bench.strategy.buy(BTC.id, quote="333.37")
    assert order.state == "intended", order.why
    assert held(bench, BTC.id).buys == D("0.006209266299482356"), "rounded up, at the eighteenth digit"
    assert bench.strategy.buy(PERP.id, "0.001", price="59800.1").state == "intended", "the sum of all is asked for"
    assert [each for each in bench.step(Timer("due", bench.now_ns)) if isinstance(each, SetHalt)] == []


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


@pytest.mark.parametrize(
    ("waits", "back", "there"),
    [
        ({"stop": "90"}, None, "90"), ({"stop": "90", "price": "89"}, None, "90"),
        ({"take_profit": "110"}, None, "110"), ({"trail": "0.1"}, None, None),
        ({"take_profit": "110", "price": "111"}, "111", None),
    ],
)  # fmt: skip
def test_what_the_venue_waits_with_is_not_in_the_book_until_its_price_comes(
    waits: dict[str, Any], back: str | None, there: str | None
) -> None:
    kinds = frozenset({"market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit", "trailing_stop"})
    bench = Bench(limits=Tables(every=RiskLimits(refuse_self_trade=True)), able=Abilities(kinds=kinds))
    bench.hold("1", of=PERP)
    order = bench.strategy.sell(PERP.id, 1, reduce_only=True, **waits)
    bench.told(order.client_id, "open")

    if back is None:  # adding to what is protected
        assert bench.strategy.buy(PERP.id, 1).why == ""
        assert bench.strategy.buy(PERP.id, 1, price="100").why == ""
    else:
        assert "it could trade with" in bench.strategy.buy(PERP.id, 1, price=back).why
    if there is not None:
        bench.price(there, PERP)
        assert f"it could trade with {order.client_id}" in bench.strategy.buy(PERP.id, 1).why
        bench.price("100", PERP)
    bench.fill(order.client_id, "0.5", side="sell")
    assert f"it could trade with {order.client_id}" in bench.strategy.buy(PERP.id, 1).why


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


@pytest.mark.parametrize("seed", range(20))
def test_strategies_that_trade_against_each_other_pass_no_limit_of_theirs_nor_of_the_account(seed: int) -> None:
    chance = Random(seed)
    mine = {name: RiskLimits(max_position=D(4)) for name in "ab"}
    pair = [Strategy(name=name, instruments=(PERP.id,)) for name in "ab"]
    bench = Bench(*pair, limits=Tables(every=RiskLimits(max_position=D(3)), strategy=mine))
    bench.price("100", PERP)
    apart = 0
    for _ in range(150):
        open_orders = bench.engine.situation.blotter.live()
        if chance.random() < 0.4 or not open_orders:
            side = chance.choice(("buy", "sell"))
            chance.choice(pair).order(side, PERP.id, chance.randint(1, 4), price=D(90) if side == "buy" else D(110))
        else:
            order = chance.choice(open_orders)
            assert order.left is not None
            size = D(chance.randint(0, int(order.left)))
            if size:
                bench.fill(order.client_id, str(size), side=order.intent.side)
            if size == order.left or chance.random() < 0.5:
                state = "filled" if size == order.left else "cancelled"
                bench.told(order.client_id, state, str(order.filled + size), side=order.intent.side)
        both = held(bench, strategy="a"), held(bench, strategy="b")
        whole = Held(size=both[0].size + both[1].size, buys=both[0].buys + both[1].buys,
                     sells=both[0].sells + both[1].sells)  # fmt: skip
        assert whole.worst <= 3, both
        assert max(each.worst for each in both) <= 4, both
        apart += both[0].size * both[1].size < 0
    assert apart, "they held against each other at times"


LOSSES = Tables(every=RiskLimits(max_daily_loss=D(150), max_drawdown_share=D("0.2")))


def paid(bench: Bench, name: str, amount: str, currency: str = "USDT", kind: str = "transfer") -> list[str]:
    """What limits make of a payment, and of the second after it."""
    payment = Payment(
        None, "payments", 1, 1, "ws", "main", id=name, currency=currency, amount=D(amount), kind=kind
    )  # fmt: skip
    commands = bench.step(payment) + bench.step(Timer("due", bench.now_ns))
    return [each.why for each in commands if isinstance(each, SetHalt)]


def lost(bench: Bench) -> Decimal:
    return bench.engine.situation.risk.losses.lost_today(("account", "main"))


def test_what_is_taken_out_of_an_account_is_not_lost_and_what_is_put_in_is_not_won() -> None:
    bench = Bench(limits=LOSSES)
    assert paid(bench, "1", "1000") == []
    bench.price("100")
    assert (paid(bench, "2", "-300"), lost(bench)) == ([], D(0))
    assert (paid(bench, "3", "2", "BTC"), lost(bench)) == ([], D(0)), "coins, at their price of now"
    assert (paid(bench, "3", "2", "BTC"), lost(bench)) == ([], D(0)), "told twice"
    assert (paid(bench, "4", "-140", kind="fee"), lost(bench)) == ([], D(140)), "a charge is lost"
    assert (paid(bench, "5", "500"), lost(bench)) == ([], D(140)), "and no deposit makes it good"
    assert "max_daily_loss" in paid(bench, "6", "-20", kind="fee")[0]


def restarted(seconds: int, price: str = "100") -> tuple[list[str], Decimal]:
    """A run that begins with 5 BTC and 500 USDT, when it was worth 1,000: what it does before a price of BTC comes."""
    before = Bench(limits=LOSSES)
    before.price("100")
    paid(before, "1", "500")
    paid(before, "2", "5", "BTC")
    losses = before.engine.situation.risk.losses.memo()
    after = Bench(limits=LOSSES, ledger=before.engine.situation.ledger, losses=losses)
    halts = [each.why for _ in range(seconds) for each in after.price("7", PERP) if isinstance(each, SetHalt)]
    after.price(price)
    return halts, lost(after)


def test_a_run_that_has_heard_no_price_of_its_coins_yet_has_not_lost_them() -> None:
    assert restarted(30) == ([], D(0))
    assert restarted(30, "80") == ([], D(100)), "looked at as soon as the price comes"
    assert len(restarted(70)[0]) > 0, "after a minute what has no price counts nothing, as ever"


SMALL = Tables(every=RiskLimits(max_daily_loss=D(10), max_drawdown=D(10)))


def losses_of(bench: Bench) -> tuple[Decimal, Decimal]:
    losses = bench.engine.situation.risk.losses
    return losses.lost_today(("account", "main")), losses.drawdown(("account", "main"))[0]


def test_what_was_there_before_the_first_run_was_not_won_in_it() -> None:
    bench = Bench(limits=SMALL)
    bench.step(ClockOff("sim", 0.0, 1))  # looked at before the venue has told of anything
    for currency, amount in (("USDT", "1000"), ("BTC", "2")):
        told = Adjustment(
            account="main", currency=currency, ours=D(0), theirs=D(amount), why=OPENING, explained=True, at_ns=1
        )
        bench.engine.situation.ledger.adjust(told)
        bench.step(ClockOff("sim", 0.0, 1))  # something else comes between
        bench.step(told)
    bench.price("7", PERP)
    bench.price("100")
    assert losses_of(bench) == (D(0), D(0))
    halts = [each.why for each in bench.price("94") if isinstance(each, SetHalt)]
    assert halts == [
        f"{name} of account main is 10, and it stands at 12" for name in ("max_daily_loss", "max_drawdown")
    ]
    assert losses_of(bench) == (D(12), D(12))


def test_what_is_held_of_a_coin_before_its_first_price_was_not_won_when_that_came() -> None:
    bench = Bench(limits=SMALL)
    for number, (currency, amount) in enumerate((("USDT", "1000"), ("BTC", "2"), ("XRP", "5"))):
        bench.step(
            Payment(
                None, "payments", 1, 1, "paper", "main", id=str(number), currency=currency, amount=D(amount),
                kind="transfer",
            )
        )  # fmt: skip
    bench.price("7", PERP)
    bench.price("100")
    assert bench.price("110") == []
    assert losses_of(bench) == (D(-20), D(0)), "from its first price on it counts"
    halts = [each.why for each in bench.price("94") if isinstance(each, SetHalt)]
    assert halts[0] == "max_daily_loss of account main is 10, and it stands at 12"
    assert losses_of(bench) == (D(12), D(32))

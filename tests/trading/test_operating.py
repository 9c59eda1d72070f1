"""Halts, pauses, limits and claims; and what a restart finds."""

from decimal import Decimal
from typing import Any

from engine_fixtures import BTC, PERP, SECOND, Bench
from tapeline.model.event import Trade
from tapeline.trading.command import Cancel, CancelAll, Note, SetHalt, Submit, Withdraw
from tapeline.trading.input import Halted, Healthy, Operator, Timer
from tapeline.trading.record import Entry, decode, encode
from tapeline.trading.restore import restore
from tapeline.trading.strategy import Strategy

D = Decimal


class Sour(Strategy):
    instruments = (BTC.id, PERP.id)

    def on_health(self, health: Healthy) -> None:
        raise RuntimeError(health.text)

    def on_trade(self, trade: Trade) -> None:
        if trade.price > 1000:
            raise RuntimeError("too dear")


def word(action: str, value: str = "") -> Operator:
    return Operator(action, "main", "ann", "because", SECOND, value)


def kinds(commands: list[Any]) -> list[str]:
    return [each.kind if isinstance(each, Note) else type(each).__name__ for each in commands]


def test_a_halt_withdraws_what_waits_and_cancels_what_rests() -> None:
    bench = Bench()
    bench.hold("1")
    stop = bench.strategy.sell(BTC.id, 1, stop=50)
    bench.price("100")
    commands = bench.step(Halted("main", "flattening", "ann", SECOND))
    assert commands == [Withdraw(stop.client_id, "cancelled before it was sent", ""), CancelAll("main")]
    refused = bench.strategy.sell(BTC.id, 1, price=90)
    assert refused.state == "withdrawn", "what closes would rest in the way"
    assert "the account is flattening: nothing but cancels passes" in refused.why


def test_reduce_only_leaves_what_closes() -> None:
    bench = Bench()
    bench.hold("1", of=PERP)
    opens = bench.strategy.buy(PERP.id, 1, price=90)
    closes = bench.strategy.sell(PERP.id, 1, price=110)
    reduces = bench.strategy.sell(PERP.id, 1, price=120, reduce_only=True)
    commands = bench.step(Halted("main", "reduce_only", "ann", SECOND))
    assert [each for each in commands if isinstance(each, Cancel)] == [Cancel(opens.client_id)]
    assert {closes.asked, reduces.asked} == {""}


def test_a_strategy_that_fails_on_bad_news_is_paused_by_it() -> None:
    sour = Sour()
    bench = Bench(sour)
    assert kinds(bench.step(Halted("main", "reduce_only", "ann", SECOND))) == ["strategy_failed", "strategy_paused"]
    assert bench.engine.seats["Sour"].paused.startswith("on_health: RuntimeError")
    assert bench.step(Halted("main", "running", "ann", SECOND)) == []


def test_a_strategy_of_a_named_account_halts_that_one() -> None:
    sour = Sour(on_error="halt", account="main")
    bench = Bench(sour)
    commands = bench.price("2000")
    assert kinds(commands) == ["strategy_failed", "strategy_paused", "SetHalt"]
    assert isinstance(commands[-1], SetHalt)
    assert (commands[-1].account, commands[-1].state) == ("main", "halted")
    assert bench.engine.seats["Sour"].failures == 1


def test_words_that_are_not_the_engines_are_written_down_all_the_same() -> None:
    bench = Bench()
    assert kinds(bench.step(word("accept", "all"))) == ["operator"]
    assert kinds(bench.step(word("flatten"))) == ["SetHalt", "operator"]


def test_limits_tighten_at_once_and_loosen_by_a_persons_word() -> None:
    bench = Bench()
    bench.step(word("limits", '{"every": {"max_order_size": 2}}'))
    bench.price("100")
    assert bench.strategy.buy(BTC.id, 3).state == "withdrawn"
    commands = bench.step(word("limits", '{"every": {"max_order_size": 5}}'))
    assert [each.kind for each in commands if isinstance(each, Note)][-2:] == ["limit_waits", "operator"]
    assert bench.strategy.buy(BTC.id, 3).state == "withdrawn"
    assert "limit_loosened" in kinds(bench.step(word("confirm")))
    assert bench.strategy.buy(BTC.id, 3).state == "intended"


def tightened(bench: Bench, limits: str) -> list[tuple[str, str]]:
    """What is cancelled by tighter limits: (order, why)."""
    commands = bench.step(word("limits", limits))
    notes = {each.client_id: each.text for each in commands if isinstance(each, Note) and each.kind == "limit_cancels"}
    cancels = [each.client_id for each in commands if isinstance(each, Cancel)]
    assert list(notes) == cancels, "each is told with the reason"
    return [(client_id, notes[client_id]) for client_id in cancels]


def test_what_rests_and_exceeds_a_tightened_limit_of_one_order_is_cancelled() -> None:
    bench = Bench()
    bench.price("100")
    bench.price("100", PERP)
    small, large = bench.strategy.buy(BTC.id, 1, price=95), bench.strategy.buy(BTC.id, 4, price=95)
    far, other = bench.strategy.buy(BTC.id, 1, price=60), bench.strategy.sell(PERP.id, 3, price=110)
    for each in (small, large, far, other):
        bench.told(each.client_id, "open")

    assert tightened(bench, '{"every": {"max_order_size": 5}}') == []
    both = '{"every": {"max_order_size": 5}, "instrument": {"sim:BTC/USDT": {"max_order_size": 2}}}'
    assert tightened(bench, both) == [
        (large.client_id, "max_order_size of the instrument is 2 now, and it is 4: cancelled")
    ]
    assert tightened(bench, '{"every": {"max_order_value": 320}}') == [
        (other.client_id, "max_order_value of the account is 320 now, and it is 330: cancelled")
    ]
    assert tightened(bench, '{"strategy": {"s": {"price_distance": 0.3}}}') == [
        (far.client_id, "price_distance of the strategy is 0.3 now, and it is 0.4: cancelled")
    ]
    assert tightened(bench, '{"every": {"price_distance": 0.2}}') == [], "what is asked to be cancelled, is"
    assert small.client_id in {each.client_id for each in bench.strategy.orders() if not each.asked}


def test_a_price_that_is_now_through_the_market_is_cancelled_by_a_tighter_band() -> None:
    bench = Bench()
    bench.price("100")
    order = bench.strategy.buy(BTC.id, 1, price=99)
    bench.told(order.client_id, "open")
    bench.price("90")

    assert tightened(bench, '{"every": {"price_band": 0.2}}') == []
    assert tightened(bench, '{"every": {"price_band": 0.05}}') == [
        (order.client_id, "price_band of the account is 0.05 now, and it is 0.1: cancelled")
    ]


def test_what_is_left_of_an_order_counts_and_what_closes_or_waits_with_us_is_left() -> None:
    bench = Bench()
    bench.hold("3")
    bench.hold("3", of=PERP)
    partly, closes = bench.strategy.buy(BTC.id, 4, price=95), bench.strategy.sell(BTC.id, 3, price=110)
    reduces = bench.strategy.sell(PERP.id, 3, price=120, reduce_only=True)
    stop = bench.strategy.buy(BTC.id, 3, stop=150)
    for each in (partly, closes, reduces):
        bench.told(each.client_id, "open")
    bench.fill(partly.client_id, "2", "95")

    assert stop.client_id in bench.engine.situation.waiters
    assert tightened(bench, '{"every": {"max_order_size": 2}}') == []
    assert tightened(bench, '{"every": {"max_order_size": 1}}') == [
        (partly.client_id, "max_order_size of the account is 1 now, and it is 2: cancelled")
    ]
    denied, withdrawn = bench.price("150")[-2:]
    assert isinstance(denied, Note)
    assert denied.kind == "denied", "what waited is judged by the limits of now"
    assert isinstance(withdrawn, Withdraw)


def test_an_amend_that_is_out_counts_at_its_larger_size() -> None:
    bench = Bench()
    bench.price("100")
    order = bench.strategy.buy(BTC.id, 1, price=95)
    bench.told(order.client_id, "open")
    assert bench.strategy.amend(order, size=5)

    assert tightened(bench, '{"every": {"max_order_size": 5}}') == []
    assert tightened(bench, '{"every": {"max_order_size": 4}}') == [
        (order.client_id, "max_order_size of the account is 4 now, and it is 5: cancelled")
    ]


def test_what_waited_before_a_restart_waits_again() -> None:
    before = Bench()
    before.hold("1")
    stop = before.strategy.sell(BTC.id, 1, stop=90)
    limit, half = before.strategy.oco("sell", BTC.id, 1, price=120, stop=80)
    before.price("100")
    old = before.engine.situation
    held = {stop.client_id: "", half.client_id: ""}
    after = Bench(Strategy(name="s", instruments=(BTC.id,)), blotter=old.blotter, ledger=old.ledger, held=held)
    assert {each.client_id for each in after.strategy.orders()} == {stop.client_id, limit.client_id, half.client_id}
    (sent,) = [each for each in after.price("90") if isinstance(each, Submit)]
    assert sent.order.client_id == stop.client_id
    after.strategy.cancel(half)
    assert kinds(after.price("90"))[:2] == ["Cancel", "Withdraw"]


def test_what_ends_at_a_time_ends_then_though_the_run_that_placed_it_died() -> None:
    before = Bench()
    order = before.strategy.buy(BTC.id, 1, price=90, expires_in_s=100)
    (sent,) = before.submitted(before.price("100"))
    body = encode(sent).decode()
    restored = restore([Entry(SECOND, decode(body), body)], "test", 2 * SECOND, instruments={BTC.id: BTC})

    after = Bench(
        Strategy(name="s", instruments=(BTC.id,)), blotter=restored.blotter, ledger=restored.ledger
    )  # fmt: skip
    after.told(order.client_id, "open")
    assert Cancel(order.client_id) not in after.price("100")
    after.now_ns += 100 * SECOND
    assert Cancel(order.client_id) in after.step(Timer("due", after.now_ns))


class Stubborn(Strategy):
    instruments = (BTC.id,)
    on_error = "go_on"

    def on_trade(self, trade: Trade) -> None:
        raise RuntimeError("even" if trade.price % 2 == 0 else "odd")


def test_what_a_strategy_that_goes_on_says_again_and_again_is_written_once_a_minute_and_counted() -> None:
    bench = Bench(Stubborn(name="s"))

    def said(price: str) -> list[str]:
        return [each.text for each in bench.price(price) if isinstance(each, Note)]

    (first,) = said("2")
    assert first.startswith("on_trade: RuntimeError: even (test_operating.py:"), "with the line of its own code"
    assert [said("2") for _ in range(40)] == [[]] * 40
    assert said("3") == [first.replace("even", "odd")], "something else is said at once"
    assert [said("3") for _ in range(59)] == [[]] * 59
    assert said("3") == [first.replace("even", "odd") + ", and 59 times more before"]
    assert bench.engine.seats["s"].failures == 102


def test_the_line_is_that_of_the_strategy_where_its_call_was_refused() -> None:
    class Wrong(Strategy):
        instruments = (BTC.id,)

        def on_trade(self, trade: Trade) -> None:
            self.buy("sim:NO/SUCH", trade.size)

    bench = Bench(Wrong(name="s"))
    (failed, _paused) = [each.text for each in bench.price("2") if isinstance(each, Note)]
    assert "ConfigError" in failed
    assert "(test_operating.py:" in failed


def test_a_strategy_that_exits_is_paused_and_ends_nobody_else() -> None:
    class Gone(Strategy):
        instruments = (BTC.id,)

        def on_trade(self, _trade: Trade) -> None:
            raise SystemExit("enough")

        def on_health(self, _health: Healthy) -> None:
            raise SystemExit(1)

    bench = Bench(Gone(name="s"))
    assert kinds(bench.price("2")) == ["strategy_failed", "strategy_paused"]
    assert bench.price("3") == []
    other = Bench(Gone(name="s"))
    assert "strategy_paused" in kinds(other.step(Halted("main", "halted", "ann", SECOND)))

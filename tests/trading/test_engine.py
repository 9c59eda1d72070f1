"""The engine by its words: events in, commands out. Its parts have their own tests beside this one."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.model.account import Balance, Fill, OrderUpdate
from tapeline.model.event import Gap, Quote, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.order import Order
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.command import Cancel, CancelAll, Hold, Note, SetHalt, Submit, Withdraw
from tapeline.trading.desk import BookView
from tapeline.trading.engine import Engine
from tapeline.trading.input import Failed, Halted, Healthy, Operator, Proven, Sent, Timer
from tapeline.trading.orders import Blotter
from tapeline.trading.risk.check import RiskLimits
from tapeline.trading.risk.limits import Tables
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Plain, Strategy

D = Decimal
BTC = Instrument(
    venue="sim", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=D("0.01"),
    lot=D("0.0001"), min_notional=D(5),
)  # fmt: skip
NAME = BTC.id
SECOND = 1_000_000_000


def trade(price: str, at_ns: int = SECOND, number: int = 1) -> Trade:
    return Trade(NAME, "trades", at_ns, at_ns, "ws", str(number), number, "buy", D(price), D(1))


class Diary(Strategy):
    """Writes down what it hears; `act` is called on each trade."""

    instruments = (NAME,)
    channels = ("trades", "quotes", "book", "mark")

    def __init__(self, act: Callable[[Any, Trade], object] | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.heard: list[tuple[str, Any]] = []
        self._act = act

    def on_start(self) -> None:
        self.heard.append(("start", None))

    def on_trade(self, trade: Trade) -> None:
        self.heard.append(("trade", trade.price))
        if self._act is not None:
            self._act(self, trade)

    def on_quote(self, quote: Quote) -> None:
        self.heard.append(("quote", quote.bid))

    def on_book(self, book: BookView) -> None:
        self.heard.append(("book", book.instrument))

    def on_event(self, event: Any) -> None:
        self.heard.append(("event", type(event).__name__))

    def on_order(self, order: Order) -> None:
        self.heard.append(("order", order.state))

    def on_fill(self, fill: Fill) -> None:
        self.heard.append(("fill", fill.size))

    def on_health(self, health: Healthy) -> None:
        self.heard.append(("health", health.state))

    def on_timer(self, name: str) -> None:
        self.heard.append(("timer", name))

    def on_stop(self) -> None:
        self.heard.append(("stop", None))


def engine(*strategies: Strategy, **setup: Any) -> Engine:
    whole = Setup(accounts={"main": Account(name="main", venue="sim")}, instruments={NAME: BTC}, **setup)
    made = Engine(whole, strategies, blotter=Blotter("test"), ledger=Ledger("average"))
    made.start(0)
    return made


def buy_once(strategy: Strategy, _trade: Trade) -> None:
    if not strategy.orders() and not strategy.position(NAME):
        strategy.buy(NAME, "0.1", price="100")


def submitted(commands: Any) -> list[Submit]:
    return [each for each in commands if isinstance(each, Submit)]


def update(client_id: str, state: str, filled: str = "0", at_ns: int = 2 * SECOND) -> OrderUpdate:
    return OrderUpdate(
        NAME, "orders", at_ns, at_ns, "ws", "main", client_id=client_id, venue_id="v" + client_id[-3:], state=state,
        side="buy", kind="limit", size=D("0.1"), price=D(100), filled=D(filled),
    )  # fmt: skip


def fill(client_id: str, size: str, number: str = "f1", side: str = "buy") -> Fill:
    return Fill(
        NAME, "fills", 2 * SECOND, 2 * SECOND, "ws", "main", id=number, client_id=client_id,
        venue_id="v" + client_id[-3:], side=side, price=D(100), size=D(size), fee=D(0), fee_currency="USDT",
    )  # fmt: skip


def test_an_order_goes_out_and_its_life_comes_back() -> None:
    diary = Diary(buy_once)
    made = engine(diary)
    (command,) = submitted(made.step(trade("101"), SECOND))
    order = command.order
    assert (order.intent.size, order.intent.price, order.intent.account) == (D("0.1"), D(100), "main")
    made.step(Sent(order.client_id, "submit", SECOND), SECOND)
    made.step(update(order.client_id, "open"), 2 * SECOND)
    made.step(fill(order.client_id, "0.04"), 2 * SECOND)
    made.step(fill(order.client_id, "0.04"), 2 * SECOND)
    made.step(fill(order.client_id, "0.06", "f2"), 3 * SECOND)
    made.step(update(order.client_id, "filled", "0.1"), 3 * SECOND)
    assert diary.position(NAME) == D("0.1")
    assert diary.positions[NAME].entry_price == D(100)
    assert [what for name, what in diary.heard if name == "fill"] == [D("0.04"), D("0.06")]
    assert [what for name, what in diary.heard if name == "order"][-1] == "filled"


def test_the_same_inputs_give_the_same_commands_byte_for_byte() -> None:
    def run(price: str) -> str:
        made = engine(Diary(buy_once))
        made.step(trade("101"), SECOND)
        made.step(trade(price), 2 * SECOND)
        made.stop(3 * SECOND)
        return made.digest

    assert run("102") == run("102") != ""
    other = engine(Diary(lambda strategy, _: strategy.buy(NAME, "0.2", price="100")))
    other.step(trade("101"), SECOND)
    assert other.digest != run("102")


def test_market_events_alone_command_nothing_and_change_no_digest() -> None:
    made = engine(Diary())
    before = made.digest
    assert made.step(trade("101"), SECOND) == ()
    assert made.digest == before


def test_what_risk_denies_is_told_and_never_sent() -> None:
    diary = Diary(buy_once)
    made = engine(diary, limits=Tables(every=RiskLimits(max_order_value=D(5))))
    commands = made.step(trade("101"), SECOND)
    assert submitted(commands) == []
    (note,) = [each for each in commands if isinstance(each, Note)]
    assert (note.kind, "max_order_value" in note.text) == ("denied", True)
    assert ("order", "withdrawn") in diary.heard


def test_what_rounding_leaves_nothing_of_is_refused_with_the_reason() -> None:
    orders: list[Order] = []
    diary = Diary(lambda strategy, _: orders.append(strategy.buy(NAME, "0.00001")))
    engine(diary).step(trade("101"), SECOND)
    assert (orders[0].state, orders[0].reason) == ("withdrawn", "lot")


def test_an_exception_pauses_the_strategy_cancels_its_orders_and_leaves_others_alone() -> None:
    def act(strategy: Strategy, event: Trade) -> None:
        buy_once(strategy, event)
        if event.price > 200:
            raise RuntimeError("no idea")

    bad, good = Diary(act, name="bad"), Diary(name="good")
    made = engine(bad, good)
    (order,) = submitted(made.step(trade("101"), SECOND))
    commands = made.step(trade("201"), 2 * SECOND)
    assert Cancel(order.order.client_id) in commands
    assert [each.kind for each in commands if isinstance(each, Note)] == ["strategy_failed", "strategy_paused"]
    made.step(trade("102"), 3 * SECOND)
    assert [what for name, what in bad.heard if name == "trade"] == [D(101), D(201)]
    assert [what for name, what in good.heard if name == "trade"] == [D(101), D(201), D(102)]
    made.step(Operator("unpause", "main", "ann", "fixed", 4 * SECOND, "bad"), 4 * SECOND)
    made.step(trade("103"), 5 * SECOND)
    assert bad.heard[-1] == ("trade", D(103))


def test_a_strategy_that_was_paused_has_its_timers_again() -> None:
    diary = Diary()
    made = engine(diary)
    diary.every(10, "beat")
    diary.after(15, "once")
    made.step(Operator("pause", "main", "ann", "wait", SECOND, diary.name), SECOND)
    made.step(trade("101"), 18 * SECOND)
    assert [what for name, what in diary.heard if name == "timer"] == []
    made.step(Operator("unpause", "main", "ann", "go on", 19 * SECOND, diary.name), 19 * SECOND)
    made.step(Timer("due", 21 * SECOND), 21 * SECOND)
    assert [what for name, what in diary.heard if name == "timer"] == ["once", "beat"]


def test_an_exception_may_halt_the_account_or_be_no_more_than_told() -> None:
    def fail(_strategy: Strategy, _trade: Trade) -> None:
        raise RuntimeError("no idea")

    halting = engine(Diary(fail, on_error="halt")).step(trade("101"), SECOND)
    assert [each.state for each in halting if isinstance(each, SetHalt)] == ["halted"]
    tolerant = Diary(fail, on_error="go_on")
    made = engine(tolerant)
    made.step(trade("101"), SECOND)
    made.step(trade("102"), SECOND)
    assert len([1 for name, _ in tolerant.heard if name == "trade"]) == 2


def test_a_halt_closes_the_gate_cancels_all_and_is_told() -> None:
    diary = Diary(buy_once)
    made = engine(diary)
    made.step(trade("101"), SECOND)
    commands = made.step(Halted("main", "halted", "ann: lunch", 2 * SECOND), 2 * SECOND)
    assert CancelAll("main") in commands
    assert diary.heard[-1] == ("health", "fail")
    assert made.halt("main") == "halted"
    assert diary.buy(NAME, "0.1", price="90").state == "withdrawn"
    made.step(Halted("main", "running", "ann: back", 3 * SECOND), 3 * SECOND)
    assert diary.buy(NAME, "0.1", price="90").state == "intended"


def test_reduce_only_cancels_what_opens_and_lets_what_closes_pass() -> None:
    diary = Diary(buy_once)
    made = engine(diary)
    (order,) = submitted(made.step(trade("101"), SECOND))
    client_id = order.order.client_id
    made.step(fill(client_id, "0.1"), SECOND)
    made.step(update(client_id, "filled", "0.1"), SECOND)
    opening = diary.buy(NAME, "0.1", price="90")
    closing = diary.sell(NAME, "0.05", price="110")
    commands = made.step(Halted("main", "reduce_only", "loss", 2 * SECOND), 2 * SECOND)
    cancelled = [each.client_id for each in commands if isinstance(each, Cancel)]
    assert (cancelled, closing.state) == ([opening.client_id], "intended")
    assert diary.buy(NAME, "0.1", price="90").state == "withdrawn"
    assert diary.sell(NAME, "0.05", price="111").state == "intended"


def test_operators_words_are_commands_or_acts_and_always_written_down() -> None:
    made = engine(Diary(name="d"))
    commands = made.step(Operator("halt", "main", "ann", "odd prices", SECOND), SECOND)
    assert SetHalt("main", "halted", "ann: odd prices", "ann") in commands
    made.step(Operator("pause", "main", "ann", "look", SECOND, "d"), SECOND)
    assert made.seats["d"].paused == "ann: look"
    looser = Operator("limits", "main", "ann", "more", SECOND, '{"every": {"max_order_value": "5"}}')
    made.step(looser, SECOND)
    assert made.situation.risk.limits.now.every.max_order_value == D(5)
    waits = made.step(Operator("limits", "main", "ann", "more", SECOND, '{"every": {"max_order_value": "9"}}'), SECOND)
    assert "limit_waits" in [each.kind for each in waits if isinstance(each, Note)]
    assert made.situation.risk.limits.now.every.max_order_value == D(5)
    made.step(Operator("confirm", "main", "ann", "sure", SECOND), SECOND)
    assert made.situation.risk.limits.now.every.max_order_value == D(9)
    for action, value, why in (
        ("pause", "who", "no strategy"), ("limits", "{", "limits of ann"), ("claim", f"{NAME} 77", "no order of other"),
    ):  # fmt: skip
        [refused] = made.step(Operator(action, "main", "ann", "look", SECOND, value), SECOND)
        assert isinstance(refused, Note)
        assert refused.kind == "operator_refused"
        assert why in refused.text


def test_an_order_of_other_origin_is_left_alone_until_it_is_claimed() -> None:
    diary = Diary(name="d")
    made = engine(diary)
    made.step(update("theirs", "open"), SECOND)
    assert made.stop(SECOND) == ()
    made = engine(diary)
    made.step(update("theirs", "open"), SECOND)
    made.step(Operator("claim", "main", "ann", "mine", SECOND, f"{NAME} virs"), SECOND)
    assert Cancel("theirs") in made.stop(SECOND)


def test_a_stop_waits_with_us_where_the_venue_cannot_and_goes_out_at_its_price() -> None:
    diary = Diary(buy_once)
    made = engine(diary)
    made.step(trade("101"), SECOND)
    made.step(Balance(None, "balances", 1, 1, "ws", "main", currency="BTC", total=D(1), free=D(1)), SECOND)
    order = diary.sell(NAME, "0.1", stop="95")
    (held,) = [each for each in made.step(trade("96"), SECOND) if isinstance(each, Hold)]
    assert held.client_id == order.client_id
    (sent,) = submitted(made.step(trade("95"), SECOND))
    assert (sent.order.client_id, sent.order.intent.kind) == (order.client_id, "market")
    assert sent.order.intent.stop_price is None


def test_a_held_order_is_withdrawn_when_it_is_cancelled() -> None:
    diary = Diary()
    made = engine(diary)
    made.step(trade("101"), SECOND)
    order = diary.sell(NAME, "0.1", stop="95")
    assert not diary.amend(order, price="90")
    diary.cancel(order)
    commands = made.step(trade("80"), SECOND)
    assert submitted(commands) == []
    assert [type(each) for each in commands] == [Hold, Note, Withdraw]
    assert ("order", "withdrawn") in diary.heard


def test_good_till_a_date_is_kept_by_us_where_the_venue_does_not() -> None:
    diary = Diary()
    made = engine(diary)
    made.step(trade("101"), SECOND)
    order = diary.buy(NAME, "0.1", price="100", expires_in_s=5)
    (sent,) = submitted(made.step(trade("101"), SECOND))
    assert sent.order.intent.time_in_force == "gtc"
    assert Cancel(order.client_id) in made.step(Timer("due", 6 * SECOND), 6 * SECOND)


def test_timers_ring_once_or_again_and_by_name_or_function() -> None:
    rung: list[str] = []

    class Clock(Diary):
        def on_start(self) -> None:
            self.after(1, "once")
            self.every(2, lambda: rung.append("again"))

    clock = Clock()
    made = engine(clock)
    assert made.due_ns == SECOND
    made.step(Timer("due", SECOND), SECOND)
    for second in range(2, 7):
        made.step(Timer("due", second * SECOND), second * SECOND)
    assert (clock.heard, rung) == ([("timer", "once")], ["again"] * 3)


def test_data_that_are_not_proven_let_positions_be_closed_and_nothing_else() -> None:
    diary = Diary(require=10.0)
    made = engine(diary)
    made.step(trade("101"), 100 * SECOND)
    assert "not proven" in diary.buy(NAME, "0.1", price="100").why
    made.step(Proven(NAME, "trades", 80 * SECOND, 100 * SECOND, 100 * SECOND), 100 * SECOND)
    assert diary.proven(NAME, last_s=20)
    order = diary.buy(NAME, "0.1", price="100")
    assert order.state == "intended"
    made.step(fill(order.client_id, "0.1"), 100 * SECOND)
    made.step(
        Gap(NAME, "trades", 95 * SECOND, 101 * SECOND, "ws", 85 * SECOND, None, None, None, "link_down"), 101 * SECOND
    )
    assert diary.buy(NAME, "0.1", price="100").state == "withdrawn"
    assert diary.sell(NAME, "NaN", price="110").state == "withdrawn"
    assert diary.sell(NAME, "0.1", price="110").state == "intended"


def test_a_stop_of_the_run_cancels_what_is_open_or_keeps_it() -> None:
    made = engine(Diary(buy_once))
    (order,) = submitted(made.step(trade("101"), SECOND))
    assert Cancel(order.order.client_id) in made.stop(2 * SECOND)
    keeping = engine(Diary(buy_once), at_stop="keep")
    keeping.step(trade("101"), SECOND)
    assert [each for each in keeping.stop(2 * SECOND) if isinstance(each, Cancel)] == []


def test_a_failed_submit_is_told_and_an_unknown_one_stays_in_flight() -> None:
    diary = Diary(buy_once)
    made = engine(diary)
    (order,) = submitted(made.step(trade("101"), SECOND))
    client_id = order.order.client_id
    made.step(Sent(client_id, "submit", SECOND), SECOND)
    made.step(Failed(client_id, "submit", "unknown", SECOND, "no answer"), SECOND)
    assert [each.state for each in diary.orders()] == ["unknown"]
    made.step(trade("101"), SECOND)
    assert len(diary.orders()) == 1, "it is not sent again"
    made.step(update(client_id, "rejected"), SECOND)
    assert diary.heard[-1] == ("order", "rejected")


def test_a_function_is_a_strategy_too() -> None:
    def follow(desk: Strategy, event: Trade) -> None:
        if event.price > 100 and not desk.orders():
            desk.buy(NAME, "0.1")

    made = engine(Plain(follow, instruments=(NAME,)))
    assert submitted(made.step(trade("99"), SECOND)) == []
    (sent,) = submitted(made.step(trade("101"), SECOND))
    assert (sent.order.intent.strategy, sent.order.intent.kind) == ("follow", "market")


def test_a_strategy_that_answers_its_own_orders_for_ever_is_paused() -> None:
    class Loop(Diary):
        def on_order(self, order: Order) -> None:
            self.buy(order.intent.instrument, "0.00001")

    loop = Loop(lambda strategy, _: strategy.buy(NAME, "0.00001"))
    made = engine(loop)
    made.step(trade("101"), SECOND)
    assert "news in one step" in made.seats["Loop"].paused


def test_two_strategies_of_one_name_and_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="one name"):
        engine(Diary(), Diary())
    with pytest.raises(ConfigError, match="did you mean 'require'"):
        Diary(requires=1)
    with pytest.raises(ConfigError, match="on_error"):
        Diary(on_error="explode")


def test_a_strategy_cannot_touch_what_is_not_its_own() -> None:
    one, two = Diary(buy_once, name="one"), Diary(name="two")
    made = engine(one, two)
    (order,) = submitted(made.step(trade("101"), SECOND))
    with pytest.raises(ConfigError, match="has no order"):
        two.cancel(order.order.client_id)
    assert (two.orders(), len(one.orders())) == ([], 1)

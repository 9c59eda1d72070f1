"""OCO and brackets, and the race that they must never lose: both halves filled."""

from decimal import Decimal
from typing import Any

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.event import Trade
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.command import Amend, Cancel, Hold, Submit, Withdraw
from tapeline.trading.engine import Engine
from tapeline.trading.input import Failed, Sent, Timer
from tapeline.trading.orders import Blotter
from tapeline.trading.setup import Abilities, Account, Setup
from tapeline.trading.strategy import Strategy

D = Decimal
PERP = Instrument(
    venue="sim", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    tick=D("0.1"), lot=D("0.001"),
)  # fmt: skip
NAME = PERP.id
SECOND = 1_000_000_000


class Desk:
    """An engine with one strategy, and a venue that says what the test wants."""

    def __init__(self, amends: frozenset[str] = frozenset({"size", "price"}), stops: str = "stop") -> None:
        self.strategy = Strategy(instruments=(NAME,), name="s")
        setup = Setup(
            accounts={"main": Account(name="main", venue="sim")}, instruments={NAME: PERP},
            abilities={"sim": Abilities(kinds=frozenset({"market", "limit", stops}), amends=amends)},
        )  # fmt: skip
        self.engine = Engine(setup, [self.strategy], blotter=Blotter("test"), ledger=Ledger("average"))
        self.now_ns = SECOND
        self.engine.start(0)
        self.price("100")

    def step(self, event: Any) -> list[Any]:
        self.now_ns += SECOND
        return list(self.engine.step(event, self.now_ns))

    def price(self, price: str) -> list[Any]:
        return self.step(Trade(NAME, "trades", self.now_ns, self.now_ns, "ws", "1", 1, "buy", D(price), D(1)))

    def flush(self) -> list[Any]:
        return self.price("100")

    def told(self, client_id: str, state: str, filled: str = "0", size: str = "1", side: str = "sell") -> list[Any]:
        return self.step(
            OrderUpdate(
                NAME, "orders", self.now_ns, self.now_ns, "ws", "main", client_id=client_id, venue_id="v" + client_id,
                state=state, side=side, kind="limit", size=D(size), filled=D(filled),
            )
        )  # fmt: skip

    def fill(self, client_id: str, size: str, side: str = "sell") -> list[Any]:
        return self.step(
            Fill(
                NAME, "fills", self.now_ns, self.now_ns, "ws", "main", id=str(self.now_ns), client_id=client_id,
                venue_id="v" + client_id, side=side, price=D(100), size=D(size), fee=D(0), fee_currency="USDT",
            )
        )  # fmt: skip


def kinds(commands: list[Any]) -> list[tuple[str, str]]:
    names = []
    for each in commands:
        if isinstance(each, Submit):
            names.append(("submit", each.order.client_id))
        elif isinstance(each, Cancel | Amend | Hold | Withdraw):
            names.append((type(each).__name__.lower(), each.client_id))
    return names


def test_of_an_oco_the_limit_is_sent_and_the_stop_waits_though_the_venue_knows_stops() -> None:
    desk = Desk()
    limit, stop = desk.strategy.oco("sell", NAME, 1, price="110", stop="90")
    assert kinds(desk.flush()) == [("hold", stop.client_id), ("submit", limit.client_id)]
    assert limit.intent.group == stop.intent.group != ""


def test_the_limit_that_is_filled_withdraws_the_stop() -> None:
    desk = Desk()
    limit, stop = desk.strategy.oco("sell", NAME, 1, price="110", stop="90")
    desk.flush()
    desk.told(limit.client_id, "open")
    assert kinds(desk.fill(limit.client_id, "1")) == [("withdraw", stop.client_id)]
    desk.told(limit.client_id, "filled", "1")
    assert desk.strategy.orders() == []


def test_a_stop_whose_price_has_come_is_sent_once_the_limit_is_gone_for_certain_and_of_what_is_left() -> None:
    desk = Desk()
    limit, stop = desk.strategy.oco("sell", NAME, 1, price="110", stop="90")
    desk.flush()
    desk.told(limit.client_id, "open")
    assert kinds(desk.price("90")) == [("cancel", limit.client_id)]
    assert kinds(desk.price("89")) == [], "it is asked for once"
    desk.fill(limit.client_id, "0.3")
    assert kinds(desk.told(limit.client_id, "unknown")) == [], "nobody knows: it may still be filled"
    commands = desk.told(limit.client_id, "cancelled", "0.3")
    (sent,) = [each for each in commands if isinstance(each, Submit)]
    assert (sent.order.client_id, sent.order.intent.size, sent.order.intent.kind) == (
        stop.client_id, D("0.7"), "market"
    )  # fmt: skip


def test_a_limit_that_was_filled_while_its_cancel_was_on_the_way_ends_the_stop_too() -> None:
    desk = Desk()
    limit, stop = desk.strategy.oco("sell", NAME, 1, price="110", stop="90")
    desk.flush()
    desk.told(limit.client_id, "open")
    desk.price("90")
    assert kinds(desk.fill(limit.client_id, "1")) == [("withdraw", stop.client_id)]
    assert kinds(desk.told(limit.client_id, "filled", "1")) == []


def test_a_cancel_of_one_cancels_both_and_a_refusal_of_one_leaves_none() -> None:
    desk = Desk()
    limit, stop = desk.strategy.oco("sell", NAME, 1, price="110", stop="90")
    desk.strategy.cancel(stop)
    assert kinds(desk.flush())[-2:] == [("cancel", limit.client_id), ("withdraw", stop.client_id)]
    refused = desk.strategy.oco("sell", NAME, "0.0001", price="110", stop="90")
    assert {each.state for each in refused} == {"withdrawn"}
    unpriced = desk.strategy.oco("sell", NAME, 1, price="110", stop="0.01")
    assert {(each.state, each.reason) for each in unpriced} == {("withdrawn", "tick")}


def test_a_bracket_protects_what_is_filled_and_no_more() -> None:
    desk = Desk()
    entry = desk.strategy.bracket("buy", NAME, 1, price="100", take_profit="110", stop="90")
    holds = [each for each in desk.flush() if isinstance(each, Hold)]
    profit, stop = (each.client_id for each in holds)
    assert [each.after for each in holds] == [entry.client_id] * 2
    assert [each.intent.reduce_only for each in holds] == [True, True]
    desk.told(entry.client_id, "open", side="buy")
    assert kinds(desk.price("89")) == [], "nothing is held yet"
    desk.fill(entry.client_id, "0.4", "buy")
    assert kinds(desk.price("89")) == [("cancel", entry.client_id)]
    commands = desk.told(entry.client_id, "cancelled", "0.4", side="buy")
    (sent,) = [each for each in commands if isinstance(each, Submit)]
    assert (sent.order.client_id, sent.order.intent.size) == (stop, D("0.4"))
    assert kinds(desk.fill(stop, "0.4")) == [("withdraw", profit)]
    desk.told(stop, "filled", "0.4", "0.4")
    assert desk.strategy.position(NAME) == 0


def test_a_brackets_take_profit_rests_at_the_venue_once_the_entry_is_over() -> None:
    desk = Desk(stops="none")
    entry = desk.strategy.bracket("buy", NAME, 1, take_profit="110", stop="90")
    profit, stop = (each.client_id for each in desk.flush() if isinstance(each, Hold))
    desk.fill(entry.client_id, "1", "buy")
    commands = desk.told(entry.client_id, "filled", "1", side="buy")
    (sent,) = [each for each in commands if isinstance(each, Submit)]
    assert (sent.order.client_id, sent.order.intent.kind, sent.order.intent.price) == (profit, "limit", D(110))
    desk.told(profit, "open")
    desk.fill(profit, "0.5")
    assert kinds(desk.price("90")) == [("cancel", profit)]
    (last,) = [each for each in desk.told(profit, "cancelled", "0.5") if isinstance(each, Submit)]
    assert (last.order.client_id, last.order.intent.size) == (stop, D("0.5"))


def test_an_entry_that_is_cancelled_unfilled_takes_its_bracket_with_it() -> None:
    desk = Desk()
    entry = desk.strategy.bracket("buy", NAME, 1, price="99", take_profit="110", stop="90")
    desk.flush()
    desk.told(entry.client_id, "open", side="buy")
    desk.strategy.cancel(entry)
    desk.flush()
    desk.told(entry.client_id, "cancelled", side="buy")
    assert desk.strategy.orders() == []


def test_a_bracket_one_of_whose_halves_cannot_be_sends_nothing() -> None:
    desk = Desk()
    for price in (None, "99"):  # at the market it would have been filled, and nothing would protect it
        entry = desk.strategy.bracket("buy", NAME, 1, price=price, take_profit="110", stop="0.01")
        assert entry.state == "withdrawn"
        assert entry.why == "its stop could not be: nothing is left of the price at a tick of 0.1"
    entry = desk.strategy.bracket("sell", NAME, 1, take_profit="NaN", stop="110")
    assert entry.why == "its take-profit could not be: price NaN is no number that an order can have"
    refused = desk.strategy.bracket("buy", NAME, "0.0001", price="99", take_profit="110", stop="90")
    assert refused.why == "nothing is left of 0.0001 at a lot of 0.001"
    assert desk.strategy.orders() == []
    assert {type(each).__name__ for each in desk.flush()} == {"Note"}


def test_a_group_is_found_again_after_a_restart() -> None:
    desk = Desk(stops="none")
    entry = desk.strategy.bracket("buy", NAME, 1, take_profit="110", stop="90")
    holds = [each for each in desk.flush() if isinstance(each, Hold)]
    desk.fill(entry.client_id, "1", "buy")
    old = desk.engine.situation
    strategy = Strategy(instruments=(NAME,), name="s")
    again = Engine(
        old.setup, [strategy], blotter=old.blotter, ledger=old.ledger,
        held={each.client_id: each.after for each in holds},
    )  # fmt: skip
    again.start(desk.now_ns)
    desk.engine, desk.strategy = again, strategy
    desk.flush()
    commands = desk.told(entry.client_id, "filled", "1", side="buy")
    assert kinds(commands) == [("submit", holds[0].client_id)]
    desk.told(holds[0].client_id, "open")
    assert kinds(desk.price("90")) == [("cancel", holds[0].client_id)]


def test_a_cancel_that_the_venue_refuses_is_sent_again_ever_later_and_the_stop_goes_once_it_is_done() -> None:
    desk = Desk()
    limit, stop = desk.strategy.oco("sell", NAME, 1, price="110", stop="90")
    desk.flush()
    desk.told(limit.client_id, "open")
    assert kinds(desk.price("90")) == [("cancel", limit.client_id)]
    waits_s: list[float] = []
    while len(waits_s) < 8:
        began_ns = desk.now_ns
        desk.engine.step(Sent(limit.client_id, "cancel", began_ns), began_ns)
        refused = Failed(limit.client_id, "cancel", "refused", began_ns, "no right", "permission")
        assert desk.engine.step(refused, began_ns) == (), "not at the speed of the venue's answers"
        while not kinds(list(desk.engine.step(Timer("", desk.now_ns), desk.now_ns))):
            desk.now_ns += SECOND // 4
        waits_s.append((desk.now_ns - began_ns) / SECOND)
    assert waits_s == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    (last,) = [each for each in desk.told(limit.client_id, "cancelled") if isinstance(each, Submit)]
    assert last.order.client_id == stop.client_id

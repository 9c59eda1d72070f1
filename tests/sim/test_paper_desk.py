"""Order calls by themselves; over a venue's protocol they are in test_paper.py."""

from decimal import Decimal
from typing import Any

import pytest
import toy_orders as toy
from toy_venue import AB, PERP

from tapeline.errors import OrderRefused
from tapeline.model.account import AccountMode, Fill, OrderUpdate
from tapeline.model.event import BookSnapshot
from tapeline.model.order import Intent
from tapeline.sim.paper.desk import Desk, Done
from tapeline.sim.paper.streams import Streams
from tapeline.trading.paper.exchange import Exchange
from tapeline.venues.orders import ListenKey, OrderAsk

D = Decimal


def desk() -> tuple[Desk, Exchange]:
    exchange = Exchange({AB.id: AB, PERP.id: PERP})
    exchange.open_account("a", {"B": D(1000), "USDT": D(1000)})
    for one in (AB, PERP):
        exchange.market(BookSnapshot(one.id, "book", 1, 1, "ws", [("99", "5")], [("100", "2"), ("101", "9")]), 1)
    return Desk(exchange, Streams(toy.ORDER_SERVER, {AB.id: AB}, 100)), exchange


def ask(call: str, **more: Any) -> OrderAsk:
    return OrderAsk(call=call, **more)


def place(name: str, size: str = "1", price: str | None = None) -> OrderAsk:
    intent = Intent(
        instrument=AB.id,
        side="buy",
        kind="limit" if price else "market",
        size=D(size),
        price=None if price is None else D(price),
    )
    return ask("place", client_id=name, intent=intent, instrument=AB)


def names(done: Done) -> list[str]:
    return [one.client_id for one in done.answers if isinstance(one, OrderUpdate)]


def test_an_order_is_answered_with_its_fills_and_its_state_and_told_with_all_else() -> None:
    made, _ = desk()
    done = made.perform("a", place("x", "3"), 5)
    assert [type(one) for one in done.answers] == [Fill, Fill, OrderUpdate]
    assert len(done.told) == 9
    update = done.answers[-1]
    assert isinstance(update, OrderUpdate)
    assert (update.state, update.account) == ("filled", "a")


def test_lists() -> None:
    made, _ = desk()
    made.perform("a", place("x"), 5)
    made.perform("a", place("y", price="98"), 6)
    assert names(made.perform("a", ask("open_orders"), 7)) == ["y"]
    assert names(made.perform("a", ask("open_orders", instrument=PERP), 7)) == []
    assert names(made.perform("a", ask("closed_orders"), 7)) == ["x"]
    assert names(made.perform("a", ask("order", venue_id="1"), 7)) == ["x"]
    assert len(made.perform("a", ask("fills", venue_id="1"), 7).answers) == 1
    assert len(made.perform("a", ask("fills", client_id="y"), 7).answers) == 0
    assert len(made.perform("a", ask("fills", from_id="1"), 7).answers) == 0
    assert len(made.perform("a", ask("balances"), 7).answers) == 3
    assert made.perform("a", ask("payments", from_ns=0), 7).answers == []
    assert made.perform("a", ask("positions"), 7).answers == []


def test_cancels_by_either_name_and_by_list() -> None:
    made, _ = desk()
    for name in ("x", "y", "z"):
        made.perform("a", place(name, price="98"), 5)
    assert names(made.perform("a", ask("cancel", venue_id="1"), 6)) == ["x"]
    assert names(made.perform("a", ask("cancel_all", venue_ids=("1", "2", "77")), 6)) == ["y"]
    assert names(made.perform("a", ask("cancel_all", instrument=PERP), 6)) == []
    assert names(made.perform("a", ask("amend", client_id="z", price=D(97)), 6)) == ["z"]
    assert names(made.perform("a", ask("cancel_all"), 6)) == ["z"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [(ask("place"), "parameter"), (ask("cancel", venue_id="9"), "unknown_order"), (ask("order"), "unknown_order"),
     (ask("leverage", instrument=AB), "parameter"), (ask("fly"), "unsupported")],
)  # fmt: skip
def test_what_cannot_be_done(wrong: OrderAsk, reason: str) -> None:
    with pytest.raises(OrderRefused) as error:
        desk()[0].perform("a", wrong, 5)
    assert error.value.reason == reason


def test_the_account_and_its_listen_key() -> None:
    made, exchange = desk()
    (mode,) = made.perform("a", ask("position_mode", hedge=True), 5).answers
    assert isinstance(mode, AccountMode)
    assert mode.hedge
    made.perform("a", ask("leverage", instrument=PERP, leverage=D(3)), 5)
    assert exchange.account("a").leverage == {PERP.id: D(3)}
    made.perform("a", ask("dead_man", countdown_s=2), 5)
    assert exchange.next_ns() == 2_000_000_005
    made.perform("a", ask("dead_man", countdown_s=0), 5)
    assert exchange.next_ns() is None
    (key,) = made.perform("a", ask("listen_key"), 5).answers
    assert isinstance(key, ListenKey)
    assert made.perform("a", ask("listen_key_alive", listen_key=key.key), 6).answers == [key]
    assert made.perform("a", ask("listen_key_close", listen_key=key.key), 6).answers == []
    assert [len(made.state("a", channel)) for channel in ("balances", "positions", "orders")] == [2, 0, 0]

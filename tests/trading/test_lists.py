"""Lists of the venue, by themselves: who is of which, and what may still come of one."""

from decimal import Decimal

import pytest

from tapeline.errors import Broken
from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.order import Intent
from tapeline.trading.input import Failed, Forget, Sent
from tapeline.trading.orders import Blotter

D = Decimal
BTC = "v:BTC/USDT"


class Stage:
    """A blotter with one list of a limit and a stop of ten."""

    def __init__(self) -> None:
        self.blotter = Blotter("i")
        self.name, self.limit, self.stop = (self.blotter.next_id("s") for _ in range(3))
        for name, kind in ((self.limit, "limit"), (self.stop, "stop")):
            intent = Intent(instrument=BTC, side="sell", kind=kind, size=D(10), account="a", strategy="s")
            self.blotter.intend(name, intent, 1)
            self.blotter.apply(Sent(name, "submit", 1), 1)
        self.blotter.tie(self.name, [self.limit, self.stop])

    def fill(self, name: str, size: str) -> None:
        self.blotter.apply(
            Fill(
                BTC, "fills", 2, 2, "ws", "a", id=size + name, client_id=name, venue_id="v" + name, side="sell",
                price=D(1), size=D(size),
            ), 2,
        )  # fmt: skip

    def told(self, name: str, state: str, filled: str = "0") -> None:
        self.blotter.apply(
            OrderUpdate(BTC, "orders", 3, 3, "ws", "a", client_id=name, venue_id="v" + name, state=state,
                        side="sell", size=D(10), filled=D(filled)), 3,
        )  # fmt: skip

    @property
    def worst(self) -> Decimal:
        return self.blotter.worst("a", BTC).sell


def test_who_is_of_which() -> None:
    stage = Stage()
    lists = stage.blotter.lists
    assert (lists.of(stage.limit), lists.of("nobody")) == (stage.name, "")
    assert [each.client_id for each in lists.others(stage.limit)] == [stage.stop]
    assert lists.others("nobody") == []
    with pytest.raises(Broken, match="no order of ours"):
        stage.blotter.tie("more", [stage.limit, "nobody"])


def test_the_worst_is_what_one_may_be_filled_less_what_any_was() -> None:
    stage = Stage()
    assert stage.worst == 10
    stage.fill(stage.limit, "3")
    assert stage.worst == 7, "the stop is still open, as far as was told"
    stage.told(stage.limit, "filled", "10")
    assert stage.worst == 7, "that much is filled by the venue's word, and has not come"
    stage.told(stage.stop, "expired")
    assert stage.worst == 7
    stage.fill(stage.limit, "7")
    assert stage.worst == 0


def test_a_list_that_is_refused_or_not_sent_counts_nothing_or_each_by_itself() -> None:
    stage = Stage()
    for name in (stage.limit, stage.stop):
        stage.blotter.apply(Failed(name, "submit", "refused", 2, "no", "balance"), 2)
    assert stage.worst == 0
    other = Stage()
    other.blotter.lists.untie(other.name)
    assert other.worst == 20
    other.blotter.lists.untie(other.name)
    assert other.blotter.lists.of(other.limit) == ""


def test_a_list_is_remembered_over_a_restart_and_forgotten_with_its_orders() -> None:
    stage = Stage()
    again = Blotter.recall("i", stage.blotter.memo())
    assert again.lists.of(stage.stop) == stage.name
    assert again.worst("a", BTC).sell == 10
    assert again.next_id("s") > stage.stop
    stage.told(stage.limit, "cancelled")
    whole = Forget("a", 9, 9, (stage.limit, stage.stop))
    assert stage.blotter.forget(whole) == 1
    assert stage.blotter.lists.of(stage.stop) == stage.name, "the other is alive"
    stage.told(stage.stop, "cancelled")
    assert stage.blotter.forget(whole) == 1
    assert stage.blotter.lists.items() == []

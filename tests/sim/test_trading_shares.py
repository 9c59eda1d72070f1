"""Whose it is what an account holds: what is right is silent, and every lie is found, by name."""

from decimal import Decimal
from typing import Any

from test_trading_truth import NAME, PERP, A, Stage

from account_fixtures import fill
from tapeline.model.account import Fill
from tapeline.model.event import BookSnapshot
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.sim.trading.shares import shares
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.client_ids import slice_id
from tapeline.trading.input import Halted
from tapeline.trading.paper.exchange import Exchange

D = Decimal
SPOT = Instrument(
    venue="v", symbol="BTC/USDT", native="BTC", kind="spot", base="BTC", quote="USDT", tick=D("0.1"), lot=D("0.001"),
    min_notional=D(5),
)  # fmt: skip


class Scene(Stage):
    """The same, where fills of others are booked as nobody's."""

    def by_others(self, side: str, size: str, client_id: str = "web1") -> None:
        intent = Intent(instrument=NAME, side=side, kind="market", size=D(size), account=A)
        events = self.exchange.place(A, client_id, intent, 4)
        self.hear(events, ours=False)
        for event in events:
            if isinstance(event, Fill):
                self.ledger.apply(event, PERP, stopped=client_id.startswith("f"))

    def found(self, **more: Any) -> list[str]:
        return list(shares(self.exchange, A, self.blotter, self.ledger, [*self.told, *more.pop("beside", ())], **more))


def test_what_others_close_is_expected_to_be_off_strategies_lines() -> None:
    scene = Scene()
    scene.order("buy", "3")
    scene.by_others("buy", "1", "web1")
    scene.by_others("sell", "2", "web2")
    assert scene.found() == []
    assert scene.ledger.holding(A, NAME, strategy="s").size == 2
    assert scene.found(flattened=True) == [f"strategies hold 2 of {NAME} after flattening"]
    scene.by_others("buy", "1", "web3")
    scene.by_others("sell", "1", slice_id(10**18, 1))
    assert scene.ledger.holding(A, NAME, strategy="s").size == 1
    assert scene.found() == []
    scene.by_others("sell", "5", "web4")
    assert scene.found(flattened=True) == []
    assert scene.ledger.holding(A, NAME, strategy="s").size == 0


def test_of_an_account_that_is_flat_no_strategy_holds_what_others_hold_against_it() -> None:
    scene = Scene()
    scene.by_others("buy", "2", "web1")
    scene.order("sell", "2")
    assert scene.found() == []
    assert scene.found(flattened=True) == [f"strategies hold -2 of {NAME} after flattening"]
    flat = [Halted(A, "flat", "verified", 5)]
    assert scene.found(beside=flat) == [f"strategies hold -2 of {NAME}, by the journal's fills 0"]
    scene.ledger.stand(A, "flat", {})
    assert scene.found(flattened=True, beside=flat) == []


def test_a_strategy_that_holds_what_somebody_else_closed_is_named() -> None:
    scene = Scene()
    scene.order("buy", "3")
    right = scene.ledger
    scene.ledger = Ledger()
    for event in scene.told:
        if isinstance(event, Fill):
            scene.ledger.apply(event, PERP, "s")
    scene.by_others("sell", "2")
    (line,) = (lines["s"] for lines in scene.ledger._places.lines.values())
    line.lots.trade(D(2), D(200))
    line.fund(D(1))
    line.fee("USDT", D(1), D(1))
    assert scene.found() == [
        f"size of {NAME}: lines add up to 3, the account's is 1",
        f"profit of {NAME}: lines add up to -302, the account's is -102",
        f"funding of {NAME}: lines add up to 1, the account's is 0",
        f"fee in USDT of {NAME}: lines add up to 1.498, the account's is 0.498",
        f"strategies hold 3 of {NAME}, by the journal's fills 1",
    ]
    assert right.holding(A, NAME, strategy="s").size == 3


def test_on_spot_no_strategy_holds_a_coin_that_is_not_there() -> None:
    exchange = Exchange({SPOT.id: SPOT})
    exchange.open_account(A, {"BTC": D("0.5")})
    exchange.market(BookSnapshot(SPOT.id, "book", 1, 1, "ws", [("99", "50")], [("100", "50")], last_seq=1), 1)
    scene = Scene()
    ledger = Ledger()
    ledger.apply(fill("1", "", "1", "100", account=A, instrument=SPOT.id), SPOT, "s")
    found = list(shares(exchange, A, scene.blotter, ledger, [], flattened=True))
    assert found == [
        "strategies hold 1 BTC, and 0.5 are there", f"strategies hold 1 of {SPOT.id} after flattening",
    ]  # fmt: skip

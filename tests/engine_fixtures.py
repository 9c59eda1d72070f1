"""An engine with a venue that says what the test wants."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tapeline.model.account import Balance, Fill, OrderUpdate
from tapeline.model.event import Trade
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.command import Command, Submit
from tapeline.trading.engine import Engine
from tapeline.trading.orders import Blotter
from tapeline.trading.risk.losses import Since
from tapeline.trading.setup import Abilities, Account, Setup
from tapeline.trading.strategy import Strategy

D = Decimal
SECOND = 1_000_000_000
BTC = Instrument(
    venue="sim", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=D("0.01"),
    lot=D("0.0001"), min_notional=D(5),
)  # fmt: skip
PERP = Instrument(
    venue="sim", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    tick=D("0.1"), lot=D("0.001"),
)  # fmt: skip


class Bench:
    """One strategy, one account "main"; time goes on a second with each step."""

    def __init__(
        self, *strategies: Strategy, instruments: Sequence[Instrument] = (BTC, PERP), able: Abilities | None = None,
        held: dict[str, str] | None = None, blotter: Blotter | None = None, ledger: Ledger | None = None,
        losses: dict[str, Since] | None = None, **setup: Any,
    ) -> None:  # fmt: skip
        self.strategy = strategies[0] if strategies else Strategy(name="s", instruments=(BTC.id, PERP.id))
        whole = Setup(
            accounts={"main": Account(name="main", venue="sim")},
            instruments={each.id: each for each in instruments},
            abilities={"sim": able or Abilities(amends=frozenset({"size", "price"}))}, **setup,
        )  # fmt: skip
        self.engine = Engine(
            whole, strategies or [self.strategy], blotter=blotter or Blotter("test"),
            ledger=ledger or Ledger("average"), held=held, losses=losses,
        )  # fmt: skip
        self.now_ns = SECOND
        self.engine.start(0)

    def step(self, event: Any) -> list[Command]:
        self.now_ns += SECOND
        return list(self.engine.step(event, self.now_ns))

    def price(self, price: str, of: Instrument = BTC) -> list[Command]:
        return self.step(Trade(of.id, "trades", self.now_ns, self.now_ns, "ws", "1", 1, "buy", D(price), D(1)))

    def submitted(self, commands: Sequence[Command]) -> list[Submit]:
        return [each for each in commands if isinstance(each, Submit)]

    def told(self, client_id: str, state: str, filled: str = "0", **changes: Any) -> list[Command]:
        order = self.engine.situation.blotter.order(client_id)
        of = order.intent.instrument if order is not None else BTC.id
        size = order.size if order is not None else D(1)
        given = {"venue_id": f"v{client_id}", "side": "buy", "kind": "limit", "size": size, "filled": D(filled)}
        return self.step(
            OrderUpdate(
                of, "orders", self.now_ns, self.now_ns, "ws", "main", client_id=client_id, state=state,
                **(given | changes),
            )
        )  # fmt: skip

    def fill(self, client_id: str, size: str, price: str = "100", **changes: Any) -> list[Command]:
        order = self.engine.situation.blotter.order(client_id)
        given = {
            "id": str(self.now_ns), "venue_id": f"v{client_id}", "side": order.intent.side if order else "buy",
            "price": D(price), "size": D(size), "fee": D(0), "fee_currency": "USDT",
        }  # fmt: skip
        of = order.intent.instrument if order else BTC.id
        return self.step(
            Fill(
                of, "fills", self.now_ns, self.now_ns, "ws", "main", client_id=client_id,
                **(given | changes),  # type: ignore[arg-type]  # a table of changes
            )
        )  # fmt: skip

    def hold(self, size: str, price: str = "100", of: Instrument = BTC) -> None:
        """Let the strategy have bought this."""
        self.price(price, of)
        order = self.strategy.buy(of.id, size)
        assert order.state == "intended", order.why
        self.fill(order.client_id, size, price)
        self.told(order.client_id, "filled", size)

    def free(self, currency: str, amount: str) -> None:
        """The venue says what is free."""
        self.step(Balance(None, "balances", 1, 1, "ws", "main", currency=currency, total=D(amount), free=D(amount)))

"""An engine with one strategy at a venue that takes order lists, and what tests ask of it."""

from decimal import Decimal
from typing import Any

from tapeline.model.account import Balance, Fill, OrderUpdate
from tapeline.model.event import Trade
from tapeline.model.instrument import Instrument
from tapeline.model.limits import RiskLimits
from tapeline.model.order import Order
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.command import Cancel, Hold, Submit, SubmitList, Withdraw
from tapeline.trading.engine import Engine
from tapeline.trading.orders import Blotter
from tapeline.trading.record import Begun, Entry, Listed, decode, encode
from tapeline.trading.restore import restore
from tapeline.trading.risk.limits import Tables
from tapeline.trading.setup import Abilities, Account, Setup
from tapeline.trading.strategy import Strategy

D = Decimal
SPOT = Instrument(
    venue="sim", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=D("0.1"),
    lot=D("0.001"),
)  # fmt: skip
PERP = Instrument(
    venue="sim", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    tick=D("0.1"), lot=D("0.001"),
)  # fmt: skip
SECOND = 1_000_000_000


class Desk:
    """An engine with one strategy, and a venue that says what the test wants."""

    def __init__(self, of: Instrument = SPOT, **limits: Any) -> None:
        self.of = of
        self.strategy = Strategy(instruments=(of.id,), name="s")
        able = Abilities(
            kinds=frozenset({"market", "limit", "stop"}), amends=frozenset({"size", "price"}), lists=True
        )  # fmt: skip
        self.setup = Setup(
            accounts={"main": Account(name="main", venue="sim")}, instruments={of.id: of}, abilities={"sim": able},
            limits=Tables(account={"main": RiskLimits(**limits)} if limits else {}),
        )  # fmt: skip
        self.blotter, self.ledger = Blotter("test"), Ledger("average")
        self.engine = Engine(self.setup, [self.strategy], blotter=self.blotter, ledger=self.ledger)
        self.now_ns = SECOND
        self.written: list[Any] = [Begun("1", "{}", 0), Listed(of, 0)]
        self.engine.start(0)
        self.price("100")

    def step(self, event: Any) -> list[Any]:
        self.now_ns += SECOND
        if isinstance(event, OrderUpdate | Fill):
            self.written.append(event)
        commands = list(self.engine.step(event, self.now_ns))
        self.written += commands
        return commands

    def price(self, price: str) -> list[Any]:
        return self.step(Trade(self.of.id, "trades", self.now_ns, self.now_ns, "ws", "1", 1, "buy", D(price), D(1)))

    def flush(self) -> list[Any]:
        return self.price("100")

    def told(self, order: Order | str, state: str, filled: str = "0", size: str = "1", side: str = "sell") -> list[Any]:
        name = order if isinstance(order, str) else order.client_id
        return self.step(
            OrderUpdate(
                self.of.id, "orders", self.now_ns, self.now_ns, "ws", "main", client_id=name, venue_id="v" + name,
                state=state, side=side, kind="limit", size=D(size), filled=D(filled),
            )
        )  # fmt: skip

    def fill(self, order: Order | str, size: str, side: str = "sell") -> list[Any]:
        name = order if isinstance(order, str) else order.client_id
        return self.step(
            Fill(
                self.of.id, "fills", self.now_ns, self.now_ns, "ws", "main", id=str(self.now_ns), client_id=name,
                venue_id="v" + name, side=side, price=D(100), size=D(size), fee=D(0), fee_currency="USDT",
            )
        )  # fmt: skip

    def free(self, size: str) -> list[Any]:
        return self.step(
            Balance(
                None, "balances", self.now_ns, self.now_ns, "ws", "main", currency="BTC", total=D(size), free=D(size)
            )
        )

    def hold_one(self) -> None:
        """One is bought."""
        order = self.strategy.buy(self.of.id, 1)
        self.flush()
        self.fill(order, "1", "buy")
        self.told(order, "filled", "1", side="buy")

    def oco(self, **more: Any) -> list[Order]:
        orders = self.strategy.oco("sell", self.of.id, 1, price="110", stop="90", **more)
        self.sent = self.flush()
        return orders

    def again(self) -> list[Any]:
        """Killed, and begun anew from what was written."""
        records = [encode(each).decode() for each in self.written]
        entries = [Entry(at, decode(text), text) for at, text in enumerate(records, 1)]
        found = restore(entries, "test", self.now_ns)
        assert found.problems == []
        self.strategy = Strategy(instruments=(self.of.id,), name="s")
        self.blotter, self.ledger = found.blotter, found.ledger
        self.engine = Engine(
            self.setup, [self.strategy], blotter=found.blotter, ledger=found.ledger, held=found.held
        )  # fmt: skip
        return list(self.engine.start(self.now_ns))


def kinds(commands: list[Any]) -> list[tuple[str, ...]]:
    names: list[tuple[str, ...]] = []
    for each in commands:
        if isinstance(each, Submit):
            names.append(("submit", each.order.client_id))
        elif isinstance(each, SubmitList):
            names.append(("list", *(order.client_id for order in each.orders)))
        elif isinstance(each, Cancel | Hold | Withdraw):
            names.append((type(each).__name__.lower(), each.client_id))
    return names


def bracket(desk: Desk) -> tuple[Order, str, str]:
    entry = desk.strategy.bracket("buy", desk.of.id, 1, take_profit="110", stop="90")
    profit, stop = (each.client_id for each in desk.flush() if isinstance(each, Hold))
    desk.fill(entry, "1", "buy")
    return entry, profit, stop

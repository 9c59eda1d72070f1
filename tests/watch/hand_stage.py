"""An account on a small paper exchange, as the emergency stop sees it; calls go wrong as they are told to."""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tapeline.errors import OrderRefused, TapelineError, UnknownInstrument
from tapeline.model.account import OrderUpdate, Position
from tapeline.model.event import BookSnapshot, Level
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.sim.loop import VirtualClock
from tapeline.store.latch import HaltLatch
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.risk.check import Approved

D = Decimal
START_NS = 1_700_000_000_000_000_000
SPOT = Instrument(
    venue="toy", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT",
    tick=D("0.01"), lot=D("0.001"), min_size=D("0.002"), min_notional=D(5),
)  # fmt: skip
PERP = Instrument(
    venue="toy", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    tick=D("0.1"), lot=D(1), size_unit="contract", contract_size=D("0.1"),
)  # fmt: skip
ASKS: list[Level] = [("100", "2"), ("101", "3"), ("110", "50")]
BIDS: list[Level] = [("99", "5"), ("98", "4"), ("90", "50")]


def exchange(usdt: str = "10000", btc: str = "0") -> Exchange:
    """Account "main", two markets at 99 x 100."""
    made = Exchange({SPOT.id: SPOT, PERP.id: PERP})
    made.open_account("main", {"USDT": D(usdt), "BTC": D(btc)})
    for instrument in (SPOT, PERP):
        show(made, instrument)
    return made


def show(
    at: Exchange, instrument: Instrument, bids: Sequence[Level] = BIDS, asks: Sequence[Level] = ASKS, seq: int = 1
) -> None:
    at.market(BookSnapshot(instrument.id, "book", seq, seq, "ws", bids, asks, last_seq=seq), seq)


def limit(side: str, size: str, price: str, of: Instrument = PERP) -> Intent:
    return Intent(instrument=of.id, side=side, kind="limit", size=D(size), price=D(price))


def taken(side: str, size: str, of: Instrument = PERP) -> Intent:
    return Intent(instrument=of.id, side=side, kind="market", size=D(size))


@dataclass
class StageHand:
    """A `Hand`. `trouble`: call -> what it raises, one after another, before it works; `before` runs before each."""

    at: Exchange
    trouble: dict[str, list[Exception]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _call: None
    account: str = "main"
    mode: str = "live"
    lag_s: float = 10.0
    spot: Decimal = Decimal(0)  # what our journal says is ours of BTC
    unsure: str = ""
    calls: list[str] = field(default_factory=list)
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START_NS))

    def _meet(self, call: str) -> None:
        self.calls.append(call)
        self.before(call)
        if self.trouble.get(call):
            raise self.trouble[call].pop(0)

    def begin(self) -> None:
        self._meet("begin")

    async def open_orders(self) -> Sequence[OrderUpdate]:
        self._meet("open_orders")
        return self.at.open_orders("main")

    async def positions(self) -> Sequence[Position]:
        self._meet("positions")
        found = list(self.at.positions("main"))
        held = min(self.spot, next((b.total or D(0) for b in self.at.balances("main") if b.currency == "BTC"), D(0)))
        return [*found, Position(SPOT.id, "positions", 1, 1, "rest", "main", size=held)] if held else found

    async def cancel_all(self, _orders: Sequence[OrderUpdate]) -> None:
        self._meet("cancel_all")
        self.at.cancel_all("main", None, self.clock.wall_ns())

    async def cancel(self, order: OrderUpdate) -> None:
        self._meet("cancel")
        self.at.cancel("main", order.client_id, self.clock.wall_ns())

    async def place(self, order: Approved) -> None:
        self._meet("place")
        self.at.place("main", order.client_id, order.intent, self.clock.wall_ns())

    async def order(self, client_id: str, _instrument: str) -> OrderUpdate | None:
        self._meet("order")
        try:
            return self.at.order("main", client_id)
        except OrderRefused:
            return None

    async def top(self, instrument: str) -> tuple[Decimal | None, Decimal | None]:
        self._meet("top")
        matcher = self.at.matcher(instrument)
        return matcher.price("sell"), matcher.price("buy")

    async def instrument(self, name: str) -> Instrument:
        self._meet("instrument")
        try:
            return self.at.instruments[name]
        except KeyError:
            raise UnknownInstrument(name) from None


def a_latch(clock: VirtualClock | None = None) -> HaltLatch:
    """One of its own, in a directory of its own under the tests' state directory."""
    folder = tempfile.mkdtemp(dir=os.environ["XDG_STATE_HOME"])
    return HaltLatch("main", "live", {"XDG_STATE_HOME": folder}, clock or VirtualClock(START_NS))


def every(error: type[TapelineError], times: int) -> list[Exception]:
    return [error(f"{error.__name__} of the test") for _ in range(times)]

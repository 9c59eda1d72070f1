"""Closing positions of a running engine: the same emergency stop as from outside, with the run's own hands."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import structlog

from tapeline.app.trade.paper_gateway import PaperGateway
from tapeline.clock import Clock
from tapeline.config import FlattenConfig
from tapeline.errors import OrderRefused, UnknownInstrument
from tapeline.model.account import OrderUpdate, Position
from tapeline.model.instrument import Instrument
from tapeline.model.number import ZERO
from tapeline.store.latch import HaltLatch
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.command import Submit
from tapeline.trading.flatten import Steps
from tapeline.trading.risk.check import Approved
from tapeline.watch.hand import Hand
from tapeline.watch.memory import held_on_spot
from tapeline.watch.report import Report
from tapeline.watch.stop import Stop

_log = structlog.get_logger("tapeline")


class PaperHand:
    """The hand at a paper account of this process. On spot it holds what the ledger's strategies do."""

    mode = "paper"
    unsure = ""  # the exchange and the books are in this process
    lag_s = 1.0

    def __init__(self, account: str, paper: PaperGateway, ledger: Ledger, clock: Clock) -> None:
        self.account = account
        self._paper, self._exchange, self._ledger, self._clock = paper, paper.venue.exchange, ledger, clock

    def begin(self) -> None:
        """What is held is read anew each time."""

    async def open_orders(self) -> Sequence[OrderUpdate]:
        """Of the exchange, this moment."""
        return self._exchange.open_orders(self.account)

    async def positions(self) -> Sequence[Position]:
        """Of derivatives the exchange's; on spot the strategies', as far as they are there."""
        found = list(self._exchange.positions(self.account))
        there = {each.currency: each.total or ZERO for each in self._exchange.balances(self.account)}
        now_ns = self._clock.wall_ns()
        for name, size in held_on_spot(self._ledger, self.account, self._exchange.instruments).items():
            left = min(size, there.get(self._exchange.instruments[name].base, ZERO))
            if left > ZERO:
                found.append(Position(name, "positions", None, now_ns, "paper", self.account, size=left))
        return found

    async def cancel_all(self, orders: Sequence[OrderUpdate]) -> None:
        """All at once."""
        if orders:
            self._paper.answer(self._exchange.cancel_all(self.account, None, self._clock.wall_ns()))

    async def cancel(self, order: OrderUpdate) -> None:
        """One; that it is gone already is nothing to complain of."""
        try:
            self._paper.answer(self._exchange.cancel(self.account, order.client_id, self._clock.wall_ns()))
        except OrderRefused:
            return

    async def place(self, order: Approved) -> None:
        """As any order goes, latency included."""
        self._paper.execute(Submit(order))

    async def order(self, client_id: str, instrument: str) -> OrderUpdate | None:
        """None where it has not come yet."""
        del instrument
        try:
            return self._exchange.order(self.account, client_id)
        except OrderRefused:
            return None

    async def top(self, instrument: str) -> tuple[Decimal | None, Decimal | None]:
        """What a sell and a buy would meet first."""
        matcher = self._exchange.matcher(instrument)
        return matcher.price("sell"), matcher.price("buy")

    async def instrument(self, name: str) -> Instrument:
        """Of those that are traded."""
        if name not in self._exchange.instruments:
            raise UnknownInstrument(f"no strategy trades {name}")
        return self._exchange.instruments[name]


class Flattening:
    """Starts a stop for every account whose latch says `flattening`, where nobody outside does it.

    Who asks from outside (`tapeline halt`, the watchdog) closes a live account's positions by itself; a paper account's
    are in this process and always closed here. `note(account, kind, text)` writes to the journal.
    """

    def __init__(
        self, hands: Mapping[str, Hand], latches: Mapping[str, HaltLatch], how: FlattenConfig, *, clock: Clock,
        note: Callable[[str, str, str], None],
    ) -> None:  # fmt: skip
        self._hands, self._latches, self._how, self._clock, self._note = hands, latches, how, clock, note
        self._tasks: dict[str, asyncio.Task[Report]] = {}
        self.reports: dict[str, Report] = {}

    def look(self, tasks: asyncio.TaskGroup) -> None:
        """Begin what is to be begun; to be called now and then."""
        for name, hand in self._hands.items():
            under_way = self._tasks.get(name)
            if under_way is not None:
                if under_way.done():
                    self.reports[name] = self._tasks.pop(name).result()
                    for line in self.reports[name].lines():
                        _log.warning("flatten", account=name, text=line.strip())
                continue
            latch = self._latches[name].read()
            ours = hand.mode == "paper" or not latch.outside
            tried = self.reports.get(name)
            if latch.state != "flattening" or not ours or (tried is not None and tried.began_ns >= latch.at_ns):
                continue
            self._tasks[name] = tasks.create_task(self._stop(name, hand).run(), name=f"flatten {name}")

    def _stop(self, name: str, hand: Hand) -> Stop:
        how, latch = self._how, self._latches[name].read()
        return Stop(
            hand=hand, latch=self._latches[name], clock=self._clock, who=latch.who, why=latch.why, flatten=True,
            steps=Steps(band=how.band, widen=how.widen, band_max=how.band_max, slices=how.slices),
            wait_s=how.wait_s, give_up_s=how.give_up_s, note=lambda kind, text: self._note(name, kind, text),
        )  # fmt: skip

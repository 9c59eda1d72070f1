"""Others who act on a trading day's account: a person at the venue, the venue itself, the market at its worst."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from tapeline.errors import OrderRefused
from tapeline.model.account import AccountEvent, OrderUpdate
from tapeline.model.event import Mark, Status
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ROUNDING
from tapeline.model.order import Intent
from tapeline.sim.paper.exchange import Paper
from tapeline.sim.trading.chance import Happening
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.rounding import down

LIQUIDATION = "liquidation"
MOST_UNITS = 2  # of one order by hand
MOST_MOVED = 5000  # into the account, or out of it
REFILL = Decimal(100_000)
FAR = (0, 1, 5, 50, 300)  # ticks from the market
CENT = Decimal("0.01")


class Others:
    """What happens to the account that no strategy did. `units`: a size of each instrument that is worth a little.

    They touch nothing of ours; whoever ends an order of theirs without being one of them has broken a promise.
    """

    def __init__(
        self, paper: Paper, account: str, instruments: Sequence[Instrument], units: Mapping[str, Decimal], *,
        faults: Counter[str], hedge: bool = False,
    ) -> None:  # fmt: skip
        self._paper, self._account, self._instruments, self._units = paper, account, instruments, units
        self._faults, self._hedge = faults, hedge
        self._ended: set[str] = set()  # client ids of those that a person cancelled
        self.ids: set[str] = set()  # client ids of all that a person placed
        self.welcome = False  # nothing happens before a run has compared its books with the venue
        self.stopped = False  # an emergency stop cancels whatever is open, theirs too
        self.moved: set[str] = set()  # currencies that were transferred

    async def live(self, happenings: Sequence[Happening], until: Callable[[float], Awaitable[None]]) -> None:
        """Let it all happen, each at its time."""
        acts: Mapping[str, Callable[[random.Random], Awaitable[None]]] = {
            "person": self._person, "transfer": self._transfer, "halted": self._halted, "forbidden": self._forbidden,
            "ended": self._end_ours, "squeeze": self._squeeze,
        }  # fmt: skip
        for each in happenings:
            await until(each.at_s)
            if self.welcome:
                await acts[each.kind](random.Random(f"others {each.seed}"))

    def is_theirs(self, order: OrderUpdate) -> bool:
        """Whether an order at the venue is of other origin."""
        return order.client_id in self.ids or order.origin == LIQUIDATION

    def touched(self, exchange: Exchange) -> list[str]:
        """Orders of theirs that somebody else has ended; client ids."""
        if self.stopped:
            return []
        cancelled = [each for each in exchange.orders(self._account) if each.state == "cancelled" and not each.why]
        return [each.client_id for each in cancelled if each.client_id in self.ids - self._ended]

    # ---- a person ------------------------------------------------------------------------------------------------

    async def _person(self, chance: random.Random) -> None:
        """An order by hand, or the end of one."""
        mine = [each for each in self._exchange.open_orders(self._account) if each.client_id in self.ids]
        if mine and chance.random() < 0.4:
            name = chance.choice(mine).client_id
            self._ended.add(name)
            self._act("person", lambda exchange, now_ns: exchange.cancel(self._account, name, now_ns))
            return
        known = chance.choice(self._instruments)
        intent = self._by_hand(known, chance)
        if intent is not None:
            name = f"web{len(self.ids) + 1}"
            self.ids.add(name)
            self._act("person", lambda exchange, now_ns: exchange.place(self._account, name, intent, now_ns))

    def _by_hand(self, known: Instrument, chance: random.Random) -> Intent | None:
        side = chance.choice(("buy", "sell"))
        position = chance.choice(("long", "short")) if self._hedge else "net"
        size = EXACT.multiply(self._units[known.id], Decimal(chance.randint(1, MOST_UNITS)))
        if chance.random() < 0.5:
            return Intent(
                instrument=known.id, side=side, kind="market", size=size, account=self._account, position=position
            )
        best = self._exchange.matcher(known.id).price("sell" if side == "buy" else "buy")
        if best is None or known.tick is None:
            return None
        away = EXACT.multiply(known.tick, Decimal(chance.choice(FAR)))
        price = EXACT.subtract(best, away) if side == "buy" else EXACT.add(best, away)
        return Intent(
            instrument=known.id, side=side, kind="limit", size=size, price=price, account=self._account,
            position=position,
        )  # fmt: skip

    async def _transfer(self, chance: random.Random) -> None:
        """Money comes, or goes."""
        currency = chance.choice(("USDT", "USDT", "BTC"))
        amount = ROUNDING.quantize(Decimal(chance.uniform(-MOST_MOVED, MOST_MOVED)), CENT)
        if currency == "BTC":
            amount = amount.scaleb(-5)
        if amount:
            self._move("transfer", currency, amount)

    def _move(self, kind: str, currency: str, amount: Decimal) -> None:
        if self._act(kind, lambda exchange, now_ns: exchange.transfer(self._account, currency, amount, now_ns)):
            self.moved.add(currency)

    # ---- the venue -----------------------------------------------------------------------------------------------

    async def _halted(self, chance: random.Random) -> None:
        """An instrument is not traded for a while."""
        name = chance.choice(self._instruments).id
        for status in ("halted", "trading"):
            self._act(f"instrument {status}", partial(_state, name, status))
            if status == "halted":
                await asyncio.sleep(chance.uniform(5, 90))

    async def _forbidden(self, chance: random.Random) -> None:
        """The key loses its right to trade, and gets it back."""
        self._faults["forbidden"] += 1
        self._paper.permit(self._account, may_trade=False)
        await asyncio.sleep(chance.uniform(5, 90))
        self._paper.permit(self._account, may_trade=True)

    async def _end_ours(self, chance: random.Random) -> None:
        """The venue ends one of our orders by itself, as by its self-trade prevention."""
        ours = [each for each in self._exchange.open_orders(self._account) if not self.is_theirs(each)]
        if ours:
            name = chance.choice(ours).client_id
            self._act("ended", lambda exchange, now_ns: exchange.end(self._account, name, now_ns))

    # ---- the market ----------------------------------------------------------------------------------------------

    async def _squeeze(self, chance: random.Random) -> None:
        """All that is free is taken out, and a mark comes at which the positions cannot be held."""
        held = self._exchange.positions(self._account)
        if not held:
            return
        free = next((each.free for each in self._exchange.balances(self._account) if each.currency == "USDT"), None)
        free = None if free is None else down(free, CENT)
        if free:
            self._move("squeeze", "USDT", free.copy_negate())
        position = chance.choice(self._exchange.positions(self._account))
        known = next(each for each in self._instruments if each.id == position.instrument)
        level, mark = position.liquidation_price, position.mark_price
        if level is not None and mark is not None and abs(EXACT.subtract(level, mark)) < mark:
            beyond = ROUNDING.multiply(level, Decimal("0.999") if level < mark else Decimal("1.001"))
            for price in (down(beyond, known.tick), mark):
                self._act("mark", partial(_mark, known.id, price))
        self._faults["liquidation"] += any(each.origin for each in self._exchange.orders(self._account)[-20:])
        await asyncio.sleep(chance.uniform(1, 60))
        self._move("squeeze", "USDT", REFILL)

    # ---- within --------------------------------------------------------------------------------------------------

    @property
    def _exchange(self) -> Exchange:
        return self._paper.exchange

    def _act(self, kind: str, act: Callable[[Exchange, int], Sequence[AccountEvent]]) -> bool:
        """Do it, where the venue lets them."""
        try:
            self._paper.by_hand(act)
        except OrderRefused:
            return False
        self._faults[kind] += 1
        return True


def _state(instrument: str, status: str, exchange: Exchange, now_ns: int) -> Sequence[AccountEvent]:
    return exchange.market(Status(instrument, "status", now_ns, now_ns, "ws", status), now_ns)


def _mark(instrument: str, price: Decimal, exchange: Exchange, now_ns: int) -> Sequence[AccountEvent]:
    return exchange.market(Mark(instrument, "mark", now_ns, now_ns, "ws", price), now_ns)

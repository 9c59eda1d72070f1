"""Looks at the venue's own truth while a trading day is played: no client id twice, no limit beyond."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tapeline.model.account import AccountEvent, Fill, OrderUpdate
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.sim.trading.others import Others
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.paper.floor import closes
from tapeline.trading.paper.funds import Working

MOST_SENTENCES = 12
UNHEARD_NS = 400_000_000_000  # what others do is known by then, faults and all


class Nobody:
    """Where nobody else acts on the account."""

    ids: Collection[str] = ()
    moved: Collection[str] = ()
    welcome = True

    def is_theirs(self, order: OrderUpdate) -> bool:
        """Whether an order at the venue is of other origin."""
        return order.client_id in self.ids or bool(order.origin)

    def touched(self, exchange: Exchange) -> list[str]:
        """Orders of theirs that somebody else has ended."""
        del exchange
        return []


NOBODY = Nobody()


@dataclass(slots=True)
class _Leg:
    """A position, by its fills. `buys` and `sells`: what others traded, when, of which we may not know yet."""

    held: Decimal = ZERO
    reach: tuple[Decimal, Decimal] = (ZERO, ZERO)  # the least and the most it could become, when it was looked at last
    others: list[tuple[int, Decimal]] = field(default_factory=list)

    def slack(self, now_ns: int, sign: int) -> Decimal:
        """What others may have added unknown to us, one way."""
        total = ZERO
        for at_ns, size in self.others:
            if at_ns > now_ns - UNHEARD_NS and (size > ZERO) == (sign > 0):
                total = EXACT.add(total, abs(size))
        return total


class Witness:
    """Looks at the venue's own truth after everything that happens to the account."""

    def __init__(
        self, exchange: Exchange, account: str, most: Mapping[str, Decimal], most_open: int, wrong: list[str], *,
        others: Others | Nobody = NOBODY, apart: bool = False,
    ) -> None:  # fmt: skip
        self._exchange, self._account, self._most, self._most_open = exchange, account, most, most_open
        self._wrong, self._others, self._apart = wrong, others, apart
        self._venue_ids: dict[str, str] = {}
        self._legs: dict[tuple[str, str], _Leg] = {}
        self.orders = self.fills = 0

    def told(self, events: Sequence[AccountEvent]) -> None:
        """After each thing that happens."""
        ours = False
        for event in events:
            if isinstance(event, OrderUpdate):
                self._ordered(event)
                ours |= not self._others.is_theirs(event)
            elif isinstance(event, Fill):
                self._filled(event)
        self._limits(max((each.received_ns for each in events), default=0), ours=ours)

    def _ordered(self, update: OrderUpdate) -> None:
        known = self._venue_ids.get(update.client_id)
        if known is None:
            self._venue_ids[update.client_id] = update.venue_id
            self.orders += 1
        elif known != update.venue_id:
            self._say(f"client id {update.client_id} is of two orders at the venue: {known} and {update.venue_id}")

    def _filled(self, fill: Fill) -> None:
        self.fills += 1
        name = fill.instrument or ""
        size = fill.size if fill.side == "buy" else fill.size.copy_negate()
        base = self._exchange.instruments[name].base
        if fill.fee and fill.fee_currency == base and self._exchange.instruments[name].kind == "spot":
            size = EXACT.subtract(size, fill.fee)
        leg = self._legs.setdefault((name, fill.position), _Leg())
        leg.held = EXACT.add(leg.held, size)
        if fill.origin or fill.client_id in self._others.ids:
            leg.others.append((fill.at_ns or 0, size))

    def _limits(self, now_ns: int, *, ours: bool) -> None:
        """Nothing that we did makes more possible than is allowed; what others do, we only hear of later."""
        working = [each for each in self._exchange.account(self._account).open.values() if not each.final]
        resting = [each for each in working if each.client_id not in self._others.ids]
        if len(resting) > self._most_open:
            self._say(f"{len(resting)} orders are open at the venue, and {self._most_open} may be")
        if ours and self._apart:
            self._crossed(resting)
        for key in {*self._legs, *((each.instrument.id, each.intent.position) for each in resting)}:
            leg = self._legs.setdefault(key, _Leg())
            before, leg.reach = leg.reach, self._reach(key, leg.held, resting)
            (least, most), limit = leg.reach, self._most[key[0]]
            beyond_up = most > max(before[1], EXACT.add(limit, leg.slack(now_ns, 1)))
            beyond_down = least < min(before[0], EXACT.add(limit, leg.slack(now_ns, -1)).copy_negate())
            if ours and (beyond_up or beyond_down):
                reach = f"{plain(least)} or {plain(most)}"
                self._say(f"{key[0]}: {plain(leg.held)} is held and could become {reach}, beyond {plain(limit)}")

    def _crossed(self, resting: Sequence[Working]) -> None:
        """No two orders of ours could trade with each other."""
        plain_limits = [each for each in resting if each.intent.kind == "limit" and not each.intent.post_only]
        for buy in plain_limits:
            for sell in plain_limits:
                if (buy.intent.side, sell.intent.side) != ("buy", "sell") or buy.instrument is not sell.instrument:
                    continue
                if buy.price is not None and sell.price is not None and buy.price >= sell.price:
                    self._say(f"{buy.client_id} could trade with {sell.client_id}, both are ours")

    def _reach(self, key: tuple[str, str], held: Decimal, resting: Sequence[Working]) -> tuple[Decimal, Decimal]:
        """The least and the most that a position can become; what can only close counts nothing."""
        longest = shortest = held
        for order in resting:
            if (order.instrument.id, order.intent.position) != key or closes(order):
                continue
            if order.listing is not None and order is not order.listing.claiming[0]:
                continue  # of a list one alone is filled
            if order.intent.side == "buy":
                longest = EXACT.add(longest, order.left)
            else:
                shortest = EXACT.subtract(shortest, order.left)
        return shortest, longest

    def _say(self, sentence: str) -> None:
        if len(self._wrong) < MOST_SENTENCES and sentence not in self._wrong:
            self._wrong.append(sentence)

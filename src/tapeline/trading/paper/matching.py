"""The market side of one instrument: fills of our orders from the real book, trades, or bars. Pure.

What is known best decides: a book, else best bid and offer, else trades, else bars. Our orders never move the market
and never meet each other; what we took of a level stays taken. The rules are in docs/explanation/matching.md.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

from tapeline.model.event import Bar, BookDelta, BookSnapshot, Event, Gap, Quote, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import interval
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.trading.paper.depth import Depth
from tapeline.trading.paper.outcome import Hit, Lapsed, Matching, Outcome, Take, Triggered, joined, total_of
from tapeline.trading.paper.ticket import Queue, Ticket, nearer, next_trigger
from tapeline.trading.rounding import down, up

_ONE = Decimal(1)
_FINEST = Decimal("1e-8")  # of a size, where an instrument names no lot


class Matcher:
    """The working orders of one instrument. Read all that `market` yields before anything else is asked."""

    def __init__(self, instrument: Instrument, settings: Matching | None = None) -> None:
        self.instrument = instrument
        self.depth = Depth()
        self.last: Decimal | None = None  # the last price traded
        self._settings = settings or Matching()
        self._queues = {"buy": Queue("buy"), "sell": Queue("sell")}
        self._waiting: list[Ticket] = []
        self._market_ns = 0  # the newest stamp of the market
        self._traded_ns = 0
        self._trades = ""  # the channel whose trades count
        self._played_ns = 0  # bars up to here have been played
        self._barred = False  # bars are all that is known
        self._playing = False
        self._readers: dict[type, Callable[..., Iterator[Outcome]]] = {
            Trade: self._trade, Quote: self._quote, BookSnapshot: self._book, BookDelta: self._book, Bar: self._bar,
            Gap: self._gap,
        }  # fmt: skip

    # ---- the market

    def market(self, event: Event) -> Iterator[Outcome]:
        """What this event makes of the working orders, in the order it happens."""
        reader = self._readers.get(type(event))
        return iter(()) if reader is None else reader(event)

    @property
    def deferred(self) -> bool:
        """Whether orders wait for the next bar, as bars are all that is known."""
        return self._barred and not self._playing

    def price(self, side: str) -> Decimal | None:
        """The best price an order of this side could have now, else the last; None where nothing is known."""
        best = self.depth.side(side).best
        return self.last if best is None else best

    def mid(self) -> Decimal | None:
        """The last price traded, else the middle of bid and offer, else the one of them that is known."""
        if self.last is not None:
            return self.last
        bid, ask = self.depth.bids.best, self.depth.asks.best
        if bid is None or ask is None:
            return ask if bid is None else bid
        return EXACT.divide(EXACT.add(bid, ask), Decimal(2))

    def offers(self, side: str) -> bool:
        """Whether there is anything an order of this side could take."""
        return next(self._offers(side, None, endless=True), None) is not None

    def crosses(self, side: str, price: Decimal) -> bool:
        """Whether an order at this price would take."""
        best = self.price(side)
        return best is not None and (best <= price if side == "buy" else best >= price)

    def would_trigger(self, ticket: Ticket) -> bool:
        """Whether what it waits for is there already."""
        price = self._watched(ticket)
        return price is not None and ticket.trigger is not None and ticket.reached(price)

    def preview(
        self, side: str, size: Decimal | None, *, limit: Decimal | None = None, spend: Decimal | None = None
    ) -> list[Take]:
        """What an order of this size, or one that spends this much, would take now; nothing is taken yet."""
        takes: list[Take] = []
        left, money = size, spend
        for price, available in self._offers(side, limit, endless=limit is None):
            amount = available
            if left is not None:
                amount = left if amount is None else min(amount, left)
            if money is not None:
                affordable = self._affordable(money, price)
                amount = affordable if amount is None else min(amount, affordable)
            assert amount is not None, "an order has a size or what it may spend"
            if amount <= 0:
                break
            takes.append((price, amount))
            left = None if left is None else EXACT.subtract(left, amount)
            money = None if money is None else EXACT.subtract(money, EXACT.multiply(price, amount))
            if left == 0:
                break
        return joined(takes)

    def take(self, side: str, takes: list[Take]) -> None:
        """What `preview` gave is ours."""
        ladder = self.depth.side(side)
        for price, size in takes:
            shown = min(size, next((left for at, left in ladder.available(price) if at == price), ZERO))
            if shown > 0:
                ladder.take(price, shown)

    # ---- working orders

    def rest(self, ticket: Ticket) -> None:
        """Into the queue, behind what is shown at its price and behind ours that came before."""
        ticket.trigger = None
        ticket.alive = True
        ticket.entered_ns = self._market_ns
        ticket.fresh = self.deferred
        ticket.ahead = ticket.shown = None
        ticket.traded = ZERO
        ticket.credits.clear()
        ladder = self.depth.queue(ticket.side)
        if ticket.price is not None and ladder.covers(ticket.price):
            ticket.level_shows(ladder.size(ticket.price), None, ZERO)
        elif self._settings.touch:
            ticket.ahead = ZERO
        self._queues[ticket.side].add(ticket)

    def wait(self, ticket: Ticket) -> None:
        """Aside, until its trigger is reached."""
        price = self._watched(ticket)
        if price is not None:
            ticket.follow(price)
        ticket.alive = True
        self._waiting.append(ticket)

    def remove(self, ticket: Ticket) -> None:
        """Forget it."""
        ticket.alive = False
        self._queues[ticket.side].remove(ticket)
        if ticket in self._waiting:
            self._waiting.remove(ticket)

    # ---- events

    def _gap(self, event: Gap) -> Iterator[Outcome]:
        if event.channel.startswith("book") and self.depth.kind == "book":
            self.depth.lose()
        yield from ()

    def _trade(self, event: Trade) -> Iterator[Outcome]:
        if not self._counts(event):
            return
        self.last = event.price
        yield from self._leave_bars()
        if len(self._queues["buy"]) and (event.side != "buy" or not self.depth.kind):
            yield from self._passed(event, self._queues["buy"])
        if len(self._queues["sell"]) and (event.side != "sell" or not self.depth.kind):
            yield from self._passed(event, self._queues["sell"])
        if self._waiting:
            yield from self._set_off()

    def _quote(self, event: Quote) -> Iterator[Outcome]:
        self._seen(event.at_ns)
        if self.depth.quote(event):
            yield from self._leave_bars()
            yield from self._shown(event.at_ns)

    def _book(self, event: BookSnapshot | BookDelta) -> Iterator[Outcome]:
        self._seen(event.at_ns)
        used = self.depth.snapshot(event) if isinstance(event, BookSnapshot) else self.depth.delta(event)
        if used:
            yield from self._leave_bars()
            yield from self._shown(event.at_ns)

    def _shown(self, at_ns: int | None) -> Iterator[Outcome]:
        """The market shows other levels: queues shorten, and orders it has come to are filled."""
        for side, queue in self._queues.items():
            if not len(queue):
                continue
            ladder = self.depth.queue(side)
            for ticket in queue:
                if ticket.price is not None and ladder.covers(ticket.price):
                    size = ladder.size(ticket.price)
                    if size != ticket.shown or ticket.traded:
                        ticket.level_shows(size, at_ns, self._settings.cancel_share)
            yield from self._met(side, queue)
        if self._waiting and self.last is None:
            yield from self._set_off()

    def _met(self, side: str, queue: Queue) -> Iterator[Outcome]:
        """The other side has come to our prices."""
        best = self.depth.side(side).best
        for ticket in queue:
            if best is None or ticket.price is None or (best > ticket.price if side == "buy" else best < ticket.price):
                return
            for price, left in list(self.depth.side(side).available(ticket.price)):
                amount = min(left, ticket.left)
                if not ticket.alive or not amount:
                    break
                self.depth.side(side).take(price, amount)
                yield self._hit(ticket, ticket.price, amount, "maker")

    def _passed(self, event: Trade, queue: Queue) -> Iterator[Outcome]:
        """A trade at or through our prices: its size is given out once, by price, queue and time."""
        ours = ZERO
        takes_from = event.side == "" or (event.side == "sell") == (queue.side == "buy")
        for ticket in queue:
            if ticket.price is None or (event.at_ns is not None and event.at_ns < ticket.entered_ns):
                continue
            through = event.price < ticket.price if queue.side == "buy" else event.price > ticket.price
            if through:
                amount = EXACT.subtract(event.size, ours)
                amount = ticket.left if self._settings.whole else min(ticket.left, amount)
            elif event.price != ticket.price:
                return
            elif ticket.ahead is None or not takes_from:
                continue
            else:
                amount = min(ticket.left, EXACT.subtract(ticket.trade_passes(event.size, event.at_ns), ours))
            if amount > 0:
                ours = EXACT.add(ours, amount)
                yield self._hit(ticket, ticket.price, amount, "maker")

    def _set_off(self) -> Iterator[Outcome]:
        """Orders whose trigger is reached leave, in the order they came."""
        for ticket in tuple(self._waiting):
            price = self._watched(ticket)
            if price is None or not ticket.alive:
                continue
            ticket.follow(price)
            if ticket.trigger is not None and ticket.reached(price):
                self._waiting.remove(ticket)
                yield Triggered(ticket)

    # ---- bars

    def _bar(self, event: Bar) -> Iterator[Outcome]:
        """A bar is played as its open, then the extreme that is nearer to it in time by its colour, then the other."""
        if not event.closed or self._trades or self.depth.kind or event.open_at_ns < self._played_ns:
            return
        self._barred = self._playing = True
        yield from self._open(event.open)
        up = event.close >= event.open
        for price in (event.low, event.high, event.close) if up else (event.high, event.low, event.close):
            yield from self._slide(price)
        self._played_ns = interval(event.interval).next(event.open_at_ns)
        self._market_ns = max(self._market_ns, self._played_ns)
        self._playing = False

    def _open(self, price: Decimal) -> Iterator[Outcome]:
        """From the close before to this open: orders that rested are met on the way, those that came since take."""
        fresh = self._pull_fresh()
        if self.last is None:
            self.last = price
        yield from self._slide(price)
        yield from self._try(fresh)

    def _pull_fresh(self) -> list[Ticket]:
        """The orders that wait for an open, out of the queues, oldest first."""
        fresh = [ticket for queue in self._queues.values() for ticket in queue if ticket.fresh]
        for ticket in fresh:
            ticket.fresh = False
            self._queues[ticket.side].remove(ticket)
        return sorted(fresh, key=lambda one: one.number)

    def _try(self, fresh: list[Ticket]) -> Iterator[Outcome]:
        """Orders that waited take what they can; those that may rest do."""
        for ticket in fresh:
            if not ticket.alive:
                continue
            size = ticket.left if ticket.spend is None else None
            takes = self.preview(ticket.side, size, limit=ticket.price, spend=ticket.spend)
            ticket.left = total_of(takes) if size is None else size
            self.take(ticket.side, takes)
            for price, size in takes:
                if ticket.alive:
                    yield self._hit(ticket, price, size, "taker")
            yield from self._leave_or_rest(ticket)

    def _leave_or_rest(self, ticket: Ticket) -> Iterator[Outcome]:
        if ticket.alive and ticket.brief:
            ticket.alive = False
            yield Lapsed(ticket)
        elif ticket.alive:
            self.rest(ticket)

    def _leave_bars(self) -> Iterator[Outcome]:
        """Something better than bars is known from now on."""
        if self._barred:
            self._barred = False
            yield from self._try(self._pull_fresh())

    def _slide(self, to: Decimal) -> Iterator[Outcome]:
        """The price goes to here without a jump: what lies on the way happens where it lies, nearest first."""
        assert self.last is not None, "a bar has an open"
        rising = to > self.last
        queue = self._queues["sell" if rising else "buy"]
        while True:
            resting = next((one for one in queue if one.price is not None and self._reaches(to, one, rising)), None)
            waiting = next_trigger(self._waiting, to, rising=rising)
            if resting is None and waiting is None:
                break
            if waiting is None or (resting is not None and nearer(resting.price, waiting.trigger, rising=rising)):
                assert resting is not None, "one of the two is there"
                assert resting.price is not None, "an order that rests has a price"
                self.last = _on(self.last, resting.price, rising)
                yield self._hit(resting, resting.price, resting.left, "maker")
            else:
                assert waiting.trigger is not None, "an order that waits has a trigger"
                self.last = _on(self.last, waiting.trigger, rising)
                self._waiting.remove(waiting)
                yield Triggered(waiting)
        self.last = to
        for ticket in self._waiting:
            ticket.follow(to)

    def _reaches(self, to: Decimal, ticket: Ticket, rising: bool) -> bool:
        assert ticket.price is not None, "an order that rests has a price"
        if to == ticket.price:
            return self._settings.touch
        return to > ticket.price if rising else to < ticket.price

    # ---- small rules

    def _hit(self, ticket: Ticket, price: Decimal, size: Decimal, liquidity: str) -> Hit:
        ticket.left = EXACT.subtract(ticket.left, size)
        if not ticket.left:
            self.remove(ticket)
        return Hit(ticket, price, size, liquidity)

    def _counts(self, event: Trade) -> bool:
        """Whether a trade is news: one of two channels that tell the same, and none that came too late."""
        if event.channel != self._trades:
            if self._trades and event.channel != "trades":
                return False
            self._trades = event.channel
        if event.at_ns is not None:
            if event.at_ns < self._traded_ns and event.source == "rest":
                return False
            self._traded_ns = max(self._traded_ns, event.at_ns)
        self._seen(event.at_ns)
        return True

    def _seen(self, at_ns: int | None) -> None:
        if at_ns is not None and at_ns > self._market_ns:
            self._market_ns = at_ns

    def _watched(self, ticket: Ticket) -> Decimal | None:
        """The price its trigger looks at: the last traded, else what closing at once would give."""
        return self.price(ticket.side) if self.last is None else self.last

    def _offers(self, side: str, limit: Decimal | None, *, endless: bool) -> Iterator[tuple[Decimal, Decimal | None]]:
        """(price, size) on offer to an order, best first; a size of None is as much as is wanted."""
        if self.depth.kind:
            yield from self.depth.side(side).available(limit)
            if self.depth.kind == "book" or not endless:
                return
        price = self.price(side)
        if price is None:
            return
        slipped = self._slipped(side, price)
        if limit is None:
            yield slipped, None
        elif price <= limit if side == "buy" else price >= limit:
            yield (min(slipped, limit) if side == "buy" else max(slipped, limit)), None

    def _slipped(self, side: str, price: Decimal) -> Decimal:
        """A price that is worse by the slippage, on the far side of a tick."""
        slippage = self._settings.slippage
        if not slippage:
            return price
        worse = EXACT.multiply(price, EXACT.add(_ONE, slippage if side == "buy" else slippage.copy_negate()))
        return up(worse, self.instrument.tick) if side == "buy" else down(worse, self.instrument.tick)

    def _affordable(self, money: Decimal, price: Decimal) -> Decimal:
        """How much of it this money buys, in whole lots."""
        return down(ROUNDING.divide(money, price), self.instrument.lot or _FINEST)


def _on(last: Decimal, to: Decimal, rising: bool) -> Decimal:
    """Where the price is once it has come here: never back."""
    return max(last, to) if rising else min(last, to)

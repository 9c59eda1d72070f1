"""The one place where strategies, risk and orders meet: `step(event, now_ns) -> commands`. Pure, single-threaded.

The same inputs give the same commands, byte for byte; `digest` says of all commands so far which they were.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from tapeline.errors import ConfigError
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.event import Bar, BookDelta, BookSnapshot, Gap, Mark, Quote, Repair, Status, Trade
from tapeline.model.order import Order
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.command import Command, SetHalt
from tapeline.trading.desk import BookKeeper
from tapeline.trading.fills import Fills
from tapeline.trading.guard import Guard
from tapeline.trading.halt import STATES
from tapeline.trading.input import ClockOff, Failed, Forget, Halted, Healthy, Operator, Proven, Sent, Timer
from tapeline.trading.linked import Linked
from tapeline.trading.operating import FAULTS, Operating
from tapeline.trading.orders import Blotter
from tapeline.trading.placing import Placing
from tapeline.trading.record import Listed
from tapeline.trading.risk.limits import Tables
from tapeline.trading.risk.losses import Since
from tapeline.trading.seat import Seat
from tapeline.trading.setup import Setup
from tapeline.trading.sight import Sight
from tapeline.trading.situation import News, Situation
from tapeline.trading.strategy import Strategy

WATCH_NS = 1_000_000_000  # how often limits of losses are looked at
MOST_NEWS = 10_000  # of one step: more is a strategy that answers its own orders for ever
_NO_LIMITS = Tables()
_encode = msgspec.json.Encoder().encode
Hook = Callable[[Any], object]


class _Route:
    """Where events of one channel of one instrument go."""

    __slots__ = ("hooks", "sight")

    def __init__(self, sight: Sight, hooks: list[tuple[Seat, Hook]]) -> None:
        self.sight, self.hooks = sight, hooks


class Engine:
    """Strategies and all that is known to them. Call `start` once, then `step` for every event, then `stop`.

    `blotter`, `ledger`, `held` (client id -> the order it waits for, or ""), `losses` and `digest` are what the journal
    knows. Who calls it executes the commands, journal first.
    """

    def __init__(
        self, setup: Setup, strategies: Sequence[Strategy], *, blotter: Blotter, ledger: Ledger,
        books: BookKeeper | None = None, digest: str = "", losses: Mapping[str, Since] | None = None,
        held: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        names = [each.name for each in strategies]
        if len(set(names)) != len(names):
            raise ConfigError(f"two strategies have one name ({', '.join(names)}): give each its own `name`")
        self.situation = Situation(setup, blotter, ledger, losses=losses)
        self.situation.held = dict(held or {})
        self.digest = digest
        self._watch_ns = 0  # when limits of losses are looked at next: no timer, as without events nothing has changed
        self._books = books
        self._guard = Guard(self.situation)
        self._fills = Fills(self.situation, self._guard)
        self._placing = Placing(self.situation, self._guard)
        self._linked = Linked(self.situation, self._placing)
        self.seats = {each.name: Seat(each, self.situation, self._placing, self._linked) for each in strategies}
        self._operating = Operating(self.situation, self._placing, self._guard, self.seats)
        self._feeds = {name: {of: set(channels) for of, channels in each.strategy.feeds().items()}
                       for name, each in self.seats.items()}  # fmt: skip
        self._routes: dict[tuple[type, str, str], _Route] = {}
        self._takes: dict[type, Callable[[Any], None]] = {
            Trade: self._trade, Quote: self._quote, Bar: self._bar, BookSnapshot: self._book, BookDelta: self._book,
            Mark: self._mark, Gap: self._gap, Repair: self._repair, Status: self._status,
            OrderUpdate: self._order_news, Fill: self._fill, Sent: self._order_news, Failed: self._order_news,
            Balance: self._balance, Position: self._position, Payment: self._payment, AccountMode: self._mode,
            Timer: self._nothing, Operator: self._operating.operator, Halted: self._halted,
            Healthy: self._healthy, Proven: self._proven, Forget: self._operating.forget,
            ClockOff: self._clock_off, Adjustment: self._fills.adjusted, Listed: self._listed,
        }  # fmt: skip
        for each in self.seats.values():
            each.strategy.bind(each)

    # ---- the three calls -----------------------------------------------------------------------------------------

    def start(self, now_ns: int) -> Sequence[Command]:
        """Begin: every strategy's `on_start`."""
        self.situation.now_ns = now_ns
        self._operating.restored(self._linked)
        self._guard.count_all()
        for seat in self.seats.values():
            seat.started = True
            self._call(seat, "on_start", seat.strategy.on_start)
        return self._commands()

    def step(self, event: Any, now_ns: int) -> Sequence[Command]:
        """Take one event; what is to be done now. `now_ns` never goes back."""
        situation = self.situation
        if now_ns > situation.now_ns:
            situation.now_ns = now_ns
        else:
            now_ns = situation.now_ns
        if situation.alarms.due_ns <= now_ns:
            self._ring(now_ns)
        take = self._takes.get(event.__class__)
        if take is None:
            self._other(event)
        else:
            take(event)
        if now_ns >= self._watch_ns:
            self._watch_ns = now_ns + WATCH_NS
            self._watch()
        if situation.news or situation.out:
            return self._commands()
        return ()

    def stop(self, now_ns: int) -> Sequence[Command]:
        """End: every strategy's `on_stop`, then open orders are cancelled, or kept where the setup says so."""
        situation = self.situation
        situation.now_ns = max(now_ns, situation.now_ns)
        for seat in self.seats.values():
            if seat.started and not seat.paused:
                self._call(seat, "on_stop", seat.strategy.on_stop)
            seat.started = False
        self._tell()
        if situation.setup.at_stop == "cancel":
            for order in situation.blotter.live():
                if order.claimed:
                    self._placing.cancel(order.client_id)
        return self._commands()

    @property
    def due_ns(self) -> int:
        """When a timer is due: step with a `Timer` by then, if nothing else comes."""
        return self.situation.alarms.due_ns

    def halt(self, account: str) -> str:
        """How an account stands, as the engine was told."""
        return self.situation.halt(account)

    def fee_mark(self, fill: Fill) -> tuple[str, Decimal] | None:
        """(instrument, price) that a fee in a third coin is valued at; to be journalled before the fill."""
        return self._fills.fee_mark(fill)

    def priced(self, halted: Halted) -> Halted:
        """The same, with what strategies' holdings are worth where the account is flat: to be journalled so."""
        return self._fills.priced(halted)

    def stands(self, halted: Halted) -> None:
        """How the latch of an account stands is known to the books from here on; `step` with it does more."""
        self.situation.halts[halted.account] = halted.state
        self._fills.stands(halted)

    # ---- the market ----------------------------------------------------------------------------------------------

    def _trade(self, trade: Trade) -> None:
        route = self._routes.get((Trade, trade.channel, trade.instrument)) or self._route(trade)
        sight = route.sight
        sight.last = trade.price
        sight.heard_ns = self.situation.now_ns
        if sight.waiting:
            self._touch(sight, trade.price, trade.price)
        for seat, hook in route.hooks:
            self._hear(seat, hook, trade)

    def _quote(self, quote: Quote) -> None:
        route = self._routes.get((Quote, quote.channel, quote.instrument)) or self._route(quote)
        sight = route.sight
        sight.quote = quote
        sight.heard_ns = self.situation.now_ns
        if sight.waiting and sight.last is None:  # where trades are heard, trades decide
            self._touch(sight, quote.bid, quote.ask)
        for seat, hook in route.hooks:
            self._hear(seat, hook, quote)

    def _bar(self, bar: Bar) -> None:
        if not bar.closed:
            return
        route = self._routes.get((Bar, bar.channel, bar.instrument)) or self._route(bar)
        sight = route.sight
        sight.remember(bar)
        if sight.heard_ns is None or bar.revision <= 1:
            sight.last = bar.close
            sight.heard_ns = self.situation.now_ns
            if sight.waiting:
                for price in (bar.low, bar.high, bar.close):
                    self._touch(sight, price, price)
        for seat, hook in route.hooks:
            self._hear(seat, hook, bar)

    def _book(self, event: BookSnapshot | BookDelta) -> None:
        if self._books is None:
            return
        book = self._books.apply(event, self.situation.now_ns)
        if book is None:
            return
        route = self._routes.get((BookDelta, event.channel, event.instrument)) or self._route(event)
        sight = route.sight
        sight.book = book
        sight.heard_ns = self.situation.now_ns
        if book.synchronised:
            if sight.waiting and sight.last is None:
                self._touch(sight, *sight.best())
            for seat, hook in route.hooks:
                self._hear(seat, hook, book)

    def _mark(self, mark: Mark) -> None:
        self.situation.sight(mark.instrument).mark = mark.price
        self._other(mark)

    def _gap(self, gap: Gap) -> None:
        self.situation.sight(gap.instrument).hole(gap.channel, self.situation.now_ns)
        if gap.open and self._books is not None:
            self._books.lose(gap.instrument, gap.channel, gap.cause, self.situation.now_ns)
        self._other(gap)

    def _repair(self, repair: Repair) -> None:
        self.situation.sight(repair.instrument).holes_ns = self.situation.now_ns
        self._other(repair)

    def _status(self, status: Status) -> None:
        sight = self.situation.sight(status.instrument)
        if sight.instrument is not None:
            sight.instrument = msgspec.structs.replace(sight.instrument, status=status.status)
        self._other(status)

    def _other(self, event: Any) -> None:
        """An event that only strategies have a use for."""
        instrument = getattr(event, "instrument", None)
        if instrument is None or not hasattr(event, "channel"):
            return
        route = self._routes.get((event.__class__, event.channel, instrument)) or self._route(event)
        for seat, hook in route.hooks:
            self._hear(seat, hook, event)

    def _touch(self, sight: Sight, bid: Decimal | None, ask: Decimal | None) -> None:
        """A price was seen: what waits for it goes on its way. A sell is met by bids, a buy by asks."""
        for waiter in self.situation.waiters.of(sight.id):
            price = bid if waiter.intent.side == "sell" else ask
            if price is not None and not waiter.fired and waiter.touch(price):
                self._linked.touched(waiter)

    # ---- accounts ------------------------------------------------------------------------------------------------

    def _order_news(self, news: OrderUpdate | Sent | Failed) -> None:
        situation = self.situation
        found = situation.blotter.apply(news, situation.now_ns)
        situation.out.extend(found.notes)
        for order in found.orders:
            self._changed(order)

    def _fill(self, fill: Fill) -> None:
        situation = self.situation
        found = situation.blotter.apply(fill, situation.now_ns)
        situation.out.extend(found.notes)
        if found.fill in {"new", "fee"}:
            self._fills.book(fill, found.order, new=found.fill == "new")
        for order in found.orders:
            self._changed(order)

    def _changed(self, order: Order) -> None:
        self._guard.changed(order)
        self.situation.told(order)

    def _balance(self, balance: Balance) -> None:
        free = balance.free if balance.free is not None else balance.total
        if free is not None:
            self.situation.free[balance.account, balance.currency] = free

    def _position(self, position: Position) -> None:
        """Its size is reconciled by whoever fetches it; how much margin it takes only the venue knows."""
        if position.leverage is not None and position.instrument is not None:
            self.situation.leverages[position.account, position.instrument] = position.leverage

    def _clock_off(self, off: ClockOff) -> None:
        self.situation.offsets_s[off.venue] = off.offset_s

    def _payment(self, payment: Payment) -> None:
        if self.situation.ledger.pay(payment).changes:
            self._guard.transferred(payment)
        for name, seat in self.seats.items():
            if payment.instrument in self._feeds[name] and seat.strategy.account in {"", payment.account}:
                self.situation.news.append(News(name, "on_payment", payment))

    def _halted(self, halted: Halted) -> None:
        self.stands(halted)
        self._operating.halted(halted)

    def _mode(self, mode: AccountMode) -> None:
        self.situation.hedges[mode.account] = mode.hedge

    def _proven(self, proven: Proven) -> None:
        self.situation.sight(proven.instrument).prove(proven.channel, proven.from_ns, proven.to_ns)

    def _listed(self, listed: Listed) -> None:
        changed = self.situation.relist(listed.instrument, listed.why)
        if changed is not None:
            self._healthy(changed)

    def _healthy(self, health: Healthy) -> None:
        for seat in self.seats.values():
            self._call(seat, "on_health", seat.strategy.on_health, health)

    def _nothing(self, _event: Any) -> None:
        """Heard, and kept elsewhere: a timer has rung already."""

    # ---- strategies ----------------------------------------------------------------------------------------------

    def _route(self, event: Any) -> _Route:
        hook = {Trade: "on_trade", Quote: "on_quote", Bar: "on_bar", BookSnapshot: "on_book", BookDelta: "on_book"}
        kind = BookDelta if event.__class__ is BookSnapshot else event.__class__
        name = hook.get(kind, "on_event")
        wanting = [
            (seat, getattr(seat.strategy, name))
            for key, seat in self.seats.items()
            if event.channel in self._feeds[key].get(event.instrument, ()) and _overridden(seat.strategy, name)
        ]
        route = self._routes[kind, event.channel, event.instrument] = _Route(
            self.situation.sight(event.instrument), wanting
        )
        return route

    def _hear(self, seat: Seat, hook: Hook, event: Any) -> None:
        if seat.paused or not seat.started:
            return
        try:
            hook(event)
        except FAULTS as error:  # a strategy's fault is its own: it is told, and pauses it
            self._operating.failed(seat, getattr(hook, "__name__", "hook"), error)

    def _call(self, seat: Seat, name: str, hook: Callable[..., object], *about: Any) -> None:
        if seat.paused or not seat.started:
            return
        try:
            hook(*about)
        except FAULTS as error:  # as above
            self._operating.failed(seat, name, error)

    def _ring(self, now_ns: int) -> None:
        alarms = self.situation.alarms
        while (alarm := alarms.next(now_ns)) is not None:
            seat = self.seats.get(alarm.owner)
            if seat is None:
                assert callable(alarm.call), "a timer of the engine's own is a function"
                alarm.call()
            elif callable(alarm.call):
                self._call(seat, "timer", alarm.call)
            else:
                self._call(seat, "on_timer", seat.strategy.on_timer, alarm.call)

    def _watch(self) -> None:
        """Limits that the market may break, without any order of ours."""
        if self.situation.risk.limits.now == _NO_LIMITS:
            return
        wanted = self.situation.setup.on_breach
        for breach in self._guard.mark():
            if wanted in STATES and STATES.index(self.situation.halt(breach.account)) < STATES.index(wanted):
                self.situation.out.append(SetHalt(breach.account, wanted, breach.text, "risk"))

    def _tell(self) -> None:
        """Let strategies hear of their orders and fills; what they do then may make more news."""
        news, told = self.situation.news, 0
        while news:
            strategy, hook, about = news.popleft()
            told += 1
            if isinstance(about, Order):
                self._linked.changed(about)
            seat = self.seats.get(strategy)
            if seat is None:
                continue
            if told > MOST_NEWS:
                self._operating.pause(seat, f"its orders made over {MOST_NEWS} news in one step")
            self._call(seat, hook, getattr(seat.strategy, hook), about)

    def _commands(self) -> Sequence[Command]:
        self._tell()
        out = self.situation.out
        if not out:
            return ()
        commands = list(out)
        out.clear()
        self.digest = blake2b(self.digest.encode() + _encode(commands), digest_size=16).hexdigest()
        return commands


def _overridden(strategy: Strategy, name: str) -> bool:
    """Whether a strategy has this hook of its own: what it does not, costs nothing."""
    return getattr(type(strategy), name) is not getattr(Strategy, name) or name in vars(strategy)

"""One strategy's desk: its words become its orders, and what it asks is answered from what is known. Pure."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, Quote
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT
from tapeline.model.order import POSITIONS, Intent, Order
from tapeline.trading.accounting.holding import sellable
from tapeline.trading.desk import BookView, Demand, Money, Stand
from tapeline.trading.linked import Linked
from tapeline.trading.placing import Placing
from tapeline.trading.risk.exposure import Place
from tapeline.trading.settings import as_text, worded
from tapeline.trading.situation import Situation, closes
from tapeline.trading.strategy import Strategy

MOST_AT_ONCE = 10_000
SLACK_NS = 30_000_000_000  # what is proven is said now and then: so old it may be


class Seat:
    """See `Desk`. `paused` says why the strategy is called no more, "" while it is."""

    def __init__(self, strategy: Strategy, situation: Situation, placing: Placing, linked: Linked) -> None:
        self.strategy = strategy
        self.paused = ""
        self.started = False
        self.failures = 0
        self._s, self._placing, self._linked = situation, placing, linked
        self._name = strategy.name
        self._at_once = (0, 0)  # a moment, and how many timers were set in it that are to ring in it

    @property
    def now_ns(self) -> int:
        """See `Desk`."""
        return self._s.now_ns

    def place(self, intent: Intent) -> Order:
        """See `Desk`."""
        said = worded(intent)
        return self._placing.place(said, refused=self._refused(said))

    def place_together(self, intents: Sequence[Intent]) -> list[Order]:
        """See `Desk`."""
        said = [worded(each) for each in intents]
        return self._linked.place_oco(said, self._refused(said[0]))

    def place_bracket(self, entry: Intent, take_profit: Decimal, stop: Decimal) -> Order:
        """See `Desk`."""
        said = worded(entry)
        return self._linked.place_bracket(said, take_profit, stop, self._refused(said))

    def cancel(self, client_id: str) -> None:
        """See `Desk`."""
        self._own(client_id)
        self._linked.cancelled(client_id)
        self._placing.cancel(client_id)

    def amend(
        self, client_id: str, size: Decimal | None, price: Decimal | None, stop: Decimal | None = None
    ) -> bool:  # fmt: skip
        """See `Desk`."""
        self._own(client_id)
        return self._placing.amend(client_id, size, price, stop)

    def orders(self, instrument: str | None) -> list[Order]:
        """See `Desk`."""
        found = self._s.blotter.live(instrument=instrument, strategy=self._name)
        if instrument is not None and not found:
            self._s.known(instrument)  # a name that is misspelt has none either: to cancel them all would do nothing
        return found

    def stand(self, instrument: str, position: str) -> Stand:
        """See `Desk`."""
        if position not in POSITIONS:
            raise ValueError(f"position {position!r} is none of {', '.join(POSITIONS)}")
        account = self._s.setup.account_of(instrument, self._account(instrument)).name
        found = self._stand(Place(account, self._name, instrument, position))
        if not found.size and not found.dust:
            self._s.known(instrument)  # of a name that is misspelt nothing is held either: to close it would do nothing
        return found

    def stands(self) -> dict[str, Stand]:
        """See `Desk`."""
        found: dict[str, Stand] = {}
        for account in self._s.setup.accounts:
            for instrument in self._s.sights:
                for position in ("net", "long", "short"):
                    stand = self._stand(Place(account, self._name, instrument, position))
                    if stand.size:
                        name = instrument if position == "net" else f"{instrument} {position}"
                        found[f"{name} of {account}" if name in found else name] = stand
        return found

    def money(self, currency: str, account: str) -> Money:
        """See `Desk`."""
        name = self._some(account)
        total = self._s.ledger.balance(name, currency)
        return Money(total=total, free=self._s.free.get((name, currency), total))

    def equity(self, currency: str, account: str) -> Decimal:
        """See `Desk`."""
        return self._s.equity(self._some(account), currency)

    def price(self, instrument: str) -> Decimal | None:
        """See `Desk`."""
        sight = self._s.sight(instrument)
        return sight.last if sight.last is not None else sight.price()

    def quote(self, instrument: str) -> Quote | None:
        """See `Desk`."""
        return self._s.sight(instrument).quote

    def book(self, instrument: str) -> BookView:
        """See `Desk`."""
        book = self._s.sight(instrument).book
        if book is None:
            raise ConfigError(f"no book of {instrument} is kept: add the channel `book` to the strategy's feeds")
        return book

    def bars(self, instrument: str, interval: str, count: int) -> list[Bar]:
        """See `Desk`."""
        return self._s.sight(instrument).bars(interval, count)

    def instrument(self, instrument: str) -> Instrument:
        """See `Desk`."""
        return self._s.known(instrument)

    def proven(self, instrument: str, channel: str, last_ns: int) -> bool:
        """See `Desk`."""
        return self._s.sight(instrument).is_proven(channel, self.now_ns - last_ns, self.now_ns - SLACK_NS)

    def after(self, wait_ns: int, call: str | Callable[[], object], again_ns: int) -> int:
        """See `Desk`."""
        if wait_ns < 0 or (again_ns and again_ns < 1_000_000):
            raise ValueError("a timer waits for no less than nothing, and rings no more often than each millisecond")
        if wait_ns == 0:
            before = self._at_once[1] if self._at_once[0] == self.now_ns else 0
            if before == MOST_AT_ONCE:
                raise ValueError(f"{MOST_AT_ONCE} timers for at once: one that sets the next would ring for ever")
            self._at_once = (self.now_ns, before + 1)
        return self._s.alarms.set(self.now_ns + wait_ns, self._name, call, again_ns)

    def forget(self, timer: int) -> None:
        """See `Desk`."""
        self._s.alarms.forget(timer)

    def note(self, text: str) -> None:
        """See `Desk`."""
        self._s.note("strategy", self.strategy.account, as_text(text), strategy=self._name)

    # ---- within --------------------------------------------------------------------------------------------------

    def _refused(self, intent: Intent) -> str:
        """Why the strategy may not place this, "" where it may."""
        if self.paused:
            return f"strategy {self._name} is paused: {self.paused}"
        demand = self.strategy.require
        if not isinstance(demand, Demand) or self.proven(intent.instrument, demand.channel, round(demand.last_s * 1e9)):
            return ""
        account = self._s.setup.account_of(intent.instrument, intent.account).name
        held = self._stand(Place(account, self._name, intent.instrument, intent.position)).size
        size = intent.size
        if closes(intent.side, held) and size is not None and size.is_finite() and size <= held.copy_abs():
            return ""
        return f"the last {demand.last_s:g} s of its {demand.channel} are not proven to be whole"

    def _stand(self, place: Place) -> Stand:
        held = self._s.ledger.holding(place.account, place.instrument, place.position, place.strategy)
        sight = self._s.sight(place.instrument)
        size = held.size
        if size and sight.instrument is not None:
            spot = sight.instrument.kind == "spot"
            size = sellable(size, sight.instrument, sight.value_price() if spot else None)
        return Stand(
            size=size, dust=EXACT.subtract(held.size, size), entry_price=held.entry_price if size else None,
            realised=held.realised,
        )  # fmt: skip

    def _own(self, client_id: str) -> None:
        order = self._s.blotter.order(client_id)
        if order is None and self._s.blotter.forgotten(client_id):
            return  # whose it was is not known any more, and nothing happens to it
        if order is None or order.intent.strategy != self._name:
            raise ConfigError(f"strategy {self._name} has no order {client_id!r}")

    def _account(self, instrument: str) -> str:
        name = self.strategy.account
        known = self._s.setup.accounts.get(name)
        return name if known is not None and instrument.startswith(known.venue + ":") else ""

    def _some(self, account: str) -> str:
        """The account that is named, or the only one there is."""
        if account in self._s.setup.accounts:
            return account
        if not account and len(self._s.setup.accounts) == 1:
            return next(iter(self._s.setup.accounts))
        raise ConfigError(f"say which account: {', '.join(self._s.setup.accounts) or 'none is set up'}")
